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
costs AS (
    SELECT
        /*by*/ job_family AS family, instance_type /*end*/,
        job_id AS job,
        -- Counts a pool once, on its first day, however many rows its cost has.
        row_number() OVER (
            PARTITION BY job_id
            ORDER BY usage_date, is_storage, usd_per_unit
        ) = 1 AS is_first,
        warm_pool_status = 'Reused' AS is_reused,
        retained_seconds AS idle_seconds,
        keep_alive_seconds, cost_usd, cost_basis, price_source
    FROM cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
        AND is_pool
        AND is_over
)

SELECT
    /*names*/ family, instance_type /*end*/,
    grouping(/*names*/ family, instance_type /*end*/) > 0 AS is_total,
    count(*) FILTER (WHERE is_first) AS pools,
    count(*) FILTER (WHERE is_first AND is_reused) AS reused,
    count(*) FILTER (WHERE is_first AND is_reused) / nullif(count(*) FILTER (WHERE is_first), 0)
        AS reuse_rate,
    CAST(
        quantile_disc(idle_seconds, 0.5) FILTER (WHERE is_first AND is_reused) AS BIGINT
    ) AS median_wait_seconds,
    max(idle_seconds) FILTER (WHERE is_reused) AS longest_wait_seconds,
    CAST(
        quantile_disc(keep_alive_seconds, 0.5) FILTER (WHERE is_first) AS BIGINT
    ) AS median_keep_alive_seconds,
    sum(cost_usd) AS cost_usd,
    CAST(sum(cost_usd) AS DOUBLE) / nullif(count(*) FILTER (WHERE is_first AND is_reused), 0)
        AS usd_per_reuse,
    count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs
    /*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ family, instance_type /*end*/), ())
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    cost_usd DESC NULLS LAST,
    /*names*/ family, instance_type /*end*/;
