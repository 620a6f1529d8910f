-- One row per job that names the job which took its pool over. ReusedByJob is a name: it means
-- the next job of that name in the account and region that was created later. So a name that is
-- used twice joins no two pools, and no chain runs in a circle.
named_link AS (
    SELECT
        before.job_id,
        before.creation_time,
        any_value(before.training_job_name) AS training_job_name,
        arg_min(following.job_id, following.creation_time) AS next_id
    FROM pool_job AS before
    INNER JOIN pool_job AS following
        ON
            before.warm_pool_reused_by_job = following.training_job_name
            AND before.account_id = following.account_id
            AND before.region = following.region
            AND before.creation_time < following.creation_time
    WHERE before.warm_pool_reused_by_job IS NOT NULL
    GROUP BY before.job_id, before.creation_time
),

-- One row per job whose pool another job took over. A job runs on one pool: if two jobs name it,
-- the later one counts.
pool_link AS MATERIALIZED (
    SELECT job_id, next_id
    FROM named_link
    QUALIFY row_number() OVER (
        PARTITION BY next_id
        ORDER BY creation_time DESC, training_job_name DESC
    ) = 1
)
