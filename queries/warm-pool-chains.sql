-- title: Warm pools from cold start to end
-- description: The jobs that ran one after the other on the same instances, and what the waits
--   between and after them cost. Chains that began in the period, the dearest waits first.
-- period: default
-- prices: yes
-- param: top integer = 20: How many chains to show
-- bar: idle_usd
-- limit: idle_usd
-- column: started_at wide: When the first job started
-- column: family: Family of the first job; in the total, how many are shown of how many
-- column: instance_type: Instance type
-- column: instances count wide: Number of instances
-- column: jobs count: Jobs that ran on the pool
-- column: busy_seconds seconds wide: Training, for one instance
-- column: idle_seconds seconds: Waits, for one instance
-- column: training_usd money wide: What the training cost in USD, as far as known
-- column: idle_usd money: What the waits cost in USD, as far as known
-- column: ended_by: How it ended: expired, ended early, reuse unknown, open, …
-- column: job_names wide: The jobs, in order
-- example: --param top=100 --format json
WITH chains AS (
    SELECT
        chain_id,
        job_family AS family,
        instance_type,
        instance_count AS instances,
        jobs,
        job_names,
        started_at,
        busy_seconds,
        idle_seconds,
        training_cost_usd AS training_usd,
        idle_cost_usd AS idle_usd,
        ended_by
    FROM warm_pool_chains
    WHERE
        started_at >= CAST(:since_at AS TIMESTAMPTZ)
        AND started_at < CAST(:until_at AS TIMESTAMPTZ)
),

shown AS (
    SELECT *
    FROM chains
    ORDER BY idle_usd DESC NULLS LAST, started_at, chain_id
    LIMIT :top
)

SELECT
    FALSE AS is_total,
    started_at,
    family,
    instance_type,
    instances,
    jobs,
    busy_seconds,
    idle_seconds,
    training_usd,
    idle_usd,
    ended_by,
    job_names
FROM shown
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    count(*) || ' of ' || (SELECT count(*) FROM chains) AS family,
    CAST(sum(jobs) AS BIGINT) AS jobs,
    CAST(sum(busy_seconds) AS BIGINT) AS busy_seconds,
    CAST(sum(idle_seconds) AS BIGINT) AS idle_seconds,
    sum(training_usd) AS training_usd,
    sum(idle_usd) AS idle_usd
FROM shown
ORDER BY is_total, idle_usd DESC NULLS LAST, started_at, family;
