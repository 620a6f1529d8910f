-- title: What training cost, without the warm pools
-- description: Billable seconds (of spot jobs: the seconds paid for) by the UTC day in which they
--   fall.
-- period: default
-- by: month, instance_type
-- bar: cost_usd
-- limit: cost_usd
-- column: jobs count: Jobs that trained in the period
-- column: instance_hours hours: Billable hours × instances
-- column: storage_usd money wide: ML storage of the instances, in USD; part of cost_usd
-- column: cost_usd money: What the training cost in USD: compute and storage, as far as known
-- column: unpriced_jobs count wide: Jobs of which a part of the cost is not known
-- example: --month 2026-10 --by family
-- example: --since 30d --by team --by region --format csv
WITH costs AS (
    SELECT
        /*by*/ strftime(usage_date, '%Y-%m') AS month, instance_type /*end*/,
        job_id AS job,
        is_storage,
        instance_hours,
        cost_usd,
        cost_basis,
        price_source
    FROM cost_lines
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
    count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs/*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ month, instance_type /*end*/), ())
ORDER BY is_total, /*order*/ month /*end*/, cost_usd DESC NULLS LAST, /*names*/ month, instance_type /*end*/;
