-- title: Warm pools from cold start to end
-- description: Chains of jobs that ran one after the other on the same instances, with the cost of
--   the idle time between and after them. Chains that ran in the period, those with the most
--   expensive idle time first. Seconds and costs are those of the days in the period.
-- period: default
-- prices: yes
-- param: top integer = 20: Number of chains to show
-- bar: idle_usd
-- limit: idle_usd
-- column: started_at key aside: When the first job started
-- column: family: Family of the first job; in the total, shown chains of all chains
-- column: instance_type: Instance type
-- column: instances count wide: Number of instances
-- column: jobs count: Jobs that ran on the pool, in the period or not
-- column: busy_seconds seconds wide: Training time in the period, for one instance
-- column: idle_seconds seconds: Idle time in the period, for one instance
-- column: training_usd money wide: Known cost of the training in USD
-- column: idle_usd money: Known cost of the idle time in USD
-- column: ended_by: How the pool ended: expired, ended early, reuse unknown, open, …
-- column: job_names wide: The jobs, in order
-- example: --param top=100 --format json
WITH RECURSIVE
-- One row per job of the period and of the 60 days before it: no job runs, and no pool is idle,
-- for longer than that. A chain lasts 28 days at most. So the first job of one that ran in the
-- period ended at most 30 days before.
pool_job AS NOT MATERIALIZED (
    SELECT
        rowid AS job_id,
        *,
        creation_time < CAST(:until_at AS TIMESTAMPTZ)
        AND coalesce(training_end_time, 'infinity')
            >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 30 DAY
            AS may_be_first
    FROM training_jobs
    WHERE creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
),

/*part pool_links*/,

/*part pool_members*/,

-- One row per job, instance type and UTC day, with the amounts of days in the period only.
pool_step AS (
    SELECT step.* REPLACE (
        CASE WHEN is_counted THEN busy_seconds END AS busy_seconds,
        CASE WHEN is_counted THEN idle_seconds END AS idle_seconds,
        CASE WHEN is_counted THEN training_cost_usd END AS training_cost_usd,
        CASE WHEN is_counted THEN idle_cost_usd END AS idle_cost_usd,
        CASE WHEN is_counted THEN idle_rank END AS idle_rank
    )
    FROM (
        SELECT
            *,
            usage_date >= CAST(:since AS DATE) AND usage_date < CAST(:until AS DATE) AS is_counted
        FROM internal.pool_steps
        WHERE
            creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
            AND coalesce(training_end_time, 'infinity')
                >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 30 DAY
            -- Nothing is used before the job is created. A lake is read by the month of the usage.
            AND usage_date >= CAST(:since AS DATE) - 90
    ) AS step
),

/*part pool_chains*/,

-- One row per chain that ran in the period.
running_chain AS (
    SELECT
        pool_chain.* REPLACE (
            coalesce(pool_chain.started_at, first_job.creation_time) AS started_at
        ),
        first_job.job_family AS family,
        first_job.training_job_arn,
        -- The columns that notes read. Of a chain, only unknown parts are worth a note.
        pool_chain.idle_cost_usd AS cost_usd,
        CASE WHEN pool_chain.idle_rank >= rank_of('other currency') THEN cost_bases.cost_basis END
            AS cost_basis,
        NULL::VARCHAR AS price_source
    FROM pool_chain
    INNER JOIN pool_job AS first_job ON pool_chain.chain = first_job.job_id
    LEFT JOIN internal.cost_bases ON pool_chain.idle_rank = cost_bases.rank
    WHERE
        pool_chain.first_date < CAST(:until AS DATE)
        AND pool_chain.last_date >= CAST(:since AS DATE)
        -- True for every first job; keeps DuckDB from reading other jobs.
        AND first_job.may_be_first
),

-- One row per chain to show.
shown AS (
    SELECT *
    FROM running_chain
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
    count(*) || ' of ' || (SELECT count(*) FROM running_chain) AS family,
    CAST(sum(jobs) AS BIGINT) AS jobs,
    TRY_CAST(sum(busy_seconds) AS BIGINT) AS busy_seconds,
    TRY_CAST(sum(idle_seconds) AS BIGINT) AS idle_seconds,
    sum(training_cost_usd) AS training_usd,
    sum(idle_cost_usd) AS idle_usd
    /*notes*/ /*end*/
FROM shown
ORDER BY is_total, idle_usd DESC NULLS LAST, started_at, family;
