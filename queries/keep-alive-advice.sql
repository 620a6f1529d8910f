-- title: What other keep-alive periods would have cost and saved
-- description: For each family and instance type, what the ends and beginnings of its jobs in the
--   period say about a grid of KeepAlivePeriodInSeconds. How many minutes of waiting are worth the
--   idle instances is yours to say, as minute_usd; without it the curve is shown, and what a saved
--   minute costs.
-- period: default
-- prices: yes
-- param: minute_usd number = : What a minute that nobody has to wait is worth, in USD
-- param: family text = : Only this family
-- param: top integer = 5: How many families and types to show, the busiest first
-- param: longest integer = 21600: Longest keep-alive period to consider, in seconds
-- limit: idle_usd
-- column: family: Family of the jobs
-- column: instance_type: Instance type
-- column: keep_alive_seconds seconds: The keep-alive period
-- column: mark: present = what most of these jobs ask for; best = the highest net_usd
-- column: ends count wide: Ends of jobs that could have left a pool, in the whole period
-- column: reuses count wide: Ends that a compatible job follows within the keep-alive period
-- column: idle_usd money: What the waits would cost a month, in USD; NULL = not all have a price
-- column: saved_minutes count: Minutes of starting that warm starts would save a month
-- column: usd_per_minute money: What one more saved minute costs against the shorter period
-- column: net_usd money: saved_minutes × minute_usd − idle_usd; NULL without minute_usd
-- column: gain_usd money: On the best row, net_usd against the present period, a month
-- example: --param minute_usd=1.50
-- example: --param family=bert-ft

-- How it is worked out. A pool that waits serves a job of the same account, region, family and
-- settings (those that SageMaker compares) that is created before the keep-alive period is over.
-- Each end serves one job at most and each job one end at most: a job takes the pool that began
-- to wait last, as with a stack of plates, so ten jobs that end together and one that follows
-- are one reuse and nine waits in vain. Which pool SageMaker takes is not documented; this choice
-- promises the fewest reuses, and makes one matching right for every keep-alive period: a job
-- finds the newest pool expired only if all older ones are, too.
--
-- For a period of K seconds an end whose next job comes after g seconds waits g seconds if g <= K
-- and is reused, else it waits K seconds in vain. A reuse saves the difference between the median
-- cold and the median warm start of the instance type, as seen in the period; where no warm start
-- has been seen, that difference is not known, and NULL.
--
-- An example. Three jobs on one instance of 3.60 USD an hour (0.06 a minute) end at 12:00, 12:10
-- and 12:30, their followers are created at 12:05 and 12:40, and a warm start saves 4 minutes.
-- The gaps are 5 minutes (12:00 to 12:05), none (12:10, as 12:40 takes the pool of 12:30) and 10
-- minutes. With K = 5 minutes: one reuse, 3 × 5 minutes of wait, 0.90 USD, 4 minutes saved, 0.225
-- USD a minute. With K = 10 minutes: two reuses, 5 + 10 + 10 minutes, 1.50 USD, 8 minutes saved;
-- the 4 minutes more cost 0.60 USD more, 0.15 USD each. If a minute is worth 0.20 USD, 10 minutes
-- are best: 8 × 0.20 − 1.50 = 0.10 USD, while 5 minutes lose 0.10 and none at all is zero.
WITH bounds AS (
    SELECT
        CAST(:since_at AS TIMESTAMPTZ) AS since_at,
        least(
            CAST(:until_at AS TIMESTAMPTZ),
            coalesce((SELECT max(data_as_of) FROM data_as_of), CAST(:until_at AS TIMESTAMPTZ))
        ) AS until_at
),

