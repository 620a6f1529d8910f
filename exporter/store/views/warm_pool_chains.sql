-- Each pool from its cold start to its end: the jobs that ran on the same instances one after
-- the other, and the waits between them. ReusedByJob is a name: it is followed within account
-- and region to the next job of that name that was created later, so that a name used again
-- does not join two pools and no chain can run in a circle. Amounts add up what is known.
--
-- needs: job_costs
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
WITH RECURSIVE link AS MATERIALIZED (
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
        WHERE before.warm_pool_reused_by_job IS NOT NULL
        GROUP BY before.rowid, before.creation_time
    ) AS reused
    -- A job runs on one pool: of two that claim it, the later one is believed.
    QUALIFY row_number() OVER (
        PARTITION BY reused.next_id
        ORDER BY reused.creation_time DESC, reused.job_id DESC
    ) = 1
),

member AS (
    SELECT first_job.rowid AS chain, first_job.rowid AS job_id, 1 AS position
    FROM training_jobs AS first_job
    ANTI JOIN link ON first_job.rowid = link.next_id
    WHERE
        first_job.warm_pool_status IS NOT NULL
        OR first_job.warm_pool_retained_seconds > 0
        OR first_job.warm_pool_reused_by_job IS NOT NULL
    UNION ALL
    SELECT member.chain, link.next_id, member.position + 1
    FROM member
    INNER JOIN link ON member.job_id = link.job_id
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
FROM (
    -- Numbers only: texts would make this, the widest aggregate of all, three times as slow.
    SELECT
        member.chain,
        arg_min(cost.instance_type, member.position) AS instance_type,
        arg_min(cost.instance_count, member.position) AS instance_count,
        CAST(max(member.position) AS BIGINT) AS jobs,
        min(cost.started_at) AS started_at,
        max(cost.ended_at) AS ended_at,
        CAST(sum(CASE WHEN cost.component = 'Training' THEN cost.seconds END) AS BIGINT)
            AS busy_seconds,
        CAST(sum(CASE WHEN cost.component <> 'Training' THEN cost.seconds END) AS BIGINT)
            AS idle_seconds,
        sum(CASE WHEN cost.component = 'Training' THEN cost.cost_usd END) AS training_cost_usd,
        sum(CASE WHEN cost.component <> 'Training' THEN cost.cost_usd END) AS idle_cost_usd,
        -- The last job's wait tells how it ended; without a wait its training does.
        arg_max(
            CASE
                WHEN cost.component = 'Training' AND NOT cost.is_over THEN 'open'
                WHEN cost.component = 'Training' THEN 'not kept'
                WHEN cost.warm_pool_status = 'Reused' THEN 'reuse unknown'
                WHEN cost.warm_pool_status = 'Terminated'
                    THEN CASE
                        WHEN cost.keep_alive_seconds IS NULL OR cost.seconds IS NULL
                            THEN 'terminated'
                        WHEN cost.seconds >= cost.keep_alive_seconds - 10 THEN 'expired'
                        ELSE 'ended early'
                    END
                WHEN cost.is_deleted THEN 'deleted'
                ELSE 'open'
            END,
            member.position * 2 + (cost.component <> 'Training')::INTEGER
        ) AS ended_by
    FROM member
    INNER JOIN job_costs AS cost ON member.job_id = cost.job_id
    GROUP BY member.chain
) AS spent
INNER JOIN training_jobs AS first_job ON spent.chain = first_job.rowid
INNER JOIN (
    SELECT member.chain, list(job.training_job_name ORDER BY member.position) AS job_names
    FROM member
    INNER JOIN training_jobs AS job ON member.job_id = job.rowid
    GROUP BY member.chain
) AS named ON spent.chain = named.chain
