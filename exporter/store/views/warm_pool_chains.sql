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

walk AS (
    SELECT link.job_id AS chain, link.job_id, 1 AS position
    FROM link
    ANTI JOIN link AS earlier ON link.job_id = earlier.next_id
    UNION ALL
    SELECT walk.chain, link.next_id, walk.position + 1
    FROM walk
    INNER JOIN link ON walk.job_id = link.job_id
),

member AS (
    -- Through a list, since DuckDB takes a recursion for a hundred times as long as it is, and
    -- would hash the costs of all jobs instead of these few numbers.
    SELECT listed.step.chain, listed.step.job_id, listed.step.position
    FROM (
        SELECT
            unnest(
                list(
                    {'chain': walk.chain, 'job_id': walk.job_id, 'position': walk.position}
                )
            ) AS step
        FROM walk
    ) AS listed
    UNION ALL
    SELECT alone.rowid AS chain, alone.rowid AS job_id, 1 AS position
    FROM training_jobs AS alone
    ANTI JOIN link AS on_its_way ON alone.rowid = on_its_way.job_id
    ANTI JOIN link AS at_its_end ON alone.rowid = at_its_end.next_id
    WHERE
        alone.warm_pool_status IS NOT NULL
        OR alone.warm_pool_retained_seconds > 0
        OR alone.warm_pool_reused_by_job IS NOT NULL
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
    coalesce(named.job_names, [first_job.training_job_name]) AS job_names,
    coalesce(spent.started_at, first_job.creation_time) AS started_at,
    CASE WHEN spent.last_step < 60 THEN spent.ended_at END AS ended_at,
    spent.busy_seconds,
    spent.idle_seconds,
    spent.training_cost_usd,
    spent.idle_cost_usd,
    CASE spent.last_step
        WHEN 10 THEN 'expired'
        WHEN 20 THEN 'ended early'
        WHEN 30 THEN 'terminated'
        WHEN 40 THEN 'not kept'
        WHEN 50 THEN 'reuse unknown'
        WHEN 60 THEN 'deleted'
        ELSE 'open'
    END AS ended_by
FROM (
    -- Numbers as far as possible: texts would make this, the widest aggregate of all, slow.
    SELECT
        member.chain,
        any_value(cost.instance_type) AS instance_type,
        any_value(cost.instance_count) AS instance_count,
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
                WHEN cost.component = 'Training' AND NOT cost.is_over THEN 70
                WHEN cost.component = 'Training' THEN 40
                WHEN cost.warm_pool_status = 'Reused' THEN 50
                WHEN cost.warm_pool_status = 'Terminated'
                    THEN CASE
                        WHEN cost.keep_alive_seconds IS NULL OR cost.seconds IS NULL THEN 30
                        WHEN cost.seconds >= cost.keep_alive_seconds - 10 THEN 10
                        ELSE 20
                    END
                WHEN cost.is_deleted THEN 60
                ELSE 70
            END,
            member.position * 2 + (cost.component <> 'Training')::INTEGER
        ) AS last_step
    FROM member
    INNER JOIN job_costs AS cost ON member.job_id = cost.job_id
    GROUP BY member.chain
) AS spent
INNER JOIN training_jobs AS first_job ON spent.chain = first_job.rowid
LEFT JOIN (
    SELECT walk.chain, list(job.training_job_name ORDER BY walk.position) AS job_names
    FROM walk
    INNER JOIN training_jobs AS job ON walk.job_id = job.rowid
    GROUP BY walk.chain
) AS named ON spent.chain = named.chain
