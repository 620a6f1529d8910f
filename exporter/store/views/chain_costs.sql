-- What each job contributed to the pool it ran on: one row for its training and one for the wait
-- after it, for each instance type.
--
-- needs: pool_members, job_costs
--
-- chain: The pool: row number of its first job, good within one query only
-- chain_created_at: When the first job was created
-- chain_first_end: When the training of the first job ended; NULL = not yet, or not known
-- job_id: Row number of the job in training_jobs
-- position: 1 for the first job, 2 for the one that took its pool over, …
-- training_job_name: Name of the job
-- training_end_time: TrainingEndTime of the job
-- instance_type: Instance type; NULL = not known
-- instance_count: Instance count; NULL = not known
-- started_at: Begin; NULL = not known
-- ended_at: End; NULL = not yet, or not known
-- busy_seconds: Billable seconds of training, for one instance; NULL for a wait
-- idle_seconds: Seconds of the wait, for one instance; NULL for training
-- training_cost_usd: Cost of the training, storage included; NULL for a wait
-- idle_cost_usd: Cost of the wait, storage included; NULL for training
-- step: Order within the pool: the training of a job, its wait, the training of the next
-- ended_by: How the pool ended, if this was the last step, see warm_pool_chains
SELECT
    member.chain,
    member.chain_created_at,
    member.chain_first_end,
    member.job_id,
    member.position,
    cost.training_job_name,
    cost.training_end_time,
    cost.instance_type,
    cost.instance_count,
    cost.started_at,
    cost.ended_at,
    CASE WHEN cost.component = 'Training' THEN cost.seconds END AS busy_seconds,
    CASE WHEN cost.component <> 'Training' THEN cost.seconds END AS idle_seconds,
    CASE WHEN cost.component = 'Training' THEN cost.cost_usd END AS training_cost_usd,
    CASE WHEN cost.component <> 'Training' THEN cost.cost_usd END AS idle_cost_usd,
    member.position * 2 + (cost.component <> 'Training')::INTEGER AS step,
    CASE
        WHEN cost.component = 'Training' AND NOT cost.is_over THEN 'open'
        WHEN cost.component = 'Training' THEN 'not kept'
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
FROM pool_members AS member
INNER JOIN job_costs AS cost ON member.job_id = cost.job_id
