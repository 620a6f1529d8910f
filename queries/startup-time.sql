-- title: Cold and warm starts: how long they take, and what the saved minutes cost
-- description: From the creation of a job to the start of its training (status transitions, else
--   TrainingStartTime). A start is warm if an earlier job names this one as the job that reused
--   its pool. The pools' idle time is the price of the minutes that warm starts saved. Spot jobs,
--   instance groups, training plans and serverless jobs use no pools and are left out.
-- period: default
-- by: family, instance_type
-- limit: pool_usd
-- column: cold_starts count wide: Jobs that started on new instances though a pool could serve them
-- column: cold_seconds seconds wide: Median time of a cold start
-- column: warm_starts count: Jobs that reused a pool
-- column: warm_seconds seconds wide: Median time of a warm start
-- column: saved_seconds seconds: cold_seconds − warm_seconds: what a warm start saves
-- column: minutes_bought count: warm_starts × saved_seconds ÷ 60; NULL if one kind is missing
-- column: pool_usd money: Known cost of the group's pools in the period in USD
-- column: usd_per_minute money: pool_usd ÷ minutes_bought
-- column: unpriced_jobs count wide: Pools with a part of the cost unknown
-- example: --by instance_type --since 90d
WITH
-- One row per job of the period and of the 60 days before it: no job runs, and no pool is idle,
-- for longer than that.
pool_job AS NOT MATERIALIZED (
    SELECT rowid AS job_id, *
    FROM training_jobs
    WHERE creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
),

/*part pool_links*/,

-- One row per job created in the period that a pool could have served.
started_job AS (
    SELECT
        CAST(job.creation_time AT TIME ZONE 'UTC' AS DATE) AS usage_date,
        job.account_id, accounts.account_name, job.region, job.job_family, job.team, detail.tags,
        detail.instance_type,
        job.rowid AS job,
        pool_link.next_id IS NOT NULL AS is_warm,
        round(
            epoch(
                /*part training_began_at*/
            ) - epoch(job.creation_time)
        ) AS seconds,
        NULL::DECIMAL(38, 12) AS cost_usd,
        NULL::VARCHAR AS cost_basis,
        NULL::VARCHAR AS price_source
    FROM training_jobs AS job
    INNER JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    LEFT JOIN pool_link ON job.rowid = pool_link.next_id
    LEFT JOIN accounts ON job.account_id = accounts.account_id
    WHERE
        job.creation_time >= CAST(:since_at AS TIMESTAMPTZ)
        AND job.creation_time < CAST(:until_at AS TIMESTAMPTZ)
        AND job.training_plan_arn IS NULL
        AND detail.instance_type IS NOT NULL
        AND detail.managed_spot IS NOT TRUE
        AND detail.serverless IS NOT TRUE
),

-- One row per start, and one per line of the pools' cost.
start_or_cost AS (
    SELECT * FROM started_job
    -- A start before the creation is a mistake of the clock: not known.
    WHERE seconds >= 0
    UNION ALL BY NAME
    SELECT
        usage_date, account_id, account_name, region, job_family, team, tags, instance_type,
        job_id AS job,
        cost_usd, cost_basis, price_source
    FROM internal.cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
        AND is_pool
),

-- The same rows, with the columns to group by.
costs AS (
    SELECT
        /*by*/ job_family AS family, instance_type /*end*/,
        job, is_warm, seconds, cost_usd, cost_basis, price_source
    FROM start_or_cost
),

-- One row per group, and one for the total.
grouped AS (
    SELECT
        /*names*/ family, instance_type /*end*/,
        grouping(/*names*/ family, instance_type /*end*/) > 0 AS is_total,
        count(*) FILTER (WHERE NOT is_warm) AS cold_starts,
        CAST(quantile_disc(seconds, 0.5) FILTER (WHERE NOT is_warm) AS BIGINT) AS cold_seconds,
        count(*) FILTER (WHERE is_warm) AS warm_starts,
        CAST(quantile_disc(seconds, 0.5) FILTER (WHERE is_warm) AS BIGINT) AS warm_seconds,
        cold_seconds - warm_seconds AS saved_seconds,
        NULL::DOUBLE AS minutes_bought,
        sum(cost_usd) AS pool_usd,
        NULL::DOUBLE AS usd_per_minute,
        warm_starts * saved_seconds AS bought_seconds,
        count(DISTINCT CASE WHEN is_warm IS NULL AND cost_usd IS NULL THEN job END) AS unpriced_jobs
        /*notes*/ /*end*/
    FROM costs
    GROUP BY GROUPING SETS ((/*names*/ family, instance_type /*end*/), ())
),

-- The same rows. A difference of medians over a mix of types means nothing: the total adds up the
-- groups instead.
summed AS (
    SELECT grouped.* EXCLUDE (bought_seconds) REPLACE (
        CASE WHEN NOT is_total THEN saved_seconds END AS saved_seconds,
        CASE
            -- Whole seconds add up to the same in any order.
            WHEN is_total THEN sum(bought_seconds) FILTER (WHERE NOT is_total) OVER ()
            ELSE bought_seconds
        END / 60 AS minutes_bought
    )
    FROM grouped
)

SELECT summed.* REPLACE (
    CASE WHEN minutes_bought > 0 THEN round(CAST(pool_usd AS DOUBLE) / minutes_bought, 9) END
        AS usd_per_minute
)
FROM summed
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    pool_usd DESC NULLS LAST,
    warm_starts DESC,
    /*names*/ family, instance_type /*end*/;
