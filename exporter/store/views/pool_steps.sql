-- What each job did on the pool it ran on: one row for its training and one for the wait after it,
-- for each instance type.
--
-- needs: job_costs
--
-- job_id: Row number of the job in training_jobs: good within one query only
-- creation_time: When the job was created
-- training_job_name: Name of the job
-- training_end_time: TrainingEndTime of the job
-- is_wait: True: the wait after its training
-- instance_type: Instance type; NULL = not known
-- instance_count: Instance count; NULL = not known
-- started_at: Begin; NULL = not known
-- ended_at: End; NULL = not yet, or not known
-- busy_seconds: Billable seconds of training, for one instance; NULL for a wait
-- idle_seconds: Seconds of the wait, for one instance; NULL for training
-- training_cost_usd: Cost of the training, storage included; NULL for a wait
-- idle_cost_usd: Cost of the wait, storage included; NULL for training
-- ended_by: How the pool ended, if this was the last step, see warm_pool_chains
SELECT
    cost.job_id,
    cost.creation_time,
    cost.training_job_name,
    cost.training_end_time,
    cost.component <> 'Training' AS is_wait,
    cost.instance_type,
    cost.instance_count,
    cost.started_at,
    cost.ended_at,
    CASE WHEN NOT is_wait THEN cost.seconds END AS busy_seconds,
    CASE WHEN is_wait THEN cost.seconds END AS idle_seconds,
    CASE WHEN NOT is_wait THEN cost.cost_usd END AS training_cost_usd,
    CASE WHEN is_wait THEN cost.cost_usd END AS idle_cost_usd,
    CASE
        WHEN NOT is_wait AND NOT cost.is_over THEN 'open'
        WHEN NOT is_wait THEN 'not kept'
        WHEN cost.warm_pool_status = 'Reused' THEN 'reuse unknown'
        WHEN cost.warm_pool_status = 'Terminated'
            THEN CASE
                WHEN cost.keep_alive_seconds IS NULL OR cost.seconds IS NULL THEN 'terminated'
                WHEN cost.seconds >= cost.keep_alive_seconds - 10 THEN 'expired'
                ELSE 'ended early'
            END
        WHEN cost.is_deleted THEN 'deleted'
        ELSE 'open'
    END AS ended_by
FROM job_costs AS cost
