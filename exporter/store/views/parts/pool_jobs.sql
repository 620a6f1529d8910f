-- One row: the period up to the last observation.
bounds AS (
    SELECT
        CAST(:since_at AS TIMESTAMPTZ) AS since_at,
        least(
            CAST(:until_at AS TIMESTAMPTZ),
            coalesce((SELECT max(data_as_of) FROM data_as_of), CAST(:until_at AS TIMESTAMPTZ))
        ) AS until_at
),

-- One row per job of the period, and per job whose pool can wait in it. Jobs up to six hours before
-- and after the period can wait for each other across its ends. No job runs for longer than the 60
-- days before it.
pool_job AS NOT MATERIALIZED (
    SELECT rowid AS job_id, *
    FROM training_jobs
    WHERE
        creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
        AND creation_time < CAST(:until_at AS TIMESTAMPTZ) + INTERVAL 6 HOUR
        AND (
            creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 6 HOUR
            OR training_end_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 6 HOUR
            OR training_end_time + to_seconds(/*part retained_seconds*/)
            >= CAST(:since_at AS TIMESTAMPTZ)
            OR warm_pool_status IN ('Available', 'InUse')
        )
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
    FROM internal.cost_lines
    WHERE
        is_pool
        AND usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
    GROUP BY job_id
),

-- One row per such job.
job AS MATERIALIZED (
    SELECT
        pool_job.job_id, pool_job.account_id, pool_job.region,
        coalesce(pool_job.job_family, pool_job.training_job_name) AS family,
        pool_job.team,
        split_part(pool_job.training_job_arn, ':', 2) AS partition_name,
        epoch(pool_job.creation_time) AS created,
        epoch(pool_job.training_end_time) AS ended,
        pool_job.warm_pool_status, detail.instance_type, detail.instance_count,
        detail.volume_size_gb,
        greatest(coalesce(detail.keep_alive_seconds, 0), 0) AS keep_alive_seconds,
        CASE WHEN pool_job.training_plan_arn IS NULL THEN /*part specification*/ END
            AS specification,
        detail.training_start_time IS NOT NULL AND /*part keeps_pool*/ AS may_leave_pool,
        pool_cost.usd,
        coalesce(pool_cost.is_unpriced, FALSE) AS is_unpriced,
        pool_job.creation_time >= bounds.since_at AND pool_job.creation_time < bounds.until_at
            AS is_created_here,
        coalesce(
            pool_job.training_end_time >= bounds.since_at
            AND pool_job.training_end_time < bounds.until_at,
            FALSE
        ) AS is_ended_here,
        /*part had_pool*/ AS had_pool,
        CASE
            -- Of many jobs, every n-th one tells as much for the medians. The remainder spreads
            -- times of whole seconds, too.
            WHEN
                is_created_here
                AND epoch_us(pool_job.creation_time) % 1000003
                % (SELECT 1 + count(*) // 20000 FROM pool_job) = 0
                THEN epoch(/*part training_began_at*/) - created
        END AS start_seconds
    FROM pool_job
    CROSS JOIN bounds
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    LEFT JOIN pool_cost ON pool_job.job_id = pool_cost.job_id
),

-- One row per job that took the pool of another one: when that one ended.
taken AS (
    SELECT pool_link.next_id AS job_id, previous.ended AS pool_from
    FROM pool_link
    INNER JOIN job AS previous ON pool_link.job_id = previous.job_id
),

-- One row per instance type: the seconds that a warm start saves, from the medians of the period.
-- A type without a warm start borrows the warm starts of all types, which differ little. Without
-- any, a warm start is assumed to take 30 seconds.
start AS MATERIALIZED (
    SELECT job.instance_type, job.start_seconds AS seconds, pool_link.next_id IS NOT NULL AS is_warm
    FROM job
    LEFT JOIN pool_link ON job.job_id = pool_link.next_id
    -- A start before the creation is a mistake of the clock: not known.
    WHERE job.specification IS NOT NULL AND job.start_seconds >= 0
),
saving AS (
    SELECT
        instance_type,
        quantile_disc(seconds, 0.5) FILTER (WHERE NOT is_warm)
        - coalesce(
            quantile_disc(seconds, 0.5) FILTER (WHERE is_warm),
            (SELECT quantile_disc(seconds, 0.5) FROM start WHERE is_warm),
            30
        ) AS saved_seconds
    FROM start
    GROUP BY instance_type
),

-- The prices, once: their views take longer to plan than to read.
card AS MATERIALIZED (
    SELECT *
    FROM internal.rate_card
),

-- One row per account with prices of its own; the empty one stands for all others.
card_account AS (
    SELECT DISTINCT account_id
    FROM card
),

/*part bill_rates*/,

-- The jobs, with the cost of a second of their pools, at the account's own prices on the day on
-- which they ended, and with the time at which they could leave a pool. A job that asked for a pool
-- and got none could not leave one: the quota was full, or something failed.
priced_job AS (
    SELECT
        job.*,
        -- A job that took a pool took it after its end, even if it was created a moment before.
        greatest(job.created, taken.pool_from) AS taken_from,
        CASE
            WHEN
                job.specification IS NOT NULL
                AND (job.had_pool OR (job.keep_alive_seconds = 0 AND job.may_leave_pool))
                THEN job.ended
        END AS pool_from,
        CAST(job.instance_count AS DOUBLE) * (
            -- The advice is in USD: a price in another currency is not known.
            CAST(
                CASE
                    WHEN coalesce(paid.currency, card.compute_currency) = 'USD'
                        THEN coalesce(paid.usd_per_unit, card.usd_per_hour)
                END AS DOUBLE
            ) / 3600
            + CASE
                WHEN
                    card.has_storage
                    AND coalesce(paid_storage.currency, card.storage_currency) = 'USD'
                    THEN coalesce(
                        job.volume_size_gb
                        * CAST(
                            coalesce(paid_storage.usd_per_unit, card.usd_per_gb_month) AS DOUBLE
                        ),
                        0
                    )
                        / (day(last_day(make_timestamp(CAST(job.ended * 1000000 AS BIGINT)))) * 86400)
                ELSE 0
            END
        ) AS usd_per_second
    FROM job
    LEFT JOIN taken ON job.job_id = taken.job_id
    LEFT JOIN card_account ON job.account_id = card_account.account_id
    LEFT JOIN card
        ON
            job.instance_type = card.instance_type
            AND job.region = card.region
            AND card.component = 'Training Warm Pool'
            AND coalesce(card_account.account_id, '') = card.account_id
            AND CAST(make_timestamp(CAST(job.ended * 1000000 AS BIGINT)) AS DATE) >= card.valid_from
            AND CAST(make_timestamp(CAST(job.ended * 1000000 AS BIGINT)) AS DATE) < card.valid_to
    LEFT JOIN bill_rate AS paid
        ON
            card.instance_type = paid.instance_type
            AND card.component = paid.component
            AND card.region = paid.region
            AND card.account_id = paid.account_id
            AND CAST(make_timestamp(CAST(job.ended * 1000000 AS BIGINT)) AS DATE) = paid.usage_date
    LEFT JOIN bill_rate AS paid_storage
        ON
            card.storage = paid_storage.component
            AND card.region = paid_storage.region
            AND card.account_id = paid_storage.account_id
            AND CAST(make_timestamp(CAST(job.ended * 1000000 AS BIGINT)) AS DATE)
            = paid_storage.usage_date
    -- Other jobs can neither leave nor take a pool.
    WHERE job.specification IS NOT NULL OR job.usd IS NOT NULL OR job.is_unpriced
)
