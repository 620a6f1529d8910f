-- One row: the period up to the last observation.
bounds AS (
    SELECT
        CAST(:since_at AS TIMESTAMPTZ) AS since_at,
        least(
            CAST(:until_at AS TIMESTAMPTZ),
            coalesce((SELECT max(data_as_of) FROM data_as_of), CAST(:until_at AS TIMESTAMPTZ))
        ) AS until_at
),

-- One row per job of the period and of the 60 days before it: no job runs, and no pool is idle,
-- for longer than that.
pool_job AS NOT MATERIALIZED (
    SELECT rowid AS job_id, *
    FROM training_jobs
    WHERE creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
),

/*part pool_links*/,

-- One row per job whose pool cost something in the period: the amount of warm-pool-cost, and
-- whether a part of it is not known.
pool_cost AS (
    SELECT
        job_id,
        sum(cost_usd) AS usd,
        -- A training plan is paid for: its pools have no cost that could become known.
        bool_or(cost_usd IS NULL AND cost_basis <> 'training plan') AS is_unpriced
    FROM cost_lines
    WHERE
        is_pool
        AND usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
    GROUP BY job_id
),

-- One row per job that can leave or take a pool, and per job with a pool that cost something. Jobs
-- up to six hours before and after the period can wait for each other across its ends.
job AS MATERIALIZED (
    SELECT
        pool_job.*,
        detail.instance_type, detail.instance_count, detail.volume_size_gb,
        coalesce(detail.keep_alive_seconds, 0) AS keep_alive_seconds,
        detail.training_start_time, detail.failure_reason,
        /*part training_began_at*/ AS began_at,
        job_specifications.specification,
        pool_cost.usd AS pool_usd,
        coalesce(pool_cost.is_unpriced, FALSE) AS is_unpriced,
        pool_job.creation_time >= bounds.since_at AND pool_job.creation_time < bounds.until_at
            AS is_created_here,
        pool_job.training_end_time >= bounds.since_at
        AND pool_job.training_end_time < bounds.until_at AS is_ended_here,
        coalesce(
            pool_job.warm_pool_status IN ('Available', 'InUse', 'Reused')
            OR pool_job.warm_pool_retained_seconds > 0,
            FALSE
        ) AS had_pool
    FROM pool_job
    CROSS JOIN bounds
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    LEFT JOIN job_specifications USING (training_job_arn, creation_time)
    LEFT JOIN pool_cost ON pool_job.job_id = pool_cost.job_id
    WHERE
        pool_cost.job_id IS NOT NULL
        OR (
            job_specifications.specification IS NOT NULL
            AND pool_job.creation_time < bounds.until_at + INTERVAL 6 HOUR
            AND (
                pool_job.creation_time >= bounds.since_at - INTERVAL 6 HOUR
                OR pool_job.training_end_time >= bounds.since_at - INTERVAL 6 HOUR
            )
        )
),

-- One row per instance type: the seconds that a warm start saves, from the medians of the period.
-- A type without a warm start borrows the warm starts of all types, which differ little.
start AS MATERIALIZED (
    SELECT
        detail.instance_type,
        epoch(detail.began_at) - epoch(detail.creation_time) AS seconds,
        pool_link.next_id IS NOT NULL AS is_warm
    FROM job AS detail
    LEFT JOIN pool_link ON detail.job_id = pool_link.next_id
    -- A start before the creation is a mistake of the clock: not known.
    WHERE detail.is_created_here AND detail.specification IS NOT NULL AND seconds >= 0
),
saving AS (
    SELECT
        instance_type,
        quantile_disc(seconds, 0.5) FILTER (WHERE NOT is_warm)
        - coalesce(
            quantile_disc(seconds, 0.5) FILTER (WHERE is_warm),
            (SELECT quantile_disc(seconds, 0.5) FROM start WHERE is_warm)
        ) AS saved_seconds
    FROM start
    GROUP BY instance_type
),

/*part bill_rates*/,

