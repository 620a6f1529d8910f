-- title: The jobs with the most expensive warm pools
-- description: What each pool cost in the period, the most expensive first. A pool belongs to the
--   job before the idle time.
-- period: default
-- param: top integer = 20: Number of jobs to show
-- bar: cost_usd
-- limit: cost_usd
-- column: job key: Name of the job; in the total, shown jobs of all jobs
-- column: family wide: Family of the job
-- column: instance_type: Instance type
-- column: instance_hours hours wide: Idle hours × instances in the period
-- column: cost_usd money: Known cost of the idle hours in USD
-- column: share percent: Share of the cost of all pools in the period
-- column: training_usd money: Cost of the job's training in the period in USD
-- column: pool: Status of the pool
-- column: idle_seconds seconds wide: Whole idle time of the pool
-- column: keep_alive_seconds seconds wide: Keep-alive period of the job
-- column: reused_by wide: Name of the job that reused the pool
-- column: created_at wide: When the job was created
-- example: --param top=50 --format csv
WITH
-- One row per job with a pool in the period.
pools AS (
    SELECT
        job_id, creation_time,
        any_value(instance_type) FILTER (WHERE is_pool) AS instance_type,
        sum(instance_hours) FILTER (WHERE is_pool) AS instance_hours,
        sum(cost_usd) FILTER (WHERE is_pool) AS cost_usd,
        sum(cost_usd) FILTER (WHERE NOT is_pool) AS training_usd,
        -- The columns that notes read: why a part of the cost is not known.
        max(cost_basis) FILTER (WHERE is_pool AND cost_usd IS NULL) AS cost_basis,
        NULL::VARCHAR AS price_source
    FROM internal.cost_lines
    WHERE usage_date >= CAST(:since AS DATE) AND usage_date < CAST(:until AS DATE)
    GROUP BY job_id, creation_time
    HAVING bool_or(is_pool)
),

-- One row per job that can be shown. Only these need names, which order jobs of equal cost.
most_expensive AS (
    SELECT *
    FROM pools
    QUALIFY rank() OVER (ORDER BY cost_usd DESC NULLS LAST) <= :top
),

-- One row per job to show.
shown AS (
    SELECT
        most_expensive.*,
        job.training_job_arn,
        job.training_job_name AS job,
        job.job_family AS family,
        job.warm_pool_status, job.warm_pool_retained_seconds, job.warm_pool_reused_by_job
    FROM most_expensive
    -- The creation time lets DuckDB skip the files of other months.
    INNER JOIN training_jobs AS job
        ON most_expensive.job_id = job.rowid AND most_expensive.creation_time = job.creation_time
    ORDER BY most_expensive.cost_usd DESC NULLS LAST, job.training_job_name, job.creation_time,
        job.training_job_arn
    LIMIT :top
),

-- One row: all pools.
every_pool AS (
    SELECT
        count(*) AS pools,
        sum(cost_usd) AS all_usd
    FROM pools
)

SELECT
    FALSE AS is_total,
    shown.job, shown.family, shown.instance_type, shown.instance_hours, shown.cost_usd,
    round(CAST(shown.cost_usd AS DOUBLE) / nullif(CAST(every_pool.all_usd AS DOUBLE), 0), 9)
        AS share,
    shown.training_usd,
    shown.warm_pool_status AS pool,
    /*part retained_seconds*/ AS idle_seconds,
    detail.keep_alive_seconds,
    shown.warm_pool_reused_by_job AS reused_by,
    shown.creation_time AS created_at
FROM shown
CROSS JOIN every_pool
LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    count(*) || ' of ' || any_value(every_pool.pools) AS job,
    sum(shown.instance_hours) AS instance_hours,
    sum(shown.cost_usd) AS cost_usd,
    round(
        CAST(sum(shown.cost_usd) AS DOUBLE)
        / nullif(CAST(any_value(every_pool.all_usd) AS DOUBLE), 0),
        9
    ) AS share,
    sum(shown.training_usd) AS training_usd
    /*notes*/ /*end*/
FROM shown
CROSS JOIN every_pool
ORDER BY is_total, cost_usd DESC NULLS LAST, job, created_at;
