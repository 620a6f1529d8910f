-- One row per chain: what its jobs did on the pool, added up. All of them have the same instances,
-- unless the data contradicts itself. Then the highest value counts, in a file and in a lake alike:
-- any_value would take another one from time to time.
pool_chain AS (
    SELECT
        member.chain,
        max(step.instance_type) AS instance_type,
        max(step.instance_count) AS instance_count,
        max(step.specification) AS specification,
        max(member.position) AS jobs,
        min(step.started_at) AS started_at,
        max(step.ended_at) AS ended_at,
        min(step.usage_date) AS first_date,
        max(step.usage_date) AS last_date,
        TRY_CAST(sum(step.busy_seconds) AS BIGINT) AS busy_seconds,
        TRY_CAST(sum(step.idle_seconds) AS BIGINT) AS idle_seconds,
        sum(step.training_cost_usd) AS training_cost_usd,
        sum(step.idle_cost_usd) AS idle_cost_usd,
        max(step.idle_rank) AS idle_rank,
        arg_max(step.ended_by, member.position * 2 + step.is_idle::INTEGER) AS ended_by
    FROM pool_member AS member
    INNER JOIN pool_step AS step ON member.job_id = step.job_id
    GROUP BY member.chain
)
