-- One row per job that ran on a pool, with the first job of its chain.
chain_walk AS (
    SELECT first_job.job_id AS chain, first_job.job_id, 1 AS position
    FROM pool_job AS first_job
    ANTI JOIN pool_link ON first_job.job_id = pool_link.next_id
    WHERE
        first_job.may_be_first
        AND (
            first_job.warm_pool_status IS NOT NULL
            OR first_job.warm_pool_retained_seconds > 0
            OR first_job.warm_pool_reused_by_job IS NOT NULL
        )
        AND /*part had_pool*/ IS NOT FALSE
    UNION ALL
    SELECT chain_walk.chain, pool_link.next_id, chain_walk.position + 1
    FROM chain_walk
    INNER JOIN pool_link ON chain_walk.job_id = pool_link.job_id
),

-- The same rows, through a list. DuckDB takes a recursion for a hundred times as long as it is,
-- and would hash the costs of all jobs instead of these few numbers.
pool_member AS MATERIALIZED (
    SELECT unnest(list(chain_walk), recursive := TRUE)
    FROM chain_walk
)
