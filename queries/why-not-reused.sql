-- title: Why warm pools were not reused: the nearest match, and why it missed
-- description: For each wasted pool, the later job of the account and region that came nearest to
--   reusing it. A job can reuse a pool if it has the same specification, if it is created while the
--   pool is idle, and if it takes no other pool. Names and families play no part. The nearest match
--   is, in this order: an equal job in time, an equal job up to an hour late, a job in time on as
--   many instances of the same type, an equal job at any time, any other job.
-- period: default
-- argument: job
-- param: job job = : Only the pool of this job, whatever the period
-- param: top integer = 50: Number of pools to show, the most expensive first
-- limit: cost_usd
-- column: job key: Job before the idle time; in the total, shown pools of all pools
-- column: cost_usd money: Known cost of the pool in the period in USD; the total adds those shown
-- column: idle_seconds seconds wide: Whole idle time of the pool
-- column: next_job aside: The later job that came nearest
-- column: came_after_seconds seconds: Start of the idle time to creation of that job
-- column: why aside: Why that job did not reuse the pool
-- column: instance_type wide: Instance type of the pool
-- example: --month 2026-10 --param top=10
-- example: my-training-job
WITH
-- One row per wasted pool that was idle in the period.
wasted AS (
    SELECT
        day.job_id, day.creation_time,
        any_value(day.account_id) AS account_id,
        any_value(day.region) AS region,
        any_value(day.training_job_name) AS training_job_name,
        any_value(day.instance_type) AS instance_type,
        any_value(day.keep_alive_seconds) AS keep_alive_seconds,
        any_value(day.from_time) AS pool_started_at,
        any_value(day.ended_at) AS pool_ended_at,
        sum(day.cost_usd) AS cost_usd,
        max(greatest(day.compute_rank, day.storage_rank)) AS rank
    FROM internal.usage_days AS day
    WHERE
        day.component = 'Training Warm Pool'
        AND day.warm_pool_status = 'Terminated'
        -- Without a pool there is nothing to reuse.
        AND day.retained_seconds IS DISTINCT FROM 0
        AND day.had_pool IS NOT FALSE
        AND CASE
            WHEN CAST(:job AS VARCHAR) IS NOT NULL
                THEN day.training_job_name = CAST(:job AS VARCHAR)
            ELSE
                day.usage_date >= CAST(:since AS DATE) AND day.usage_date < CAST(:until AS DATE)
        END
    GROUP BY day.job_id, day.creation_time
),

-- The same rows, with the columns that notes read.
priced AS (
    SELECT
        wasted.* EXCLUDE (rank),
        cost_bases.cost_basis,
        NULL::VARCHAR AS price_source
    FROM wasted
    INNER JOIN internal.cost_bases ON wasted.rank = cost_bases.rank
),

-- One row per pool to show.
shown AS (
    SELECT
        *,
        CAST(epoch(pool_ended_at) - epoch(pool_started_at) AS BIGINT) AS idle_seconds
    FROM priced
    ORDER BY cost_usd DESC NULLS LAST, training_job_name, pool_started_at,
        account_id, region
    LIMIT :top
),

-- One row per job of these accounts and regions, with all that a pool and its next job share.
-- Spot jobs, instance groups, training plans and serverless jobs use no pools.
job AS (
    SELECT
        job.rowid AS job_id,
        job.creation_time, job.account_id, job.region, job.training_job_name,
        detail.fetched_at IS NOT NULL AS is_known,
        detail.instance_type, detail.instance_count, detail.role_arn, detail.volume_size_gb,
        detail.volume_kms_key_id,
        CAST(detail.subnets AS VARCHAR) AS subnets,
        CAST(detail.security_group_ids AS VARCHAR) AS security_group_ids,
        coalesce(detail.encrypt_traffic, FALSE) AS encrypt_traffic,
        coalesce(detail.network_isolation, FALSE) AS network_isolation,
        CASE
            WHEN detail.fetched_at IS NULL THEN NULL
            WHEN detail.managed_spot THEN 'a spot job'
            WHEN job.training_plan_arn IS NOT NULL THEN 'on a training plan'
            WHEN detail.serverless THEN 'a serverless job'
            WHEN detail.instance_type IS NULL THEN 'on instance groups'
        END AS uses_no_pool,
        CASE
            WHEN job.training_plan_arn IS NULL
                THEN /*part specification*/
        END AS specification,
        -- Jobs without a specification are alike in what else a reader can compare.
        coalesce(
            specification,
            concat_ws(
                ' ', uses_no_pool, detail.instance_type, CAST(detail.instance_count AS VARCHAR)
            )
        ) AS kind
    FROM training_jobs AS job
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    SEMI JOIN shown ON job.account_id = shown.account_id AND job.region = shown.region
    WHERE
        -- The first job that left one of these pools; later jobs were created after it.
        job.creation_time >= (SELECT min(creation_time) FROM shown)
),

