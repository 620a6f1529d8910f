-- title: Warm pools from cold start to end
-- description: Chains of jobs that ran one after the other on the same instances, with the cost of
--   the idle time between and after them. Chains that began in the period, those with the most
--   expensive idle time first.
-- period: default
-- prices: yes
-- param: top integer = 20: Number of chains to show
-- bar: idle_usd
-- limit: idle_usd
-- column: started_at wide: When the first job started
-- column: family: Family of the first job; in the total, shown chains of all chains
-- column: instance_type: Instance type
-- column: instances count wide: Number of instances
-- column: jobs count: Jobs that ran on the pool
-- column: busy_seconds seconds wide: Training time, for one instance
-- column: idle_seconds seconds: Idle time, for one instance
-- column: training_usd money wide: Known cost of the training in USD
-- column: idle_usd money: Known cost of the idle time in USD
-- column: ended_by: How the pool ended: expired, ended early, reuse unknown, open, …
-- column: job_names wide: The jobs, in order
-- example: --param top=100 --format json
WITH RECURSIVE
-- One row per job of the period and of the 60 days before it: no job runs, and no pool is idle,
-- for longer than that. A first job was created before the period's end and ended after its start.
pool_job AS NOT MATERIALIZED (
    SELECT
        rowid AS job_id,
        *,
        creation_time < CAST(:until_at AS TIMESTAMPTZ)
        AND coalesce(training_end_time, 'infinity') >= CAST(:since_at AS TIMESTAMPTZ)
            AS may_be_first
    FROM training_jobs
    WHERE creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
),

/*part pool_links*/,

/*part pool_members*/,

-- One row per job, instance type and UTC day. The jobs after the first one were created after it
-- and end after it, so the same bounds hold.
pool_step AS (
    SELECT *
    FROM pool_steps
    WHERE
        creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
        AND coalesce(training_end_time, 'infinity') >= CAST(:since_at AS TIMESTAMPTZ)
),

/*part pool_chains*/,

-- One row per chain that began in the period.
begun_chain AS (
    SELECT
        pool_chain.* REPLACE (
            coalesce(pool_chain.started_at, first_job.creation_time) AS started_at
        ),
        first_job.job_family AS family,
        first_job.training_job_arn
    FROM pool_chain
    INNER JOIN pool_job AS first_job ON pool_chain.chain = first_job.job_id
    WHERE
        coalesce(pool_chain.started_at, first_job.creation_time)
            >= CAST(:since_at AS TIMESTAMPTZ)
        AND coalesce(pool_chain.started_at, first_job.creation_time)
            < CAST(:until_at AS TIMESTAMPTZ)
        -- True for every first job; keeps DuckDB from reading other jobs.
        AND first_job.may_be_first
),

-- One row per chain to show.
shown AS (
    SELECT *
    FROM begun_chain
    ORDER BY idle_cost_usd DESC NULLS LAST, started_at, training_job_arn, chain
    LIMIT :top
),

-- One row per chain to show: the names of its jobs.
chain_names AS (
    SELECT
        member.chain,
        list(job.training_job_name ORDER BY member.position) AS job_names
    FROM pool_member AS member
    SEMI JOIN shown ON member.chain = shown.chain
    INNER JOIN training_jobs AS job ON member.job_id = job.rowid
    GROUP BY member.chain
)

SELECT
    FALSE AS is_total,
    shown.started_at, shown.family, shown.instance_type,
    shown.instance_count AS instances,
    shown.jobs, shown.busy_seconds, shown.idle_seconds,
    shown.training_cost_usd AS training_usd,
    shown.idle_cost_usd AS idle_usd,
    shown.ended_by,
    chain_names.job_names
FROM shown
INNER JOIN chain_names USING (chain)
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    count(*) || ' of ' || (SELECT count(*) FROM begun_chain) AS family,
    CAST(sum(jobs) AS BIGINT) AS jobs,
    CAST(sum(busy_seconds) AS BIGINT) AS busy_seconds,
    CAST(sum(idle_seconds) AS BIGINT) AS idle_seconds,
    sum(training_cost_usd) AS training_usd,
    sum(idle_cost_usd) AS idle_usd
FROM shown
ORDER BY is_total, idle_usd DESC NULLS LAST, started_at, family;
