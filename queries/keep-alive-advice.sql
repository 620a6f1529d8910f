-- title: What other keep-alive periods would have cost and saved
-- description: Tries a grid of KeepAlivePeriodInSeconds on the past jobs of each family and
--   instance type. Say with minute_usd what a minute without waiting is worth to you; the report
--   then suggests a period. Without it, you see what each saved minute would cost.
-- period: default
-- prices: yes
-- param: minute_usd number = : What a minute that nobody has to wait is worth, in USD
-- param: family text = : Only this family
-- param: top integer = 5: Number of families and types to show, the busiest first
-- param: longest integer = 21600: Longest keep-alive period to consider, in seconds
-- limit: idle_usd
-- column: family: Family of the jobs
-- column: instance_type: Instance type
-- column: keep_alive_seconds seconds: The keep-alive period
-- column: mark: current = the period that most of these jobs use; suggested = the highest net_usd
-- column: ends count wide: Ends of jobs that could have left a pool, in the whole period
-- column: reuses count wide: Ends that a compatible job follows within the keep-alive period
-- column: idle_usd money: Cost of the idle time a month in USD; NULL = not all of it has a price
-- column: saved_minutes count: Minutes of starting that warm starts would save a month
-- column: usd_per_minute money: Cost of one more saved minute, compared with the shorter period
-- column: net_usd money: saved_minutes × minute_usd − idle_usd; NULL without minute_usd
-- column: gain_usd money: On the suggested row: net_usd compared with the current period, a month
-- example: --param minute_usd=1.50
-- example: --param family=bert-ft

-- How it works. An idle pool serves a job of the same account, region, family and settings (those
-- that SageMaker compares) that is created before the keep-alive period is over. Each end serves
-- at most one job, and each job uses at most one pool. A job takes the pool that became idle last,
-- as from a stack of plates. So ten jobs that end together and one that follows are one reuse and
-- nine wasted pools. AWS does not document which pool SageMaker takes. This choice promises the
-- fewest reuses, and one matching serves every keep-alive period: if the newest pool has expired
-- when a job comes, all older ones have expired.
--
-- Take a period of K seconds and an end whose next job comes after g seconds. If g <= K, the pool
-- is idle for g seconds and reused; otherwise it is idle for K seconds and wasted. A reuse saves
-- the median cold start minus the median warm start of the instance type in the period. Without a
-- warm start in the period, that difference is unknown: NULL.
--
-- An example. Three jobs on one instance of 3.60 USD an hour (0.06 a minute) end at 12:00, 12:10
-- and 12:30. Their followers are created at 12:05 and 12:40, and a warm start saves 4 minutes.
-- The gaps are 5 minutes (12:00 to 12:05), none (12:10, as 12:40 takes the pool of 12:30) and 10
-- minutes. With K = 5 minutes: one reuse, 3 × 5 idle minutes, 0.90 USD, 4 minutes saved, 0.225
-- USD a minute. With K = 10 minutes: two reuses, 5 + 10 + 10 minutes, 1.50 USD, 8 minutes saved;
-- the 4 minutes more cost 0.60 USD more, 0.15 USD each. If a minute is worth 0.20 USD, 10 minutes
-- are suggested: 8 × 0.20 − 1.50 = 0.10 USD, while 5 minutes lose 0.10 and none at all is zero.
WITH
-- One row: the period, up to the last observation.
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