-- One row per pool and kind of job in its account and region.
pool_and_kind AS (
    SELECT shown.job_id, shown.pool_started_at, kinds.*
    FROM shown
    INNER JOIN (SELECT DISTINCT account_id, region, kind FROM job) AS kinds
        ON shown.account_id = kinds.account_id AND shown.region = kinds.region
),

-- One row per pool and kind of job that came later: its first job, which came nearest.
candidate AS (
    SELECT pair.job_id, later.account_id, later.region, later.kind, later.creation_time
    FROM pool_and_kind AS pair
    ASOF INNER JOIN job AS later
        ON
            pair.account_id = later.account_id
            AND pair.region = later.region
            AND pair.kind = later.kind
            AND pair.pool_started_at <= later.creation_time
),

-- The same rows, with the differences between the settings of the two jobs.
compared AS (
    SELECT
        candidate.job_id,
        theirs.job_id AS next_id,
        theirs.training_job_name AS next_job,
        theirs.creation_time AS next_creation_time,
        CAST(epoch(theirs.creation_time) - epoch(shown.pool_started_at) AS BIGINT)
            AS came_after_seconds,
        came_after_seconds - shown.idle_seconds AS late_seconds,
        late_seconds <= 0 AS is_in_time,
        mine.is_known AND theirs.is_known AS is_known,
        coalesce(theirs.specification = mine.specification, FALSE) AS is_alike,
        theirs.instance_type IS NOT DISTINCT FROM mine.instance_type
        AND theirs.instance_count IS NOT DISTINCT FROM mine.instance_count
        AND theirs.uses_no_pool IS NULL AS is_same_size,
        list_filter(
            [
                theirs.uses_no_pool,
                CASE
                    WHEN theirs.instance_type <> mine.instance_type
                        THEN 'instance type ' || theirs.instance_type || ' instead of '
                            || mine.instance_type
                END,
                CASE
                    WHEN theirs.instance_count <> mine.instance_count
                        THEN 'instance count ' || theirs.instance_count || ' instead of '
                            || mine.instance_count
                END,
                CASE
                    WHEN theirs.role_arn IS DISTINCT FROM mine.role_arn
                        THEN 'role ' || coalesce(split_part(theirs.role_arn, '/', -1), 'none')
                            || ' instead of ' || coalesce(split_part(mine.role_arn, '/', -1), 'none')
                END,
                CASE
                    WHEN theirs.volume_size_gb IS DISTINCT FROM mine.volume_size_gb
                        THEN 'volume ' || coalesce(theirs.volume_size_gb::VARCHAR, '?')
                            || ' GB instead of ' || coalesce(mine.volume_size_gb::VARCHAR, '?')
                            || ' GB'
                END,
                CASE
                    WHEN theirs.volume_kms_key_id IS DISTINCT FROM mine.volume_kms_key_id
                        THEN 'another volume key'
                END,
                CASE
                    WHEN theirs.subnets IS DISTINCT FROM mine.subnets THEN 'other subnets'
                END,
                CASE
                    WHEN theirs.security_group_ids IS DISTINCT FROM mine.security_group_ids
                        THEN 'other security groups'
                END,
                CASE
                    WHEN theirs.encrypt_traffic AND NOT mine.encrypt_traffic
                        THEN 'with traffic encryption'
                    WHEN mine.encrypt_traffic AND NOT theirs.encrypt_traffic
                        THEN 'without traffic encryption'
                END,
                CASE
                    WHEN theirs.network_isolation AND NOT mine.network_isolation
                        THEN 'with network isolation'
                    WHEN mine.network_isolation AND NOT theirs.network_isolation
                        THEN 'without network isolation'
                END
            ],
            lambda difference: difference IS NOT NULL
        ) AS differences
    FROM candidate
    INNER JOIN shown ON candidate.job_id = shown.job_id
    INNER JOIN job AS mine ON candidate.job_id = mine.job_id
    INNER JOIN job AS theirs
        ON
            candidate.account_id = theirs.account_id
            AND candidate.region = theirs.region
            AND candidate.kind = theirs.kind
            AND candidate.creation_time = theirs.creation_time
),

