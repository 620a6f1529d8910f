-- title: What failed jobs cost, by reason
-- description: Cost of training and warm pools of jobs that failed. The reason is the class of the
--   failure, such as AlgorithmError or InternalServerError. AWS rarely bills internal errors.
-- period: default
-- by: family
-- bar: cost_usd
-- limit: cost_usd
-- column: reason key: First word of FailureReason; NULL = no details
-- column: jobs count: Failed jobs with usage in the period
-- column: instance_hours hours: Hours of training and pools × instances
-- column: pool_usd money wide: Cost of pools after failed jobs in USD; part of cost_usd
-- column: cost_usd money: Known cost of training and pools in USD
-- column: unpriced_jobs count wide: Jobs with a part of the cost unknown
-- column: example wide: One of the jobs
-- example: --by month --since 180d
-- example: --by account --by instance_type
WITH
-- One row per cost line of a failed job in the period.
costs AS (
    SELECT
        /*by*/ job_family AS family /*end*/,
        coalesce(
            nullif(regexp_extract(failure_reason, '^\s*([A-Za-z][A-Za-z0-9]*)', 1), ''),
            CASE WHEN failure_reason IS NOT NULL THEN 'other' END
        ) AS reason,
        job_id AS job,
        training_job_name, is_pool, instance_hours, cost_usd, cost_basis, price_source
    FROM internal.cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
        -- coalesce: without it, DuckDB plans for half of all jobs to have failed.
        AND coalesce(training_job_status = 'Failed', FALSE)
)

SELECT
    /*names*/ family /*end*/,
    reason,
    grouping(/*names*/ family /*end*/) > 0 AS is_total,
    count(DISTINCT job) AS jobs,
    sum(instance_hours) AS instance_hours,
    sum(cost_usd) FILTER (WHERE is_pool) AS pool_usd,
    sum(cost_usd) AS cost_usd,
    count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs,
    CASE WHEN NOT is_total THEN max(training_job_name) END AS example
    /*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ family /*end*/, reason), ())
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    cost_usd DESC NULLS LAST,
    reason,
    /*names*/ family /*end*/;