-- One row per job that could use or leave a pool.
jobs AS (
    SELECT
        job.rowid AS job_id,
        job.creation_time, job.account_id, job.region, job.job_family, detail.instance_type,
        detail.instance_count, detail.keep_alive_seconds,
        -- A pool is kept after a job's own failure, not after a failure of its instances.
        CASE
            WHEN
                detail.training_start_time IS NOT NULL
                AND job.training_job_status IN ('Completed', 'Stopped', 'Failed')
                AND NOT starts_with(coalesce(detail.failure_reason, ''), 'InternalServerError')
                THEN job.training_end_time
        END AS ended_at,
        CASE
            WHEN detail.training_start_time IS NOT NULL AND job.creation_time >= bounds.since_at
                THEN epoch(
                    /*part training_began_at*/
                ) - epoch(job.creation_time)
        END AS start_seconds,
        hash(
            job.account_id, job.region, job.job_family, detail.instance_type,
            detail.instance_count, detail.role_arn, detail.volume_size_gb,
            detail.volume_kms_key_id,
            CAST(detail.subnets AS VARCHAR),
            CAST(detail.security_group_ids AS VARCHAR),
            coalesce(detail.encrypt_traffic, FALSE),
            coalesce(detail.network_isolation, FALSE)
        ) AS alike
    FROM training_jobs AS job
    INNER JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    CROSS JOIN bounds
    WHERE
        detail.instance_type IS NOT NULL
        AND NOT coalesce(detail.managed_spot, FALSE)
        AND NOT coalesce(detail.serverless, FALSE)
        AND job.training_plan_arn IS NULL
        -- Jobs created before the period may have left a pool in it.
        AND job.creation_time >= bounds.since_at - INTERVAL 60 DAY
        AND (job.creation_time >= bounds.since_at OR job.training_end_time >= bounds.since_at)
        AND job.creation_time < bounds.until_at
        AND (
            CAST(:family AS VARCHAR) IS NULL OR job.job_family = CAST(:family AS VARCHAR)
        )
),

-- One row per end (+1: puts a pool on the stack) and per creation (-1: takes one off). At the same
-- moment the end comes first. Pools from before the period lie below in the stack: no effect.
stack_event AS (
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

-- The same rows, with the height of the stack but for a constant: a creation that finds the stack
-- empty lowers it as well.
stack_height AS (
    SELECT
        *,
        sum(step) OVER (
            PARTITION BY alike
            ORDER BY at_time, step DESC
            ROWS UNBOUNDED PRECEDING
        ) AS height
    FROM stack_event
),

-- The same rows, with the moment at which the pool is taken. A plate that lifts the stack from one
-- height to the next is taken by the next creation that lowers the stack from there. Nothing else
-- passes between these two heights in the meantime.
stack_step AS (
    SELECT
        alike, step, at_time, keep_alive_seconds,
        lead(at_time) OVER (
            PARTITION BY alike, CASE WHEN step = 1 THEN height ELSE height + 1 END
            ORDER BY at_time, step DESC
        ) AS taken_at
    FROM stack_height
),

-- One row per kind of job: what jobs that are alike have in common.
job_kind AS (
    SELECT DISTINCT alike, account_id, region, job_family, instance_type, instance_count
    FROM jobs
),

-- The same rows, with the price at the end of the period.
priced_kind AS (
    SELECT
        job_kind.alike,
        job_kind.job_family AS family,
        job_kind.instance_type,
        rates.usd_per_unit * job_kind.instance_count / 3600 AS usd_per_second
    FROM job_kind
    LEFT JOIN rates
        ON
            job_kind.region = rates.region
            AND job_kind.instance_type = rates.instance_type
            AND rates.component = 'Training Warm Pool'
            AND rates.valid_from < CAST(:until AS DATE)
            AND rates.valid_to >= CAST(:until AS DATE)
            AND rates.account_id = CASE
                WHEN job_kind.account_id IN (SELECT account_id FROM rates)
                    THEN job_kind.account_id
                ELSE ''
            END
),

-- One row per end of a job, with the seconds until its pool is taken; NULL = never.
ends AS (
    SELECT
        priced_kind.family, priced_kind.instance_type, stack_step.keep_alive_seconds,
        epoch(stack_step.taken_at) - epoch(stack_step.at_time) AS gap,
        priced_kind.usd_per_second
    FROM stack_step
    INNER JOIN priced_kind ON stack_step.alike = priced_kind.alike
    WHERE stack_step.step = 1
),

-- One row per start in the period.
starts AS (
    SELECT
        jobs.instance_type,
        jobs.start_seconds AS seconds,
        pool_link.next_id IS NOT NULL AS is_warm
    FROM jobs
    LEFT JOIN pool_link ON jobs.job_id = pool_link.next_id
    WHERE jobs.start_seconds IS NOT NULL
),

-- One row per instance type: the minutes that a warm start saves.
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

-- One row per family, instance type and keep-alive period in use.
used_period AS (
    SELECT
        family,
        instance_type,
        coalesce(keep_alive_seconds, 0) AS keep_alive_seconds,
        count(*) AS ends
    FROM ends
    GROUP BY ALL
),

-- One row per family and instance type to show.
families AS (
    SELECT
        family,
        instance_type,
        CAST(sum(ends) AS BIGINT) AS ends,
        -- Of two periods that as many jobs use, the shorter one.
        first(keep_alive_seconds ORDER BY ends DESC, keep_alive_seconds) AS current_seconds
    FROM used_period
    GROUP BY family, instance_type
    ORDER BY ends DESC, family, instance_type
    LIMIT :top
),

-- One row per family, instance type and period to try.
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
        SELECT families.current_seconds AS keep_alive_seconds
    ) AS choice
    WHERE
        choice.keep_alive_seconds <= CAST(:longest AS BIGINT)
        OR choice.keep_alive_seconds = families.current_seconds
),

