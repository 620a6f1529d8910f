-- title: What managed spot training saved
-- description: AWS bills spot jobs for BillableTimeInSeconds of their TrainingTimeInSeconds. The
--   saving is the rest, at the same hourly price. Jobs that started in the period, without storage.
-- period: default
-- by: month, instance_type
-- bar: saved_usd
-- column: jobs count: Spot jobs with known seconds
-- column: interrupted_jobs count: Jobs that were interrupted at least once
-- column: training_hours hours: Training time × instances
-- column: billable_hours hours: Billable time × instances
-- column: saved_share percent: 1 − billable_hours ÷ training_hours
-- column: cost_usd money wide: Known cost in USD, without storage
-- column: saved_usd money: Known saving in USD at the same price
-- column: unpriced_jobs count wide: Jobs without a known price
-- example: --by family --since 180d
WITH
-- One row per spot job that started in the period.
spot AS (
    SELECT
        cost.job_id AS job,
        CAST(cost.started_at AT TIME ZONE 'UTC' AS DATE) AS usage_date,
        cost.account_id, accounts.account_name, cost.region, cost.job_family, cost.team,
        detail.tags, cost.instance_type,
        list_contains(
            json_extract_string(detail.status_transitions, '$[*].Status'), 'Interrupted'
        ) AS is_interrupted,
        detail.training_seconds * cost.instance_count AS training_seconds,
        detail.billable_seconds * cost.instance_count AS billable_seconds,
        cost.usd_per_hour,
        cost.compute_cost_usd AS cost_usd,
        cost_bases.cost_basis,
        NULL::VARCHAR AS price_source
    FROM job_costs AS cost
    INNER JOIN cost_bases ON cost.compute_rank = cost_bases.rank
    INNER JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    LEFT JOIN accounts USING (account_id)
    WHERE
        cost.component = 'Training'
        AND detail.managed_spot
        AND detail.training_seconds > 0
        AND detail.billable_seconds IS NOT NULL
        AND cost.started_at >= CAST(:since_at AS TIMESTAMPTZ)
        AND cost.started_at < CAST(:until_at AS TIMESTAMPTZ)
        -- Both follow from the lines above, and keep DuckDB from reading all other jobs.
        AND cost.creation_time < CAST(:until_at AS TIMESTAMPTZ)
        AND coalesce(cost.training_end_time, 'infinity') >= CAST(:since_at AS TIMESTAMPTZ)
),

-- The same rows, with the saving and the columns to group by.
costs AS (
    SELECT
        /*by*/ strftime(usage_date, '%Y-%m') AS month, instance_type /*end*/,
        job, is_interrupted, training_seconds, billable_seconds,
        CAST(
            usd_per_hour * CAST(training_seconds - billable_seconds AS DECIMAL(18, 0)) / 3600
            AS DECIMAL(38, 12)
        ) AS saved_usd,
        cost_usd, cost_basis, price_source
    FROM spot
)

SELECT
    /*names*/ month, instance_type /*end*/,
    grouping(/*names*/ month, instance_type /*end*/) > 0 AS is_total,
    count(DISTINCT job) AS jobs,
    count(DISTINCT CASE WHEN is_interrupted THEN job END) AS interrupted_jobs,
    sum(training_seconds) / 3600 AS training_hours,
    sum(billable_seconds) / 3600 AS billable_hours,
    1 - sum(billable_seconds) / sum(training_seconds) AS saved_share,
    sum(cost_usd) AS cost_usd,
    sum(saved_usd) AS saved_usd,
    count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs
    /*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ month, instance_type /*end*/), ())
ORDER BY
    is_total,
    /*order*/ month /*end*/,
    saved_usd DESC NULLS LAST,
    /*names*/ month, instance_type /*end*/;
