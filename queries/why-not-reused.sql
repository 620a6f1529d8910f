-- title: Why warm pools were not reused: the next job of the family, and its differences
-- description: For each wasted pool, the next job of the same family, and which of the settings
--   that SageMaker compares were different. A job reuses a pool if all of them are equal, if it is
--   created while the pool is idle, and if it takes no other pool.
-- period: default
-- argument: job
-- param: job text = : Only the pool of this job, whatever the period
-- param: top integer = 50: Number of pools to show, the most expensive first
-- limit: cost_usd
-- column: job: Job before the idle time; in the total, shown pools of all pools
-- column: cost_usd money: Known cost of the pool in USD
-- column: idle_seconds seconds wide: Idle time of the pool
-- column: next_job: The next job of the family in the account and region
-- column: came_after_seconds seconds: Start of the idle time to creation of the next job
-- column: why: Why that job did not reuse the pool
-- column: instance_type wide: Instance type of the pool
-- example: --month 2026-10 --param top=10
-- example: my-training-job
WITH
-- One row per wasted pool.
wasted AS (
    SELECT
        pool.*,
        CAST(epoch(pool.pool_ended_at) - epoch(pool.pool_started_at) AS BIGINT) AS idle_seconds,
        NULL::VARCHAR AS price_source
    FROM warm_pool_costs AS pool
    WHERE
        pool.warm_pool_status = 'Terminated'
        AND CASE
            WHEN CAST(:job AS VARCHAR) IS NOT NULL
                THEN pool.training_job_name = CAST(:job AS VARCHAR)
            ELSE
                pool.pool_started_at >= CAST(:since_at AS TIMESTAMPTZ)
                AND pool.pool_started_at < CAST(:until_at AS TIMESTAMPTZ)
        END
),

-- One row per pool to show.
shown AS (
    SELECT *
    FROM wasted
    ORDER BY cost_usd DESC NULLS LAST, training_job_name, creation_time
    LIMIT :top
),

-- The same rows, with the next job of the family.
followed AS (
    SELECT
        shown.*,
        following.training_job_arn AS next_arn,
        following.creation_time AS next_creation_time,
        following.training_job_name AS next_job
    FROM shown
    ASOF LEFT JOIN training_jobs AS following
        ON
            shown.account_id = following.account_id
            AND shown.region = following.region
            AND shown.job_family = following.job_family
            AND shown.pool_started_at < following.creation_time
),

-- The same rows, with the differences between the two jobs' settings.
compared AS (
    SELECT
        followed.*,
        CAST(epoch(followed.next_creation_time) - epoch(followed.pool_started_at) AS BIGINT)
            AS came_after_seconds,
        mine.keep_alive_seconds,
        mine.training_job_arn IS NULL OR theirs.training_job_arn IS NULL AS is_unknown,
        list_filter(
            [
                CASE
                    WHEN theirs.instance_type IS DISTINCT FROM mine.instance_type
                        THEN 'instance type ' || coalesce(theirs.instance_type, 'groups')
                END,
                CASE
                    WHEN theirs.instance_count IS DISTINCT FROM mine.instance_count
                        THEN 'instance count ' || coalesce(theirs.instance_count::VARCHAR, 'groups')
                END,
                CASE WHEN theirs.role_arn IS DISTINCT FROM mine.role_arn THEN 'role' END,
                CASE
                    WHEN theirs.volume_size_gb IS DISTINCT FROM mine.volume_size_gb
                        THEN 'volume ' || coalesce(theirs.volume_size_gb::VARCHAR, '?') || ' GB'
                END,
                CASE
                    WHEN theirs.volume_kms_key_id IS DISTINCT FROM mine.volume_kms_key_id
                        THEN 'volume key'
                END,
                CASE WHEN theirs.subnets IS DISTINCT FROM mine.subnets THEN 'subnets' END,
                CASE
                    WHEN theirs.security_group_ids IS DISTINCT FROM mine.security_group_ids
                        THEN 'security groups'
                END,
                CASE
                    WHEN coalesce(theirs.encrypt_traffic, FALSE)
                        <> coalesce(mine.encrypt_traffic, FALSE)
                        THEN 'traffic encryption'
                END,
                CASE
                    WHEN coalesce(theirs.network_isolation, FALSE)
                        <> coalesce(mine.network_isolation, FALSE)
                        THEN 'network isolation'
                END,
                CASE WHEN theirs.managed_spot THEN 'spot' END
            ],
            lambda difference: difference IS NOT NULL
        ) AS differences
    FROM followed
    LEFT JOIN training_job_details AS mine
        ON
            followed.training_job_arn = mine.training_job_arn
            AND followed.creation_time = mine.creation_time
    LEFT JOIN training_job_details AS theirs
        ON
            followed.next_arn = theirs.training_job_arn
            AND followed.next_creation_time = theirs.creation_time
)

SELECT
    FALSE AS is_total,
    training_job_name AS job,
    cost_usd, idle_seconds, next_job, came_after_seconds,
    CASE
        WHEN next_job IS NULL THEN 'no job of the family since'
        WHEN idle_seconds IS NULL THEN 'idle time not known'
        WHEN is_unknown AND came_after_seconds <= idle_seconds THEN 'details not known'
        -- Within 10 seconds a pool has expired, as in warm_pool_chains.
        WHEN
            idle_seconds < keep_alive_seconds - 10
            AND came_after_seconds BETWEEN idle_seconds AND keep_alive_seconds
            THEN 'the pool was ended early'
        WHEN came_after_seconds > idle_seconds AND len(differences) > 0 AND NOT is_unknown
            THEN 'too late; different: ' || array_to_string(differences, ', ')
        WHEN came_after_seconds > idle_seconds THEN 'too late'
        WHEN len(differences) > 0 THEN 'different: ' || array_to_string(differences, ', ')
        ELSE 'in time and alike: the reason is not known'
    END AS why,
    instance_type
FROM compared
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    least(count(*), any_value(CAST(:top AS BIGINT))) || ' of ' || count(*) AS job,
    (SELECT sum(cost_usd) FROM shown) AS cost_usd
    /*notes*/ /*end*/
FROM wasted
ORDER BY is_total, cost_usd DESC NULLS LAST, job;
