-- What each job did on its pool: its training and the idle time after it, one row per job,
-- component, instance type and UTC day. A job that SageMaker kept no pool after has no idle time.
--
-- needs: internal.usage_days
--
-- job_id, creation_time, training_end_time: as in usage_days
-- usage_date: as in usage_days
-- is_idle: True: idle time; false: training
-- instance_type, instance_count: as in usage_days
-- started_at: Start of the training or idle time; NULL = not known
-- ended_at: Its end; NULL = not yet, or not known
-- busy_seconds: Billable seconds of training that day, for one instance; NULL for idle time
-- idle_seconds: Idle seconds that day, for one instance; NULL for training
-- training_cost_usd: Cost of the training, storage included; NULL for idle time
-- idle_cost_usd: Cost of the idle time, storage included; NULL for training
-- idle_rank: Rank of the basis of that cost in cost_bases; NULL for training
-- ended_by: How the pool ended if this was its last job, see warm_pool_chains
-- specification: as in usage_days
SELECT
    day.job_id, day.creation_time, day.training_end_time, day.usage_date,
    day.component <> 'Training' AS is_idle,
    day.instance_type, day.instance_count, day.started_at, day.ended_at,
    CASE WHEN NOT is_idle THEN day.seconds END AS busy_seconds,
    CASE WHEN is_idle THEN day.seconds END AS idle_seconds,
    CASE WHEN NOT is_idle THEN day.cost_usd END AS training_cost_usd,
    CASE WHEN is_idle THEN day.cost_usd END AS idle_cost_usd,
    CASE WHEN is_idle THEN greatest(day.compute_rank, day.storage_rank) END AS idle_rank,
    CASE
        WHEN NOT is_idle AND NOT day.is_over AND day.is_deleted THEN 'unknown'
        WHEN NOT is_idle AND NOT day.is_over THEN 'open'
        WHEN NOT is_idle THEN 'not kept'
        WHEN day.warm_pool_status = 'Reused' THEN 'reuse unknown'
        WHEN day.warm_pool_status = 'Terminated'
            THEN CASE
                WHEN day.keep_alive_seconds IS NULL OR day.retained_seconds IS NULL
                    THEN 'terminated'
                WHEN day.retained_seconds >= day.keep_alive_seconds - 10 THEN 'expired'
                ELSE 'ended early'
            END
        WHEN day.is_deleted THEN 'unknown'
        ELSE 'open'
    END AS ended_by,
    day.specification
FROM internal.usage_days AS day
WHERE day.component = 'Training' OR day.had_pool IS NOT FALSE