-- One row per pool with a later job: the nearest match.
nearest AS (
    SELECT *
    FROM compared
    QUALIFY row_number() OVER (
        PARTITION BY job_id
        ORDER BY
            CASE
                WHEN is_alike AND (is_in_time OR is_in_time IS NULL) THEN 1
                WHEN is_alike AND late_seconds <= 3600 THEN 2
                WHEN is_in_time AND is_known AND is_same_size THEN 3
                WHEN is_alike THEN 4
                WHEN is_in_time THEN 5
                ELSE 6
            END,
            -- Details that are not known may be equal.
            is_known,
            len(differences),
            next_creation_time,
            next_job
    ) = 1
),

-- One row per job that could have left its pool to a nearest match, and per such a match: what
-- part pool_links needs.
pool_job AS (
    SELECT training_jobs.rowid AS job_id, training_jobs.*
    FROM training_jobs
    WHERE
        warm_pool_reused_by_job IN (SELECT next_job FROM nearest)
        OR training_job_name IN (SELECT next_job FROM nearest)
),

/*part pool_links*/,

-- One row per job that took another pool, with the name of the job before.
taken AS (
    SELECT pool_link.next_id, pool_job.training_job_name AS left_by
    FROM pool_link
    INNER JOIN pool_job ON pool_link.job_id = pool_job.job_id
),

-- One row per pool to show, with its reason in words.
explained AS (
    SELECT
        shown.*,
        nearest.next_job, nearest.came_after_seconds,
        -- Within 10 seconds a pool has expired, as in warm_pool_chains.
        CASE
            WHEN nearest.late_seconds >= 3600
                THEN (nearest.late_seconds // 3600) || 'h '
                    || lpad(CAST(nearest.late_seconds % 3600 // 60 AS VARCHAR), 2, '0') || 'm'
            WHEN nearest.late_seconds >= 60
                THEN (nearest.late_seconds // 60) || 'm '
                    || lpad(CAST(nearest.late_seconds % 60 AS VARCHAR), 2, '0') || 's'
            ELSE nearest.late_seconds || 's'
        END || ' after ' || CASE
            WHEN shown.idle_seconds < shown.keep_alive_seconds - 10 THEN 'the pool was ended early'
            ELSE 'expiry'
        END AS how_late,
        CASE
            WHEN nearest.next_id IS NULL THEN 'no later job in the account and region'
            WHEN shown.idle_seconds IS NULL THEN 'idle time not known'
            WHEN NOT nearest.is_known AND nearest.is_in_time THEN 'details not known'
            WHEN NOT nearest.is_known THEN how_late || '; details not known'
            WHEN nearest.is_alike AND nearest.is_in_time AND taken.left_by IS NOT NULL
                THEN 'took another pool: ' || taken.left_by
            WHEN nearest.is_alike AND nearest.is_in_time
                THEN 'in time and equal, but it started on new instances'
            WHEN nearest.is_alike THEN how_late
            WHEN nearest.is_in_time THEN array_to_string(nearest.differences, ', ')
            ELSE how_late || '; ' || array_to_string(nearest.differences, ', ')
        END AS why
    FROM shown
    LEFT JOIN nearest ON shown.job_id = nearest.job_id
    LEFT JOIN taken ON nearest.next_id = taken.next_id
)

SELECT
    FALSE AS is_total,
    training_job_name AS job,
    cost_usd, idle_seconds, next_job, came_after_seconds, why, instance_type
FROM explained
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    count(*) || ' of ' || (SELECT count(*) FROM priced) AS job,
    sum(cost_usd) AS cost_usd
    /*notes*/ /*end*/
FROM shown
ORDER BY is_total, cost_usd DESC NULLS LAST, job, next_job, came_after_seconds;
