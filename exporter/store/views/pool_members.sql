-- Which jobs ran on which pool: one row a job that left or took over a warm pool. ReusedByJob is
-- a name: it is followed within account and region to the next job of that name that was created
-- later, so that a name used again does not join two pools and no chain can run in a circle.
--
-- chain: Row number of the first job in training_jobs: good within one query only
-- chain_created_at: When the first job was created
-- chain_first_end: When the training of the first job ended; NULL = not yet, or not known
-- job_id: Row number of the job in training_jobs
-- position: 1 for the first job, 2 for the one that took its pool over, …
WITH RECURSIVE link AS MATERIALIZED (
    SELECT reused.job_id, reused.creation_time, reused.training_end_time, reused.next_id
    FROM (
        SELECT
            before.rowid AS job_id,
            before.creation_time,
            before.training_end_time,
            arg_min(following.rowid, following.creation_time) AS next_id
        FROM training_jobs AS before
        INNER JOIN training_jobs AS following
            ON
                before.warm_pool_reused_by_job = following.training_job_name
                AND before.account_id = following.account_id
                AND before.region = following.region
                AND before.creation_time < following.creation_time
        WHERE before.warm_pool_reused_by_job IS NOT NULL
        GROUP BY before.rowid, before.creation_time, before.training_end_time
    ) AS reused
    -- A job runs on one pool: of two that claim it, the later one is believed.
    QUALIFY row_number() OVER (
        PARTITION BY reused.next_id
        ORDER BY reused.creation_time DESC, reused.job_id DESC
    ) = 1
),

walk AS (
    SELECT
        link.job_id AS chain,
        link.creation_time AS chain_created_at,
        link.training_end_time AS chain_first_end,
        link.job_id,
        1 AS position
    FROM link
    ANTI JOIN link AS earlier ON link.job_id = earlier.next_id
    UNION ALL
    SELECT
        walk.chain,
        walk.chain_created_at,
        walk.chain_first_end,
        link.next_id,
        walk.position + 1
    FROM walk
    INNER JOIN link ON walk.job_id = link.job_id
)

-- Through a list, since DuckDB takes a recursion for a hundred times as long as it is, and would
-- hash the costs of all jobs instead of these few numbers.
SELECT
    listed.step.chain,
    listed.step.chain_created_at,
    listed.step.chain_first_end,
    listed.step.job_id,
    listed.step.position
FROM (
    SELECT
        unnest(
            list(
                {
                    'chain': walk.chain,
                    'chain_created_at': walk.chain_created_at,
                    'chain_first_end': walk.chain_first_end,
                    'job_id': walk.job_id,
                    'position': walk.position
                }
            )
        ) AS step
    FROM walk
) AS listed
UNION ALL
SELECT
    alone.rowid AS chain,
    alone.creation_time AS chain_created_at,
    alone.training_end_time AS chain_first_end,
    alone.rowid AS job_id,
    1 AS position
FROM training_jobs AS alone
ANTI JOIN link AS on_its_way ON alone.rowid = on_its_way.job_id
ANTI JOIN link AS at_its_end ON alone.rowid = at_its_end.next_id
WHERE
    alone.warm_pool_status IS NOT NULL
    OR alone.warm_pool_retained_seconds > 0
    OR alone.warm_pool_reused_by_job IS NOT NULL
