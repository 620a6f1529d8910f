-- title: What the warm pools cost, beside the training
-- description: Idle time of kept-alive instances, by the UTC day in which its seconds fall. It
--   belongs to the job before the gap, so it stands beside that job's own training cost.
-- period: default
-- by: month, instance_type
-- bar: cost_usd
-- limit: cost_usd
-- column: jobs count: Jobs that retained a pool
-- column: instance_hours hours: Idle hours × instances
-- column: storage_usd money wide: ML storage of the idle instances, in USD; part of cost_usd
-- column: cost_usd money: What the pools cost in USD: compute and storage, as far as known
-- column: unpriced_jobs count wide: Jobs of which a part of the pool's cost is not known
-- column: training_usd money: What the training itself cost in USD, as far as known
-- column: times_training factor: cost_usd ÷ training_usd
-- example: --month 2026-10 --by family
-- example: --since 30d --by account --by tag:Project
-- example: --by day --fail-over 100
WITH costs AS (
    SELECT
        /*by*/ strftime(usage_date, '%Y-%m') AS month, instance_type /*end*/,
        job_id AS job,
        is_pool,
        is_storage,
        instance_hours,
        cost_usd AS any_cost_usd,
        -- The notes speak of the pools: the training stands beside them only to compare.
        CASE WHEN is_pool THEN cost_usd END AS cost_usd,
        CASE WHEN is_pool THEN cost_basis END AS cost_basis,
        price_source
    FROM cost_lines
    WHERE usage_date >= CAST(:since AS DATE) AND usage_date < CAST(:until AS DATE)
)
SELECT
    /*names*/ month, instance_type /*end*/,
    grouping(/*names*/ month, instance_type /*end*/) > 0 AS is_total,
    -- CASE and not FILTER: DuckDB would keep a set of the jobs that are filtered out, too.
    count(DISTINCT CASE WHEN is_pool AND NOT is_storage THEN job END) AS jobs,
    sum(instance_hours) FILTER (WHERE is_pool) AS instance_hours,
    sum(cost_usd) FILTER (WHERE is_storage) AS storage_usd,
    sum(cost_usd) AS cost_usd,
    count(DISTINCT CASE WHEN is_pool AND cost_usd IS NULL THEN job END) AS unpriced_jobs,
    sum(any_cost_usd) FILTER (WHERE NOT is_pool) AS training_usd,
    CAST(sum(cost_usd) AS DOUBLE)
        / nullif(CAST(sum(any_cost_usd) FILTER (WHERE NOT is_pool) AS DOUBLE), 0)
        AS times_training/*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ month, instance_type /*end*/), ())
ORDER BY is_total, /*order*/ month /*end*/, cost_usd DESC NULLS LAST, /*names*/ month, instance_type /*end*/;
