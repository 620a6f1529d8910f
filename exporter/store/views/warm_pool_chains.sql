-- Each pool from its cold start to its end: the jobs that ran on the same instances one after the
-- other, and the idle time between and after them. The links are the names in ReusedByJob. Amounts
-- are sums of what is known.
--
-- needs: internal.pool_members, internal.pool_steps
--
-- chain_id: ARN of the first job, '@', its creation time in milliseconds since 1970
-- account_id: AWS account
-- region: AWS region
-- job_family: Family of the first job
-- instance_type: Instance type; NULL = not known
-- instance_count: Instance count; NULL = not known
-- jobs: Jobs that ran on the pool
-- job_names: Names of these jobs, in order
-- started_at: Start of the first training (creation of its job if not known)
-- ended_at: End of the last training or idle time; NULL = open, or not known
-- busy_seconds: Billable seconds of training, for one instance
-- idle_seconds: Idle seconds between and after, for one instance
-- training_cost_usd: Cost of the training, storage included
-- idle_cost_usd: Cost of the idle time, storage included
-- ended_by: expired (idle for its whole keep-alive period, within 10 seconds); ended early
--   (terminated before); terminated (period not known); not kept (the last job left no pool);
--   reuse unknown (the job that reused it is not in the database, or ran on another pool);
--   unknown (the last job was deleted before its pool ended); open
-- specification: as in pool_steps
WITH
-- One row per job that ran on a pool.
pool_member AS MATERIALIZED (
    SELECT chain, job_id, position
    FROM internal.pool_members
),

-- One row per job, instance type and UTC day.
pool_step AS (
    SELECT *
    FROM internal.pool_steps
),

/*part pool_chains*/,

-- One row per chain: the names of its jobs.
chain_names AS (
    SELECT
        member.chain,
        list(job.training_job_name ORDER BY member.position) AS job_names
    FROM pool_member AS member
    INNER JOIN training_jobs AS job ON member.job_id = job.rowid
    GROUP BY member.chain
)

SELECT
    first_job.training_job_arn || '@' || CAST(epoch_ms(first_job.creation_time) AS VARCHAR)
        AS chain_id,
    first_job.account_id, first_job.region, first_job.job_family, pool_chain.instance_type,
    pool_chain.instance_count,
    CAST(pool_chain.jobs AS BIGINT) AS jobs,
    chain_names.job_names,
    coalesce(pool_chain.started_at, first_job.creation_time) AS started_at,
    CASE WHEN pool_chain.ended_by NOT IN ('open', 'unknown') THEN pool_chain.ended_at END
        AS ended_at,
    pool_chain.busy_seconds, pool_chain.idle_seconds, pool_chain.training_cost_usd,
    pool_chain.idle_cost_usd, pool_chain.ended_by, pool_chain.specification
FROM pool_chain
INNER JOIN chain_names USING (chain)
INNER JOIN training_jobs AS first_job ON pool_chain.chain = first_job.rowid