-- The jobs, with the cost of a second of their pools, at the account's own prices on the day on
-- which they ended, and with the time at which they could leave a pool. SageMaker keeps a pool
-- after a job that completed, was stopped after its launch, or failed by its own fault. A job that
-- asked for a pool and got none could not leave one: the quota was full, or something failed.
priced_job AS (
    SELECT
        job.*,
        saving.saved_seconds,
        -- A job that took a pool took it after its end, even if it was created a moment before.
        greatest(job.creation_time, previous.training_end_time) AS taken_from,
        CASE
            WHEN job.specification IS NULL THEN NULL
            WHEN job.had_pool THEN job.training_end_time
            WHEN
                job.keep_alive_seconds = 0
                AND job.training_start_time IS NOT NULL
                AND (
                    job.training_job_status IN ('Completed', 'Stopped')
                    OR (
                        job.training_job_status = 'Failed'
                        AND regexp_matches(job.failure_reason, '^(AlgorithmError|ClientError)')
                    )
                )
                THEN job.training_end_time
        END AS pool_from,
        CAST(job.instance_count AS DOUBLE) * (
            CAST(
                CASE
                    WHEN coalesce(paid.currency, card.compute_currency) = 'USD'
                        THEN coalesce(paid.usd_per_unit, card.usd_per_hour)
                END AS DOUBLE
            ) / 3600
            + CASE
                WHEN card.has_storage
                    THEN coalesce(
                        job.volume_size_gb
                        * CAST(
                            CASE
                                WHEN coalesce(paid_storage.currency, card.storage_currency) = 'USD'
                                    THEN coalesce(
                                        paid_storage.usd_per_unit, card.usd_per_gb_month
                                    )
                            END AS DOUBLE
                        ),
                        0
                    )
                        / (day(last_day(make_timestamp(epoch_us(job.training_end_time)))) * 86400)
                ELSE 0
            END
        ) AS usd_per_second
    FROM job
    LEFT JOIN saving ON job.instance_type = saving.instance_type
    LEFT JOIN pool_link ON job.job_id = pool_link.next_id
    LEFT JOIN job AS previous ON pool_link.job_id = previous.job_id
    LEFT JOIN rate_card AS card
        ON
            job.instance_type = card.instance_type
            AND job.region = card.region
            AND card.component = 'Training Warm Pool'
            AND CASE
                WHEN job.account_id IN (SELECT account_id FROM rates) THEN job.account_id
                ELSE ''
            END = card.account_id
            AND CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE) >= card.valid_from
            AND CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE) < card.valid_to
    LEFT JOIN bill_rate AS paid
        ON
            card.instance_type = paid.instance_type
            AND card.component = paid.component
            AND card.region = paid.region
            AND card.account_id = paid.account_id
            AND CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE) = paid.usage_date
    LEFT JOIN bill_rate AS paid_storage
        ON
            card.storage = paid_storage.component
            AND card.region = paid_storage.region
            AND card.account_id = paid_storage.account_id
            AND CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE)
                = paid_storage.usage_date
)

-- One row per specification, with a list entry per job.
SELECT
    job.account_id, job.region, job.specification,
    any_value(job.instance_type) AS instance_type,
    any_value(split_part(job.training_job_arn, ':', 2)) AS partition,
    any_value(epoch(bounds.since_at)) AS since_seconds,
    any_value(epoch(bounds.until_at)) AS until_seconds,
    any_value(job.saved_seconds) AS saved_seconds,
    list(coalesce(job.job_family, job.training_job_name)) AS families,
    list(epoch(job.taken_from)) AS created,
    list(epoch(job.pool_from)) AS ended,
    list(epoch(job.training_end_time)) AS stopped,
    list(
        CASE
            WHEN job.began_at >= job.creation_time
                THEN epoch(job.began_at) - epoch(job.creation_time)
        END
    ) AS start_seconds,
    list(job.keep_alive_seconds) AS keep_alive,
    list(job.usd_per_second) AS usd_per_second,
    list(job.pool_usd) AS pool_usd,
    list(job.is_unpriced) AS is_unpriced,
    list(job.is_ended_here) AS is_ended_here,
    list(job.had_pool) AS had_pool,
    list(job.had_pool AND coalesce(job.warm_pool_status = 'Reused', FALSE)) AS was_reused,
    list(coalesce(job.warm_pool_status = 'Terminated', FALSE)) AS was_wasted
FROM priced_job AS job
CROSS JOIN bounds
GROUP BY job.account_id, job.region, job.specification
