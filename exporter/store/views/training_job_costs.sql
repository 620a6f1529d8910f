-- What the training of each job cost, without its warm pool: one row per job, or one per instance
-- type of its instance groups. Amounts are sums of its rows in daily_costs. What is not known is
-- NULL, and the basis says why.
--
-- needs: internal.job_costs, internal.cost_bases
--
-- training_job_arn, creation_time, account_id, region, training_job_name: as in job_costs
-- job_family, team, instance_type, instance_count: as in job_costs
-- billable_seconds: Billable seconds, for one instance; NULL = not known
-- instance_hours, usd_per_hour, compute_cost_usd, storage_cost_usd, cost_usd: as in job_costs
-- compute_basis: Basis of the compute cost: settled, accruing, estimated, no price, …
-- storage_basis: Basis of the storage cost
-- cost_basis: The weaker of the two bases
-- training_started_at: When training started; NULL = not yet, or not known
-- training_ended_at: When training ended; NULL = still running, or not known
-- specification: as in job_costs
SELECT
    cost.training_job_arn, cost.creation_time, cost.account_id, cost.region,
    cost.training_job_name, cost.job_family, cost.team, cost.instance_type, cost.instance_count,
    cost.seconds AS billable_seconds,
    cost.instance_hours, cost.usd_per_hour, cost.compute_cost_usd, cost.storage_cost_usd,
    cost.cost_usd,
    compute.cost_basis AS compute_basis,
    storage.cost_basis AS storage_basis,
    total.cost_basis,
    cost.started_at AS training_started_at,
    cost.ended_at AS training_ended_at,
    cost.specification
FROM internal.job_costs AS cost
INNER JOIN internal.cost_bases AS compute ON cost.compute_rank = compute.rank
INNER JOIN internal.cost_bases AS storage ON cost.storage_rank = storage.rank
INNER JOIN internal.cost_bases AS total
    ON greatest(cost.compute_rank, cost.storage_rank) = total.rank
WHERE cost.component = 'Training'
