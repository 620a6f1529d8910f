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
        chain,
        any_value(instance_type) AS instance_type,
        any_value(instance_count) AS instances,
        max(position) AS jobs,
        coalesce(min(started_at), any_value(chain_created_at)) AS started_at,
        CAST(sum(busy_seconds) AS BIGINT) AS busy_seconds,
        CAST(sum(idle_seconds) AS BIGINT) AS idle_seconds,
        sum(training_cost_usd) AS training_usd,
        sum(idle_cost_usd) AS idle_usd,
        arg_max(ended_by, step) AS ended_by,
        list_sort(list(DISTINCT {'position': position, 'job': training_job_name})) AS places
    FROM chain_costs
    WHERE
        -- All of this follows from the begin in the period, and keeps other jobs from being
        -- read: a job starts after its creation and before its end, and what follows ends later.
        chain_created_at < CAST(:until_at AS TIMESTAMPTZ)
        AND coalesce(chain_first_end, 'infinity') >= CAST(:since_at AS TIMESTAMPTZ)
        AND coalesce(training_end_time, 'infinity') >= CAST(:since_at AS TIMESTAMPTZ)
    GROUP BY chain
    HAVING
        coalesce(min(started_at), any_value(chain_created_at)) >= CAST(:since_at AS TIMESTAMPTZ)
        AND coalesce(min(started_at), any_value(chain_created_at))
        < CAST(:until_at AS TIMESTAMPTZ)
),

shown AS (
    SELECT
        chains.*,
        job.job_family AS family
    FROM chains
    INNER JOIN training_jobs AS job ON chains.chain = job.rowid
    ORDER BY chains.idle_usd DESC NULLS LAST, chains.started_at, job.training_job_arn, chains.chain
    LIMIT :top
)

SELECT
    FALSE AS is_total,
    shown.started_at,
    shown.family,
    shown.instance_type,
    shown.instances,
    shown.jobs,
    shown.busy_seconds,
    shown.idle_seconds,
    shown.training_usd,
    shown.idle_usd,
    shown.ended_by,
    list_transform(shown.places, lambda place: place.job) AS job_names
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
