-- title: How often warm pools are reused
-- description: The share of pools that another job reused, and how long these were idle before. It
--   counts the pools that were idle in the period and have ended.
-- period: default
-- by: family, instance_type
-- bar: reuse_rate
-- column: pools count: Pools that were idle in the period and have ended
-- column: reused count: Pools that another job reused
-- column: reuse_rate percent: reused ÷ pools
-- column: median_wait_seconds seconds: Median idle time of the reused pools
-- column: longest_wait_seconds seconds wide: Longest idle time of the reused pools
-- column: median_keep_alive_seconds seconds wide: Median keep-alive period of the jobs
-- column: cost_usd money: Known cost of all these pools in USD
-- column: usd_per_reuse money wide: cost_usd ÷ reused: the cost of one warm start
-- column: unpriced_jobs count wide: Pools with a part of the cost unknown
-- example: --by month --by instance_type --since 180d
WITH
-- One row per cost line of an ended pool in the period.
lines AS (
    SELECT
        /*by*/ job_family AS family, instance_type /*end*/,
        job_id AS job,
        usage_date, is_storage, usd_per_unit,
        warm_pool_status = 'Reused' AS is_reused,
        retained_seconds AS idle_seconds,
        keep_alive_seconds, cost_usd, cost_basis, price_source
    FROM internal.cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
        AND is_pool
        AND is_over
        -- A pool that was Terminated without seconds was never kept.
        AND had_pool IS NOT FALSE
),

-- The same rows. However many rows its cost has, a pool counts once in the total and once in each
-- group, such as a month.
costs AS (
    SELECT
        lines.*,
        row_number() OVER of_pool = 1 AS is_first,
        CASE
            WHEN
                is_first
                OR lag(row(/*names*/ family, instance_type /*end*/)) OVER of_pool
                IS DISTINCT FROM row(/*names*/ family, instance_type /*end*/)
                THEN TRUE
        END AS is_first_of_group
    FROM lines
    WINDOW of_pool AS (PARTITION BY job ORDER BY usage_date, is_storage, usd_per_unit)
)

SELECT
    /*names*/ family, instance_type /*end*/,
    grouping(/*names*/ family, instance_type /*end*/) > 0 AS is_total,
    CASE
        WHEN is_total THEN count(*) FILTER (WHERE is_first)
        ELSE count(*) FILTER (WHERE is_first_of_group)
    END AS pools,
    CASE
        WHEN is_total THEN count(*) FILTER (WHERE is_first AND is_reused)
        ELSE count(*) FILTER (WHERE is_first_of_group AND is_reused)
    END AS reused,
    reused / nullif(pools, 0) AS reuse_rate,
    CAST(
        CASE
            WHEN is_total THEN quantile_disc(idle_seconds, 0.5) FILTER (WHERE is_first AND is_reused)
            ELSE quantile_disc(idle_seconds, 0.5) FILTER (WHERE is_first_of_group AND is_reused)
        END AS BIGINT
    ) AS median_wait_seconds,
    max(idle_seconds) FILTER (WHERE is_reused) AS longest_wait_seconds,
    CAST(
        CASE
            WHEN is_total THEN quantile_disc(keep_alive_seconds, 0.5) FILTER (WHERE is_first)
            ELSE quantile_disc(keep_alive_seconds, 0.5) FILTER (WHERE is_first_of_group)
        END AS BIGINT
    ) AS median_keep_alive_seconds,
    sum(cost_usd) AS cost_usd,
    round(CAST(sum(cost_usd) AS DOUBLE) / nullif(reused, 0), 9) AS usd_per_reuse,
    count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs
    /*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ family, instance_type /*end*/), ())
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    cost_usd DESC NULLS LAST,
    /*names*/ family, instance_type /*end*/;
