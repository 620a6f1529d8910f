-- title: What the warm pools cost, compared with training
-- description: Idle time of kept-alive instances, by the UTC day in which its seconds fall. It
--   belongs to the job before the idle time, so the report compares it with that job's training.
-- period: default
-- by: month, instance_type
-- bar: cost_usd
-- limit: cost_usd
-- column: jobs count: Jobs that retained a pool
-- column: instance_hours hours: Idle hours × instances
-- column: storage_usd money wide: Cost of idle ML storage in USD; part of cost_usd
-- column: cost_usd money: Known cost of the pools in USD: compute and storage
-- column: other_currencies wide: Cost of the pools in CNY or EUR, which is not part of cost_usd
-- column: unpriced_jobs count wide: Jobs with a part of the pool's cost unknown
-- column: training_usd money: Known cost of training in USD
-- column: times_training factor: cost_usd ÷ training_usd
-- example: --month 2026-10 --by family
-- example: --since 30d --by account --by tag:Project
-- example: --by day --fail-over 100
WITH
-- One row per cost line of the period.
costs AS (
    SELECT
        /*by*/ strftime(usage_date, '%Y-%m') AS month, instance_type /*end*/,
        job_id AS job,
        is_pool, is_storage, instance_hours,
        cost_usd AS any_cost_usd,
        -- The notes are about the pools; training is there for comparison only.
        CASE WHEN is_pool THEN cost_usd END AS cost_usd,
        CASE WHEN is_pool THEN cost_basis END AS cost_basis,
        price_source, currency,
        CASE WHEN is_pool THEN cost END AS other_cost
    FROM internal.cost_lines
    WHERE usage_date >= CAST(:since AS DATE) AND usage_date < CAST(:until AS DATE)
)

SELECT
    /*names*/ month, instance_type /*end*/,
    grouping(/*names*/ month, instance_type /*end*/) > 0 AS is_total,
    -- CASE, not FILTER: DuckDB would also keep a set of the jobs that are filtered out.
    count(DISTINCT CASE WHEN is_pool AND NOT is_storage THEN job END) AS jobs,
    sum(instance_hours) FILTER (WHERE is_pool) AS instance_hours,
    sum(cost_usd) FILTER (WHERE is_storage) AS storage_usd,
    sum(cost_usd) AS cost_usd,
    nullif(
        concat_ws(
            ', ',
            CAST(sum(other_cost) FILTER (WHERE currency = 'CNY') AS DECIMAL(38, 2)) || ' CNY',
            CAST(sum(other_cost) FILTER (WHERE currency = 'EUR') AS DECIMAL(38, 2)) || ' EUR'
        ),
        ''
    ) AS other_currencies,
    count(DISTINCT CASE WHEN is_pool AND cost_usd IS NULL THEN job END) AS unpriced_jobs,
    sum(any_cost_usd) FILTER (WHERE NOT is_pool) AS training_usd,
    -- Rounded, ratios are the same in every engine.
    round(
        CAST(sum(cost_usd) AS DOUBLE)
        / nullif(CAST(sum(any_cost_usd) FILTER (WHERE NOT is_pool) AS DOUBLE), 0),
        9
    ) AS times_training/*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ month, instance_type /*end*/), ())
-- A row without a pool is there to compare with: it says nothing if its training has no cost.
HAVING is_total OR count(CASE WHEN is_pool THEN job END) > 0 OR training_usd IS NOT NULL
ORDER BY
    is_total,
    /*order*/ month /*end*/,
    cost_usd DESC NULLS LAST,
    /*names*/ month, instance_type /*end*/;
