-- title: Wasted warm pools
-- description: Pools that ended before another job reused them. Their cost bought nothing.
-- period: default
-- by: family, instance_type
-- bar: wasted_usd
-- limit: wasted_usd
-- column: pools count: Pools that were idle in the period and have ended
-- column: wasted_pools count: Pools that no job reused
-- column: wasted_hours hours: Idle hours of the wasted pools × instances
-- column: wasted_usd money: Known cost of the wasted pools in USD
-- column: wasted_share percent: Share of the cost of all these pools
-- column: reused_usd money wide: Known cost of the reused pools in USD
-- column: unpriced_jobs count wide: Wasted pools with a part of the cost unknown
-- example: --by team --since 90d
WITH
-- One row per cost line of an ended pool in the period, with the cost only if it was wasted.
costs AS (
    SELECT
        /*by*/ job_family AS family, instance_type /*end*/,
        job_id AS job,
        warm_pool_status = 'Terminated' AS is_wasted,
        instance_hours,
        cost_usd AS any_cost_usd,
        CASE WHEN warm_pool_status = 'Terminated' THEN cost_usd END AS cost_usd,
        CASE WHEN warm_pool_status = 'Terminated' THEN cost_basis END AS cost_basis,
        price_source
    FROM internal.cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
        AND is_pool
        AND is_over
        -- A pool that was Terminated without seconds was never kept.
        AND had_pool IS NOT FALSE
)

SELECT
    /*names*/ family, instance_type /*end*/,
    grouping(/*names*/ family, instance_type /*end*/) > 0 AS is_total,
    count(DISTINCT job) AS pools,
    count(DISTINCT CASE WHEN is_wasted THEN job END) AS wasted_pools,
    sum(instance_hours) FILTER (WHERE is_wasted) AS wasted_hours,
    sum(cost_usd) AS wasted_usd,
    round(
        CAST(CASE WHEN bool_or(is_wasted) THEN sum(cost_usd) ELSE 0 END AS DOUBLE)
        / nullif(CAST(sum(any_cost_usd) AS DOUBLE), 0),
        9
    ) AS wasted_share,
    sum(any_cost_usd) FILTER (WHERE NOT is_wasted) AS reused_usd,
    count(DISTINCT CASE WHEN is_wasted AND cost_usd IS NULL THEN job END) AS unpriced_jobs
    /*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ family, instance_type /*end*/), ())
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    wasted_usd DESC NULLS LAST,
    /*names*/ family, instance_type /*end*/;
