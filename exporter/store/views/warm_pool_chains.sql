-- Each pool from its cold start to its end: the jobs that ran on the same instances one after
-- the other, and the waits between them, by the names in ReusedByJob. Amounts add up what is
-- known.
--
-- needs: pool_members, pool_steps
--
-- chain_id: ARN of the first job, '@', its creation time in milliseconds since 1970
-- account_id: AWS account
-- region: AWS region
-- job_family: Family of the first job
-- instance_type: Instance type; NULL = not known
-- instance_count: Instance count; NULL = not known
-- jobs: Jobs that ran on the pool
-- job_names: Their names, in order
-- started_at: Start of the first training (its creation, where that is not known)
-- ended_at: End of the last training or wait; NULL = open, or not known
-- busy_seconds: Billable seconds of training, for one instance
-- idle_seconds: Seconds of waiting between and after, for one instance
-- training_cost_usd: Cost of the training, storage included
-- idle_cost_usd: Cost of the waits, storage included
-- ended_by: expired (waited its whole keep-alive period, give or take 10 seconds); ended early
--   (terminated before); terminated (period not known); not kept (the last job asked for no
--   pool); reuse unknown (the job that took it over is not in the database, or took another
--   pool); deleted (the job was deleted while it waited); open
WITH member AS MATERIALIZED (
    SELECT chain, job_id, position
    FROM pool_members
),

spent AS (
    SELECT
        member.chain,
        any_value(step.instance_type) AS instance_type,
        any_value(step.instance_count) AS instance_count,
        CAST(max(member.position) AS BIGINT) AS jobs,
        min(step.started_at) AS started_at,
        max(step.ended_at) AS ended_at,
        CAST(sum(step.busy_seconds) AS BIGINT) AS busy_seconds,
        CAST(sum(step.idle_seconds) AS BIGINT) AS idle_seconds,
        sum(step.training_cost_usd) AS training_cost_usd,
        sum(step.idle_cost_usd) AS idle_cost_usd,
        arg_max(step.ended_by, member.position * 2 + step.is_wait::INTEGER) AS ended_by
    FROM member
    INNER JOIN pool_steps AS step ON member.job_id = step.job_id
    GROUP BY member.chain
),

named AS (
    SELECT
        member.chain,
        list(job.training_job_name ORDER BY member.position) AS job_names
    FROM member
    INNER JOIN training_jobs AS job ON member.job_id = job.rowid
    GROUP BY member.chain
)

SELECT
    first_job.training_job_arn || '@' || CAST(epoch_ms(first_job.creation_time) AS VARCHAR)
        AS chain_id,
    first_job.account_id,
    first_job.region,
    first_job.job_family,
    spent.instance_type,
    spent.instance_count,
    spent.jobs,
    named.job_names,
    coalesce(spent.started_at, first_job.creation_time) AS started_at,
    CASE WHEN spent.ended_by NOT IN ('open', 'deleted') THEN spent.ended_at END AS ended_at,
    spent.busy_seconds,
    spent.idle_seconds,
    spent.training_cost_usd,
    spent.idle_cost_usd,
    spent.ended_by
FROM spent
INNER JOIN named ON spent.chain = named.chain
INNER JOIN training_jobs AS first_job ON spent.chain = first_job.rowid
