-- Step 3 of the costs: the days of step 2 added up, one row per job, component and instance type.
-- Amounts are sums of what is known; a rank says whether something is missing.
--
-- needs: usage_days
--
-- job_id: Row number in training_jobs: a short key, valid within one query only
-- training_job_arn: ARN of the job
-- creation_time: When the job was created
-- account_id: AWS account
-- region: AWS region
-- training_job_name: Name of the job
-- job_family: Family of the job
-- team: Team of the job
-- component: Training or Training Warm Pool
-- instance_type: Instance type; NULL = not known
-- instance_count: Instance count; NULL = not known
-- warm_pool_status: WarmPoolStatus.Status
-- reused_by_job: Name of the job that reused the pool
-- is_deleted: True: the job was deleted at AWS
-- keep_alive_seconds: KeepAlivePeriodInSeconds; NULL = not known
-- is_over: True: training ended, or the pool is settled
-- from_time: Earliest start: creation of the job or, for a pool, end of training
-- training_end_time: TrainingEndTime
-- started_at: Start; NULL = not known
-- ended_at: End; NULL = not yet, or not known
-- seconds: Seconds for one instance; NULL = not known
-- instance_hours: Hours of all instances
-- usd_per_hour: Price of an instance hour, on the first day; NULL = none
-- compute_cost_usd: Cost of the instances; NULL = not known
-- storage_cost_usd: Cost of the volumes; 0 = not charged for this type, NULL = not known
-- compute_rank: Rank of the compute cost's basis in cost_bases
-- storage_rank: Rank of the storage cost's basis in cost_bases
-- cost_usd: Known cost of compute and storage; NULL = neither is known
SELECT
    day.job_id,
    day.training_job_arn,
    day.creation_time,
    day.account_id,
    day.region,
    day.training_job_name,
    day.job_family,
    day.team,
    day.component,
    day.instance_type,
    day.instance_count,
    day.warm_pool_status,
    day.reused_by_job,
    day.is_deleted,
    day.keep_alive_seconds,
    day.is_over,
    day.from_time,
    day.training_end_time,
    day.started_at,
    day.ended_at,
    day.seconds,
    day.instance_hours,
    day.usd_per_hour,
    day.compute_cost_usd,
    day.storage_cost_usd,
    day.compute_rank,
    day.storage_rank,
    day.cost_usd
FROM usage_days AS day
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
    arg_min(day.usd_per_hour, day.usage_date),
    sum(day.compute_cost_usd),
    sum(day.storage_cost_usd),
    max(day.compute_rank),
    max(day.storage_rank),
    sum(day.cost_usd)
FROM usage_days AS day
WHERE NOT day.within_a_day
-- The job decides its times and status; as keys, they let filters reach the scan.
GROUP BY
    day.job_id,
    day.component,
    day.instance_type,
    day.creation_time,
    day.from_time,
    day.training_end_time,
    day.warm_pool_status
