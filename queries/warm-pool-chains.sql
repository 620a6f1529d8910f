-- title: Warm pools from cold start to end
-- description: The jobs that ran one after the other on the same instances, and what the waits
--   between and after them cost. Chains that began in the period, the dearest waits first.
-- period: default
-- prices: yes
-- param: top integer = 20: How many chains to show
-- bar: idle_usd
-- limit: idle_usd
-- column: started_at wide: When the first job started
-- column: family: Family of the first job; in the total, how many are shown of how many
-- column: instance_type: Instance type
-- column: instances count wide: Number of instances
-- column: jobs count: Jobs that ran on the pool
-- column: busy_seconds seconds wide: Training, for one instance
-- column: idle_seconds seconds: Waits, for one instance
-- column: training_usd money wide: What the training cost in USD, as far as known
-- column: idle_usd money: What the waits cost in USD, as far as known
-- column: ended_by: How it ended: expired, ended early, reuse unknown, open, …
-- column: job_names wide: The jobs, in order
-- example: --param top=100 --format json
WITH RECURSIVE link AS MATERIALIZED (
    -- As in the view pool_members, but of the period alone and the 60 days before it: no job
    -- runs, and no pool waits, for that long.
    SELECT reused.job_id, reused.next_id
    FROM (
        SELECT
            before.rowid AS job_id,
            before.creation_time,
            arg_min(following.rowid, following.creation_time) AS next_id
        FROM training_jobs AS before
        INNER JOIN training_jobs AS following
            ON
                before.warm_pool_reused_by_job = following.training_job_name
                AND before.account_id = following.account_id
                AND before.region = following.region
                AND before.creation_time < following.creation_time
        WHERE
            before.warm_pool_reused_by_job IS NOT NULL
            AND before.creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
            AND following.creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
        GROUP BY before.rowid, before.creation_time
    ) AS reused
    QUALIFY row_number() OVER (
        PARTITION BY reused.next_id
        ORDER BY reused.creation_time DESC, reused.job_id DESC
    ) = 1
),

walk AS (
    -- A job starts after its creation and before its end.
    SELECT
        first_job.rowid AS chain,
        first_job.rowid AS job_id,
        1 AS position
    FROM training_jobs AS first_job
    ANTI JOIN link ON first_job.rowid = link.next_id
    WHERE
        first_job.creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
        AND first_job.creation_time < CAST(:until_at AS TIMESTAMPTZ)
        AND coalesce(first_job.training_end_time, 'infinity') >= CAST(:since_at AS TIMESTAMPTZ)
        AND (
            first_job.warm_pool_status IS NOT NULL
            OR first_job.warm_pool_retained_seconds > 0
            OR first_job.warm_pool_reused_by_job IS NOT NULL
        )
    UNION ALL
    SELECT
        walk.chain,
        link.next_id,
        walk.position + 1
    FROM walk
    INNER JOIN link ON walk.job_id = link.job_id
),

-- Through a list, as in the view pool_members.
members AS MATERIALIZED (
    SELECT unnest(list(walk), recursive := TRUE)
    FROM walk
),

chains AS (
    SELECT
        member.chain,
        any_value(step.instance_type) AS instance_type,
        any_value(step.instance_count) AS instances,
        max(member.position) AS jobs,
        min(step.started_at) AS started_at,
        CAST(sum(step.busy_seconds) AS BIGINT) AS busy_seconds,
        CAST(sum(step.idle_seconds) AS BIGINT) AS idle_seconds,
        sum(step.training_cost_usd) AS training_usd,
        sum(step.idle_cost_usd) AS idle_usd,
        arg_max(step.ended_by, member.position * 2 + step.is_wait::INTEGER) AS ended_by
    FROM members AS member
    INNER JOIN pool_steps AS step ON member.job_id = step.job_id
    WHERE
        -- What follows on the first job was created after it and ends after it.
        step.creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
        AND coalesce(step.training_end_time, 'infinity') >= CAST(:since_at AS TIMESTAMPTZ)
    GROUP BY member.chain
),

begun AS (
    SELECT
        chains.* REPLACE (coalesce(chains.started_at, first_job.creation_time) AS started_at),
        first_job.job_family AS family,
        first_job.training_job_arn
    FROM chains
    INNER JOIN training_jobs AS first_job ON chains.chain = first_job.rowid
    WHERE
        coalesce(chains.started_at, first_job.creation_time) >= CAST(:since_at AS TIMESTAMPTZ)
        AND coalesce(chains.started_at, first_job.creation_time) < CAST(:until_at AS TIMESTAMPTZ)
        -- These hold of every first job, and keep others from being read.
        AND first_job.creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
        AND first_job.creation_time < CAST(:until_at AS TIMESTAMPTZ)
        AND coalesce(first_job.training_end_time, 'infinity') >= CAST(:since_at AS TIMESTAMPTZ)
),

shown AS (
    SELECT *
    FROM begun
    ORDER BY idle_usd DESC NULLS LAST, started_at, training_job_arn, chain
    LIMIT :top
),

names AS (
    SELECT
        member.chain,
        list(job.training_job_name ORDER BY member.position) AS job_names
    FROM members AS member
    SEMI JOIN shown ON member.chain = shown.chain
    INNER JOIN training_jobs AS job ON member.job_id = job.rowid
    GROUP BY member.chain
)

SELECT
    FALSE AS is_total,
    shown.started_at,
    shown.family,
    shown.instance_type,
    shown.instances,
    shown.jobs,
    shown.busy_seconds,
    shown.idle_seconds,
    shown.training_usd,
    shown.idle_usd,
    shown.ended_by,
    names.job_names
FROM shown
INNER JOIN names ON shown.chain = names.chain
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    count(*) || ' of ' || (SELECT count(*) FROM begun) AS family,
    CAST(sum(jobs) AS BIGINT) AS jobs,
    CAST(sum(busy_seconds) AS BIGINT) AS busy_seconds,
    CAST(sum(idle_seconds) AS BIGINT) AS idle_seconds,
    sum(training_usd) AS training_usd,
    sum(idle_usd) AS idle_usd
FROM shown
ORDER BY is_total, idle_usd DESC NULLS LAST, started_at, family;
