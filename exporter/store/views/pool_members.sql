-- Which jobs ran on which pool: one row a job that left or took over a warm pool. ReusedByJob is
-- a name: it is followed within account and region to the next job of that name that was created
-- later, so that a name used again does not join two pools and no chain can run in a circle.
--
-- chain: Row number of the first job in training_jobs: good within one query only
-- job_id: Row number of the job in training_jobs
-- position: 1 for the first job, 2 for the one that took its pool over, …
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
    SELECT
        first_job.rowid AS chain,
        first_job.rowid AS job_id,
        1 AS position
    FROM training_jobs AS first_job
    ANTI JOIN link ON first_job.rowid = link.next_id
    WHERE
        first_job.warm_pool_status IS NOT NULL
        OR first_job.warm_pool_retained_seconds > 0
        OR first_job.warm_pool_reused_by_job IS NOT NULL
    UNION ALL
    SELECT
        walk.chain,
        link.next_id,
        walk.position + 1
    FROM walk
    INNER JOIN link ON walk.job_id = link.job_id
)

-- Through a list, since DuckDB takes a recursion for a hundred times as long as it is, and would
-- hash the costs of all jobs instead of these few numbers.
SELECT listed.step.chain, listed.step.job_id, listed.step.position
FROM (
    SELECT
        unnest(
            list({'chain': walk.chain, 'job_id': walk.job_id, 'position': walk.position})
        ) AS step
    FROM walk
) AS listed
