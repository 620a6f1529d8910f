-- What each warm pool cost: one row a job that retained one, for the wait after its training
-- ended. Amounts are the sums of its rows in daily_costs; what is not known is NULL, its basis
-- says why.
--
-- needs: job_costs, cost_bases
--
-- training_job_arn: ARN of the job before the wait
-- creation_time: When the job was created
-- account_id: AWS account, whose bill it is on
-- region: AWS region
-- training_job_name: Name of the job
-- job_family: Family of the job
-- team: Team of the job; NULL = no rule matched
-- instance_type: Instance type; NULL = not known
-- instance_count: Instance count; NULL = not known
-- retained_seconds: Seconds retained, for one instance; NULL = not known
-- instance_hours: Instance hours (seconds × count ÷ 3600), the sum of its days, to 12 places
-- usd_per_hour: Price of an instance hour after discount, on the first day; NULL = none
-- compute_cost_usd: Cost of the instances in USD, the sum of its days; NULL = cannot be known
-- storage_cost_usd: Cost of the volumes; 0 = not charged for this type, NULL = cannot be known
-- cost_usd: Compute and storage, as far as they are known; NULL = neither is
-- compute_basis: What the compute cost rests on: settled, accruing, estimated, no price, …
-- storage_basis: What the storage cost rests on
-- cost_basis: The weaker of the two
-- warm_pool_status: WarmPoolStatus.Status: Available, InUse, Reused, Terminated, …
-- reused_by_job: Name of the job that took the pool over
-- pool_started_at: When the wait began (end of training)
-- pool_ended_at: When it ended; NULL = it waits still, or the seconds are not known
SELECT
    cost.training_job_arn,
    cost.creation_time,
    cost.account_id,
    cost.region,
    cost.training_job_name,
    cost.job_family,
    cost.team,
    cost.instance_type,
    cost.instance_count,
    cost.seconds AS retained_seconds,
    cost.instance_hours,
    cost.usd_per_hour,
    cost.compute_cost_usd,
    cost.storage_cost_usd,
    cost.cost_usd,
    compute.cost_basis AS compute_basis,
    storage.cost_basis AS storage_basis,
    total.cost_basis,
    cost.warm_pool_status,
    cost.reused_by_job,
    cost.from_time AS pool_started_at,
    cost.ended_at AS pool_ended_at
FROM job_costs AS cost
INNER JOIN cost_bases AS compute ON cost.compute_rank = compute.rank
INNER JOIN cost_bases AS storage ON cost.storage_rank = storage.rank
INNER JOIN cost_bases AS total
    ON greatest(cost.compute_rank, cost.storage_rank) = total.rank
WHERE cost.component = 'Training Warm Pool'
