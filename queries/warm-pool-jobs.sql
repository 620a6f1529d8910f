-- title: The jobs whose warm pools cost most
-- description: What each pool cost in the period, the dearest first. A pool belongs to the job
--   before the wait.
-- period: default
-- param: top integer = 20: How many jobs to show
-- bar: cost_usd
-- limit: cost_usd
-- column: job: Name of the job; in the total, how many are shown of how many
-- column: family wide: Family of the job
-- column: instance_type: Instance type
-- column: instance_hours hours wide: Idle hours × instances in the period
-- column: cost_usd money: What they cost in USD, as far as known
-- column: share percent: Of what all pools of the period cost
-- column: training_usd money: What the job's training cost in the period, in USD
-- column: pool: Status of the pool
-- column: idle_seconds seconds wide: How long the pool waited, in all
-- column: keep_alive_seconds seconds wide: How long it was asked to wait
-- column: reused_by wide: The job that took it over
-- column: created_at wide: When the job was created
-- example: --param top=50 --format csv
WITH pools AS (
    SELECT
        job_id,
        any_value(instance_type) FILTER (WHERE is_pool) AS instance_type,
        sum(instance_hours) FILTER (WHERE is_pool) AS instance_hours,
        sum(cost_usd) FILTER (WHERE is_pool) AS cost_usd,
        sum(cost_usd) FILTER (WHERE NOT is_pool) AS training_usd
    FROM cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
    GROUP BY job_id
    HAVING bool_or(is_pool)
),

-- Those that can be among the dearest, and only then their names, by which equals are ordered.
dearest AS (
    SELECT *
    FROM pools
    QUALIFY rank() OVER (ORDER BY cost_usd DESC NULLS LAST) <= :top
),

told AS (
    SELECT
        dearest.*,
        job.training_job_arn,
        job.creation_time,
        job.training_job_name AS job,
        job.job_family AS family,
        job.warm_pool_status,
        job.warm_pool_retained_seconds,
        job.warm_pool_reused_by_job
    FROM dearest
    INNER JOIN training_jobs AS job ON dearest.job_id = job.rowid
    ORDER BY dearest.cost_usd DESC NULLS LAST, job.training_job_name, job.creation_time
    LIMIT :top
),

every AS (
    SELECT
        count(*) AS pools,
        sum(cost_usd) AS cost_usd
    FROM pools
)

SELECT
    FALSE AS is_total,
    told.job,
    told.family,
    told.instance_type,
    told.instance_hours,
    told.cost_usd,
    CAST(told.cost_usd AS DOUBLE) / nullif(CAST(every.cost_usd AS DOUBLE), 0) AS share,
    told.training_usd,
    told.warm_pool_status AS pool,
    told.warm_pool_retained_seconds AS idle_seconds,
    detail.keep_alive_seconds,
    told.warm_pool_reused_by_job AS reused_by,
    told.creation_time AS created_at
FROM told
CROSS JOIN every
LEFT JOIN training_job_details AS detail
    ON
        told.training_job_arn = detail.training_job_arn
        AND told.creation_time = detail.creation_time
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    count(*) || ' of ' || any_value(every.pools) AS job,
    sum(told.instance_hours) AS instance_hours,
    sum(told.cost_usd) AS cost_usd,
    CAST(sum(told.cost_usd) AS DOUBLE) / nullif(CAST(any_value(every.cost_usd) AS DOUBLE), 0)
        AS share,
    sum(told.training_usd) AS training_usd
FROM told
CROSS JOIN every
ORDER BY is_total, cost_usd DESC NULLS LAST, job, created_at;