-- The same rows, with their reuses and the cost of the idle time in the period.
curve AS (
    SELECT
        grid.family, grid.instance_type, grid.keep_alive_seconds, grid.current_seconds,
        count(*) AS ends,
        count(*) FILTER (WHERE ends.gap <= grid.keep_alive_seconds) AS reuses,
        -- NULL unless every end has a price: a part would make the longest period look cheap.
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

-- The same rows, for an average month.
monthly AS (
    SELECT
        curve.family, curve.instance_type, curve.keep_alive_seconds, curve.current_seconds,
        curve.ends,
        -- Without a period there is no pool, even if a job follows in the same second.
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

-- The same rows, compared with the next shorter period and valued by minute_usd.
valued AS (
    SELECT
        *,
        (idle_usd - lag(idle_usd) OVER shorter)
        / nullif(saved_minutes - lag(saved_minutes) OVER shorter, 0) AS usd_per_minute,
        saved_minutes * CAST(CAST(:minute_usd AS DECIMAL(18, 6)) AS DOUBLE) - idle_usd AS net_usd
    FROM monthly
    WINDOW shorter AS (PARTITION BY family, instance_type ORDER BY keep_alive_seconds)
),

-- The same rows, with the current and the suggested period marked.
marked AS (
    SELECT
        *,
        keep_alive_seconds = current_seconds AS is_current,
        net_usd IS NOT NULL AND row_number() OVER (
            PARTITION BY family, instance_type
            ORDER BY net_usd DESC NULLS LAST, keep_alive_seconds
        ) = 1 AS is_suggested,
        net_usd - max(net_usd) FILTER (WHERE keep_alive_seconds = current_seconds) OVER (
            PARTITION BY family, instance_type
        ) AS gain_usd
    FROM valued
)

SELECT
    FALSE AS is_total,
    family, instance_type, keep_alive_seconds,
    concat_ws(
        ', ',
        CASE WHEN is_current THEN 'current' END,
        CASE WHEN is_suggested THEN 'suggested' END
    ) AS mark,
    ends,
    reuses,
    CAST(idle_usd AS DECIMAL(18, 6)) AS idle_usd,
    CAST(saved_minutes AS DECIMAL(18, 3)) AS saved_minutes,
    CAST(usd_per_minute AS DECIMAL(18, 6)) AS usd_per_minute,
    CAST(net_usd AS DECIMAL(18, 6)) AS net_usd,
    CASE WHEN is_suggested THEN CAST(gain_usd AS DECIMAL(18, 6)) END AS gain_usd
FROM marked
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    'current' AS mark,
    CAST(sum(ends) FILTER (WHERE is_current) AS BIGINT) AS ends,
    CAST(sum(reuses) FILTER (WHERE is_current) AS BIGINT) AS reuses,
    CAST(sum(idle_usd) FILTER (WHERE is_current) AS DECIMAL(18, 6)) AS idle_usd,
    CAST(sum(saved_minutes) FILTER (WHERE is_current) AS DECIMAL(18, 3)) AS saved_minutes,
    CAST(sum(net_usd) FILTER (WHERE is_current) AS DECIMAL(18, 6)) AS net_usd,
    CAST(sum(gain_usd) FILTER (WHERE is_suggested) AS DECIMAL(18, 6)) AS gain_usd
FROM marked
ORDER BY is_total, family, instance_type, keep_alive_seconds;