jobs AS (
    SELECT
        job.rowid AS job_id,
        job.creation_time,
        job.account_id,
        job.region,
        job.job_family,
        detail.instance_type,
        detail.instance_count,
        detail.keep_alive_seconds,
        -- Pools outlive jobs that fail by themselves, not those whose instances failed.
        CASE
            WHEN
                detail.training_start_time IS NOT NULL
                AND job.training_job_status IN ('Completed', 'Stopped', 'Failed')
                AND NOT starts_with(coalesce(detail.failure_reason, ''), 'InternalServerError')
                THEN job.training_end_time
        END AS ended_at,
        -- As in the report startup-time.
        CASE
            WHEN detail.training_start_time IS NOT NULL AND job.creation_time >= bounds.since_at
                THEN epoch(
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
        END AS start_seconds,
        hash(
            job.account_id,
            job.region,
            job.job_family,
            detail.instance_type,
            detail.instance_count,
            detail.role_arn,
            detail.volume_size_gb,
            detail.volume_kms_key_id,
            CAST(detail.subnets AS VARCHAR),
            CAST(detail.security_group_ids AS VARCHAR),
            coalesce(detail.encrypt_traffic, FALSE),
            coalesce(detail.network_isolation, FALSE)
        ) AS alike
    FROM training_jobs AS job
    INNER JOIN training_job_details AS detail
        ON
            job.training_job_arn = detail.training_job_arn
            AND job.creation_time = detail.creation_time
    CROSS JOIN bounds
    WHERE
        detail.instance_type IS NOT NULL
        AND NOT coalesce(detail.managed_spot, FALSE)
        AND NOT coalesce(detail.serverless, FALSE)
        AND job.training_plan_arn IS NULL
        -- Jobs of before may have left a pool in the period.
        AND job.creation_time >= bounds.since_at - INTERVAL 60 DAY
        AND (job.creation_time >= bounds.since_at OR job.training_end_time >= bounds.since_at)
        AND job.creation_time < bounds.until_at
        AND (
            CAST(:family AS VARCHAR) IS NULL OR job.job_family = CAST(:family AS VARCHAR)
        )
),

-- Ends put a pool on the stack, creations take one off: +1 and -1. At the same moment the end
-- comes first. What was before the period lies below in the stack, and changes nothing.
events AS (
    SELECT jobs.alike, jobs.ended_at AS at_time, 1::TINYINT AS step, jobs.keep_alive_seconds
    FROM jobs
    CROSS JOIN bounds
    WHERE jobs.ended_at >= bounds.since_at AND jobs.ended_at < bounds.until_at
    UNION ALL
    SELECT jobs.alike, jobs.creation_time AS at_time, -1::TINYINT AS step, NULL::BIGINT
    FROM jobs
    CROSS JOIN bounds
    WHERE jobs.creation_time >= bounds.since_at
),

-- The height of the stack, but for a constant: creations that find it empty lower it, too.
summed AS (
    SELECT
        *,
        sum(step) OVER (
            PARTITION BY alike
            ORDER BY at_time, step DESC
            ROWS UNBOUNDED PRECEDING
        ) AS height
    FROM events
),

-- A plate that lifts the stack from one height to the next is taken by the next creation that
-- takes it down from there; nothing else passes between these two heights in the meantime.
gaps AS (
    SELECT
        alike,
        step,
        at_time,
        keep_alive_seconds,
        lead(at_time) OVER (
            PARTITION BY alike, CASE WHEN step = 1 THEN height ELSE height + 1 END
            ORDER BY at_time, step DESC
        ) AS taken_at
    FROM summed
),

-- What jobs that are alike have in common.
kinds AS (
    SELECT
        jobs.alike,
        jobs.job_family AS family,
        jobs.instance_type,
        rate.usd_per_unit * jobs.instance_count / 3600 AS usd_per_second
    FROM (
        SELECT DISTINCT alike, account_id, region, job_family, instance_type, instance_count
        FROM jobs
    ) AS jobs
    LEFT JOIN (
        SELECT region, instance_type, account_id, usd_per_unit
        FROM rates
        WHERE
            component = 'Training Warm Pool'
            AND valid_from < CAST(:until AS DATE)
            AND valid_to >= CAST(:until AS DATE)
    ) AS rate
        ON
            jobs.region = rate.region
            AND jobs.instance_type = rate.instance_type
            AND rate.account_id = CASE
                WHEN jobs.account_id IN (SELECT account_id FROM discounts) THEN jobs.account_id
                ELSE ''
            END
),

ends AS (
    SELECT
        kinds.family,
        kinds.instance_type,
        gaps.keep_alive_seconds,
        epoch(gaps.taken_at) - epoch(gaps.at_time) AS gap,
        kinds.usd_per_second
    FROM gaps
    INNER JOIN kinds ON gaps.alike = kinds.alike
    WHERE gaps.step = 1
),

warm AS (
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

starts AS (
    SELECT
        jobs.instance_type,
        jobs.start_seconds AS seconds,
        warm.job_id IS NOT NULL AS is_warm
    FROM jobs
    LEFT JOIN warm ON jobs.job_id = warm.job_id
    WHERE jobs.start_seconds IS NOT NULL
),

saving AS (
    SELECT
        instance_type,
        (
            quantile_disc(seconds, 0.5) FILTER (WHERE NOT is_warm)
            - quantile_disc(seconds, 0.5) FILTER (WHERE is_warm)
        ) / 60 AS minutes
    FROM starts
    GROUP BY instance_type
),

asked AS (
    SELECT
        family,
        instance_type,
        coalesce(keep_alive_seconds, 0) AS keep_alive_seconds,
        count(*) AS ends
    FROM ends
    GROUP BY ALL
),

families AS (
    SELECT
        family,
        instance_type,
        CAST(sum(ends) AS BIGINT) AS ends,
        -- Of two periods that as many jobs ask for, the shorter one.
        first(keep_alive_seconds ORDER BY ends DESC, keep_alive_seconds) AS present
    FROM asked
    GROUP BY family, instance_type
    ORDER BY ends DESC, family, instance_type
    LIMIT :top
),

grid AS (
    SELECT DISTINCT
        families.*,
        choice.keep_alive_seconds
    FROM families
    CROSS JOIN LATERAL (
        SELECT unnest(
            [0, 60, 180, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10800, 14400, 21600]
        ) AS keep_alive_seconds
        UNION ALL
        SELECT families.present AS keep_alive_seconds
    ) AS choice
    WHERE
        choice.keep_alive_seconds <= CAST(:longest AS BIGINT)
        OR choice.keep_alive_seconds = families.present
),

curve AS (
    SELECT
        grid.family,
        grid.instance_type,
        grid.keep_alive_seconds,
        grid.present,
        count(*) AS ends,
        count(*) FILTER (WHERE ends.gap <= grid.keep_alive_seconds) AS reuses,
        -- A part of it would make the longest period look cheap: all or nothing.
        CASE
            WHEN count(ends.usd_per_second) = count(*)
                THEN sum(
                    least(ends.gap, grid.keep_alive_seconds)
                    * CAST(ends.usd_per_second AS DOUBLE)
                )
        END AS idle_usd
    FROM grid
    INNER JOIN ends
        ON grid.family = ends.family AND grid.instance_type = ends.instance_type
    GROUP BY ALL
),

monthly AS (
    SELECT
        curve.family,
        curve.instance_type,
        curve.keep_alive_seconds,
        curve.present,
        curve.ends,
        -- Without a period there is no pool, also where a job follows in the same second.
        CASE WHEN curve.keep_alive_seconds = 0 THEN 0 ELSE curve.reuses END AS reuses,
        -- Days of an average month ÷ days of the period.
        365.25 / 12 * 86400 / (epoch(bounds.until_at) - epoch(bounds.since_at)) AS months,
        curve.idle_usd * months AS idle_usd,
        CASE WHEN curve.keep_alive_seconds = 0 THEN 0 ELSE curve.reuses END
        * saving.minutes * months AS saved_minutes
    FROM curve
    CROSS JOIN bounds
    LEFT JOIN saving ON curve.instance_type = saving.instance_type
),

valued AS (
    SELECT
        *,
        (idle_usd - lag(idle_usd) OVER shorter)
        / nullif(saved_minutes - lag(saved_minutes) OVER shorter, 0) AS usd_per_minute,
        saved_minutes * CAST(CAST(:minute_usd AS DECIMAL(18, 6)) AS DOUBLE) - idle_usd AS net_usd
    FROM monthly
    WINDOW shorter AS (PARTITION BY family, instance_type ORDER BY keep_alive_seconds)
),

marked AS (
    SELECT
        *,
        keep_alive_seconds = present AS is_present,
        net_usd IS NOT NULL AND row_number() OVER (
            PARTITION BY family, instance_type
            ORDER BY net_usd DESC NULLS LAST, keep_alive_seconds
        ) = 1 AS is_best,
        net_usd - max(net_usd) FILTER (WHERE keep_alive_seconds = present) OVER (
            PARTITION BY family, instance_type
        ) AS gain_usd
    FROM valued
)

SELECT
    FALSE AS is_total,
    family,
    instance_type,
    keep_alive_seconds,
    concat_ws(
        ', ', CASE WHEN is_present THEN 'present' END, CASE WHEN is_best THEN 'best' END
    ) AS mark,
    ends,
    reuses,
    CAST(idle_usd AS DECIMAL(18, 6)) AS idle_usd,
    CAST(saved_minutes AS DECIMAL(18, 3)) AS saved_minutes,
    CAST(usd_per_minute AS DECIMAL(18, 6)) AS usd_per_minute,
    CAST(net_usd AS DECIMAL(18, 6)) AS net_usd,
    CASE WHEN is_best THEN CAST(gain_usd AS DECIMAL(18, 6)) END AS gain_usd
FROM marked
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    'present' AS mark,
    CAST(sum(ends) FILTER (WHERE is_present) AS BIGINT) AS ends,
    CAST(sum(reuses) FILTER (WHERE is_present) AS BIGINT) AS reuses,
    CAST(sum(idle_usd) FILTER (WHERE is_present) AS DECIMAL(18, 6)) AS idle_usd,
    CAST(sum(saved_minutes) FILTER (WHERE is_present) AS DECIMAL(18, 3)) AS saved_minutes,
    CAST(sum(net_usd) FILTER (WHERE is_present) AS DECIMAL(18, 6)) AS net_usd,
    CAST(sum(gain_usd) FILTER (WHERE is_best) AS DECIMAL(18, 6)) AS gain_usd
FROM marked
ORDER BY is_total, family, instance_type, keep_alive_seconds;
