-- Step 3 of the costs: the days of step 2 added up, one row per job, component and instance type.
-- Amounts are sums of what is known; a rank says whether something is missing.
--
-- needs: internal.usage_days
--
-- job_id, training_job_arn, creation_time, account_id, region, training_job_name: as in usage_days
-- job_family, team, component, instance_type, instance_count, warm_pool_status: as in usage_days
-- reused_by_job, is_deleted, keep_alive_seconds, is_over, from_time: as in usage_days
-- training_end_time, started_at, ended_at: as in usage_days
-- seconds: Seconds for one instance; NULL = not known
-- instance_hours: Instance hours (seconds × count ÷ 3600): sum of its days, to 12 places
-- usd_per_hour: Price of an instance hour in USD after discount, on the first day; NULL = none
-- compute_cost_usd: Cost of the instances in USD: sum of its days; NULL = not known
-- storage_cost_usd, compute_rank, storage_rank, cost_usd, specification: as in usage_days
SELECT
    day.job_id, day.training_job_arn, day.creation_time, day.account_id, day.region,
    day.training_job_name, day.job_family, day.team, day.component, day.instance_type,
    day.instance_count, day.warm_pool_status, day.reused_by_job, day.is_deleted,
    day.keep_alive_seconds, day.is_over, day.from_time, day.training_end_time, day.started_at,
    day.ended_at, day.seconds, day.instance_hours,
    CASE WHEN day.compute_currency = 'USD' THEN day.usd_per_hour END AS usd_per_hour,
    day.compute_cost_usd,
    day.storage_cost_usd, day.compute_rank, day.storage_rank, day.cost_usd, day.specification
FROM internal.usage_days AS day
WHERE day.within_a_day
UNION ALL
SELECT
    day.job_id,
    any_value(day.training_job_arn),
    day.creation_time,
    any_value(day.account_id),
    any_value(day.region),
    any_value(day.training_job_name),
    any_value(day.job_family),
    any_value(day.team),
    day.component,
    day.instance_type,
    any_value(day.instance_count),
    day.warm_pool_status,
    any_value(day.reused_by_job),
    any_value(day.is_deleted),
    any_value(day.keep_alive_seconds),
    any_value(day.is_over),
    day.from_time,
    day.training_end_time,
    any_value(day.started_at),
    any_value(day.ended_at),
    CAST(sum(day.seconds) AS BIGINT),
    sum(day.instance_hours),
    arg_min(
        CASE WHEN day.compute_currency = 'USD' THEN day.usd_per_hour END, day.usage_date
    ),
    sum(day.compute_cost_usd),
    sum(day.storage_cost_usd),
    max(day.compute_rank),
    max(day.storage_rank),
    sum(day.cost_usd),
    any_value(day.specification)
FROM internal.usage_days AS day
WHERE NOT day.within_a_day
-- The job decides its times and status; as keys, they let filters reach the scan.
GROUP BY
    day.job_id, day.component, day.instance_type, day.creation_time, day.from_time,
    day.training_end_time, day.warm_pool_status
