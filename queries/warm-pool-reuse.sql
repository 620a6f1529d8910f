-- title: How often warm pools are reused
-- description: Of the pools that waited in the period and have ended, the share that another job
--   took over, and how long those waited for it.
-- period: default
-- by: family, instance_type
-- bar: reuse_rate
-- column: pools count: Pools that waited in the period and have ended
-- column: reused count: Those that another job took over
-- column: reuse_rate percent: reused ÷ pools
-- column: median_wait_seconds seconds: Median wait of those that were reused
-- column: longest_wait_seconds seconds wide: The longest of them
-- column: median_keep_alive_seconds seconds wide: Median of the period that was asked for
-- column: cost_usd money: What all these pools cost in USD, as far as known
-- column: usd_per_reuse money wide: cost_usd ÷ reused: what one warm start cost
-- column: unpriced_jobs count wide: Pools of which a part of the cost is not known
-- example: --by month --by instance_type --since 180d
WITH costs AS (
    SELECT
        /*by*/ job_family AS family, instance_type /*end*/,
        job_id AS job,
        -- A pool is counted once, on its first day, however many rows its cost has.
        row_number() OVER (
            PARTITION BY job_id
            ORDER BY usage_date, is_storage, usd_per_unit
        ) = 1 AS is_first,
        warm_pool_status = 'Reused' AS is_reused,
        retained_seconds AS waited_seconds,
        keep_alive_seconds,
        cost_usd,
        cost_basis,
        price_source
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
        quantile_disc(waited_seconds, 0.5) FILTER (WHERE is_first AND is_reused) AS BIGINT
    ) AS median_wait_seconds,
    max(waited_seconds) FILTER (WHERE is_reused) AS longest_wait_seconds,
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
