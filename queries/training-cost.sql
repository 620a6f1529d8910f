-- title: What training cost, without the warm pools
-- description: Billable seconds by the UTC day in which they fall. For spot jobs, these are the
--   seconds that AWS bills, not the whole training time.
-- period: default
-- by: month, instance_type
-- bar: cost_usd
-- limit: cost_usd
-- column: jobs count: Jobs that trained in the period
-- column: instance_hours hours: Billable hours × instances
-- column: storage_usd money wide: Cost of ML storage in USD; part of cost_usd
-- column: cost_usd money: Known cost of training in USD: compute and storage
-- column: other_currencies wide: Cost in CNY or EUR, which is not part of cost_usd
-- column: unpriced_jobs count wide: Jobs with a part of the cost unknown in USD
-- example: --month 2026-10 --by family
-- example: --since 30d --by team --by region --format csv
WITH
-- One row per cost line of training in the period.
costs AS (
    SELECT
        /*by*/ strftime(usage_date, '%Y-%m') AS month, instance_type /*end*/,
        job_id AS job,
        is_storage, instance_hours, cost_usd, cost_basis, price_source, currency,
        cost AS other_cost
    FROM internal.cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
        AND NOT is_pool
)

SELECT
    /*names*/ month, instance_type /*end*/,
    grouping(/*names*/ month, instance_type /*end*/) > 0 AS is_total,
    count(DISTINCT job) AS jobs,
    sum(instance_hours) AS instance_hours,
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
    count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs/*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ month, instance_type /*end*/), ())
ORDER BY
    is_total,
    /*order*/ month /*end*/,
    cost_usd DESC NULLS LAST,
    /*names*/ month, instance_type /*end*/;
