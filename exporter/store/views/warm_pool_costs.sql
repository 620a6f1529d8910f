-- What each warm pool cost: one row per job that retained one, for the idle time after its
-- training. Amounts are sums of its rows in daily_costs. What is not known is NULL, and the basis
-- says why.
--
-- needs: internal.job_costs, internal.cost_bases
--
-- training_job_arn: ARN of the job before the idle time
-- creation_time, account_id, region, training_job_name, job_family, team: as in job_costs
-- instance_type, instance_count: as in job_costs
-- retained_seconds: Seconds retained, for one instance; NULL = not known
-- instance_hours, usd_per_hour, compute_cost_usd, storage_cost_usd, cost_usd: as in job_costs
-- compute_basis: Basis of the compute cost: settled, accruing, estimated, no price, …
-- storage_basis: Basis of the storage cost
-- cost_basis: The weaker of the two bases
-- warm_pool_status: WarmPoolStatus.Status: Available, InUse, Reused, Terminated, …
-- reused_by_job: as in job_costs
-- pool_started_at: Start of the idle time (end of training)
-- pool_ended_at: End of the idle time; NULL = still idle, or the seconds are not known
-- specification: as in job_costs
SELECT
    cost.training_job_arn, cost.creation_time, cost.account_id, cost.region,
    cost.training_job_name, cost.job_family, cost.team, cost.instance_type, cost.instance_count,
    cost.seconds AS retained_seconds,
    cost.instance_hours, cost.usd_per_hour, cost.compute_cost_usd, cost.storage_cost_usd,
    cost.cost_usd,
    compute.cost_basis AS compute_basis,
    storage.cost_basis AS storage_basis,
    total.cost_basis, cost.warm_pool_status, cost.reused_by_job,
    cost.from_time AS pool_started_at,
    cost.ended_at AS pool_ended_at,
    cost.specification
FROM internal.job_costs AS cost
INNER JOIN internal.cost_bases AS compute ON cost.compute_rank = compute.rank
INNER JOIN internal.cost_bases AS storage ON cost.storage_rank = storage.rank
INNER JOIN internal.cost_bases AS total
    ON greatest(cost.compute_rank, cost.storage_rank) = total.rank
WHERE cost.component = 'Training Warm Pool'
