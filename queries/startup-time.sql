-- title: How long jobs take to start, cold and warm, and what the minutes bought cost
-- description: From the creation of a job to the begin of its training (status transitions, else
--   TrainingStartTime). A start is warm where an earlier job names this one as the job that took
--   its pool over. The pools' idle time is the price of the minutes that warm starts saved.
-- period: default
-- by: family, instance_type
-- limit: pool_usd
-- column: cold_starts count wide: Jobs that started on instances of their own
-- column: cold_seconds seconds wide: Median time of a cold start
-- column: warm_starts count: Jobs that took a pool over
-- column: warm_seconds seconds wide: Median time of a warm start
-- column: saved_seconds seconds: Difference of the medians: what a warm start saves
-- column: minutes_bought count: warm_starts × saved_seconds ÷ 60; blank without both kinds
-- column: pool_usd money: What the pools of the group cost in the period in USD, as far as known
-- column: usd_per_minute money: pool_usd ÷ minutes_bought
-- column: unpriced_jobs count wide: Pools of which a part of the cost is not known
-- example: --by instance_type --since 90d
WITH warm AS (
    -- ReusedByJob is a name: the next job of that name created later is the one.
    SELECT DISTINCT reused.job_id
    FROM (
        SELECT arg_min(following.rowid, following.creation_time) AS job_id
        FROM training_jobs AS before
        INNER JOIN training_jobs AS following
            ON
                before.warm_pool_reused_by_job = following.training_job_name
                AND before.account_id = following.account_id
                AND before.region = following.region
                AND before.creation_time < following.creation_time
        WHERE
            before.warm_pool_reused_by_job IS NOT NULL
            -- No job runs, and no pool waits, for that long.
            AND before.creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
            AND following.creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
        GROUP BY before.rowid
    ) AS reused
),

started AS (
    SELECT
        CAST(job.creation_time AT TIME ZONE 'UTC' AS DATE) AS usage_date,
        job.account_id,
        accounts.account_name,
        job.region,
        job.job_family,
        job.team,
        detail.tags,
        detail.instance_type,
        job.rowid AS job,
        warm.job_id IS NOT NULL AS is_warm,
        round(
            epoch(
                coalesce(
                    list_min(
                        list_transform(
                            list_filter(
                                from_json(
                                    detail.status_transitions,
                                    '[{"Status": "VARCHAR", "StartTime": "TIMESTAMPTZ"}]'
                                ),
                                lambda step: step.Status = 'Training'
                            ),
                            lambda step: step.StartTime
                        )
                    ),
                    detail.training_start_time
                )
            ) - epoch(job.creation_time)
        ) AS seconds,
        NULL::DECIMAL(38, 12) AS cost_usd,
        NULL::VARCHAR AS cost_basis,
        NULL::VARCHAR AS price_source
    FROM training_jobs AS job
    INNER JOIN training_job_details AS detail
        ON
            job.training_job_arn = detail.training_job_arn
            AND job.creation_time = detail.creation_time
    LEFT JOIN warm ON job.rowid = warm.job_id
    LEFT JOIN accounts ON job.account_id = accounts.account_id
    WHERE
        job.creation_time >= CAST(:since_at AS TIMESTAMPTZ)
        AND job.creation_time < CAST(:until_at AS TIMESTAMPTZ)
),

both_kinds AS (
    SELECT * FROM started
    WHERE seconds IS NOT NULL
    UNION ALL BY NAME
    SELECT
        usage_date,
        account_id,
        account_name,
        region,
        job_family,
        team,
        tags,
        instance_type,
        job_id AS job,
        cost_usd,
        cost_basis,
        price_source
    FROM cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
        AND is_pool
),

costs AS (
    SELECT
        /*by*/ job_family AS family, instance_type /*end*/,
        job,
        is_warm,
        seconds,
        cost_usd,
        cost_basis,
        price_source
    FROM both_kinds
),

grouped AS (
    SELECT
        /*names*/ family, instance_type /*end*/,
        grouping(/*names*/ family, instance_type /*end*/) > 0 AS is_total,
        count(*) FILTER (WHERE NOT is_warm) AS cold_starts,
        CAST(quantile_disc(seconds, 0.5) FILTER (WHERE NOT is_warm) AS BIGINT) AS cold_seconds,
        count(*) FILTER (WHERE is_warm) AS warm_starts,
        CAST(quantile_disc(seconds, 0.5) FILTER (WHERE is_warm) AS BIGINT) AS warm_seconds,
        cold_seconds - warm_seconds AS saved_seconds,
        warm_starts * saved_seconds / 60 AS minutes_bought,
        sum(cost_usd) AS pool_usd,
        NULL::DOUBLE AS usd_per_minute,
        count(DISTINCT CASE WHEN is_warm IS NULL AND cost_usd IS NULL THEN job END) AS unpriced_jobs
        /*notes*/ /*end*/
    FROM costs
    GROUP BY GROUPING SETS ((/*names*/ family, instance_type /*end*/), ())
),

summed AS (
    -- The difference of medians over a mix of types says nothing: the total adds up the groups.
    SELECT grouped.* REPLACE (
        CASE WHEN NOT is_total THEN saved_seconds END AS saved_seconds,
        CASE
            WHEN is_total THEN sum(minutes_bought) FILTER (WHERE NOT is_total) OVER ()
            ELSE minutes_bought
        END AS minutes_bought
    )
    FROM grouped
)

SELECT summed.* REPLACE (
    CASE WHEN minutes_bought > 0 THEN CAST(pool_usd AS DOUBLE) / minutes_bought END
        AS usd_per_minute
)
FROM summed
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    pool_usd DESC NULLS LAST,
    warm_starts DESC,
    /*names*/ family, instance_type /*end*/;
