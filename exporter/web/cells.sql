-- The sums from which the dashboard adds up every figure: one row per account, region, family, team,
-- instance type and bucket. A bucket is a day from :days_since on, and a calendar month before. The
-- figures of the notes stand beside them.
--
-- A pool that is idle in several buckets counts in each, as the reports count it in each month.
-- `carried` are those that were idle in the bucket before, so that a sum over many buckets can count
-- each pool once.
WITH
-- One row per family that the page names, and per team.
named_family AS (
    SELECT unnest(CAST(:families AS VARCHAR[])) AS family
),
named_team AS (
    SELECT unnest(CAST(:teams AS VARCHAR[])) AS team
),

-- One row per cost line of the period, with its bucket.
line AS (
    SELECT
        account_id, region, named_family.family,
        CASE
            WHEN cost.team IS NULL OR named_team.team IS NOT NULL THEN cost.team
            ELSE CAST(:others AS VARCHAR)
        END AS team,
        instance_type, cost_usd, cost_basis, price_source,
        is_pool,
        is_pool AND is_over AS is_ended,
        warm_pool_status = 'Terminated' AS is_wasted,
        CASE
            WHEN usage_date >= CAST(:days_since AS DATE) THEN usage_date
            ELSE greatest(CAST(date_trunc('month', usage_date) AS DATE), CAST(:since AS DATE))
        END AS bucket,
        -- A pool has one line without storage on each of its days: the first one in the bucket.
        is_ended AND NOT is_storage AND (is_first_day OR usage_date = bucket) AS is_first,
        is_first AND NOT is_first_day AS is_carried
    FROM internal.cost_lines AS cost
    LEFT JOIN named_family ON coalesce(cost.job_family, '') = named_family.family
    LEFT JOIN named_team ON cost.team = named_team.team
    WHERE usage_date >= CAST(:since AS DATE) AND usage_date < CAST(:until AS DATE)
),

-- The same, added up by all that the next step tells apart: many filters are slow on many rows.
-- The basis decides whether a cost is known, so a sum is NULL only if nothing of it is.
part AS (
    SELECT
        account_id, region, family, team, instance_type, bucket, is_pool, is_ended, is_wasted,
        cost_basis, price_source,
        sum(cost_usd) AS cost_usd,
        count(*) FILTER (WHERE is_first) AS pools,
        count(*) FILTER (WHERE is_carried) AS carried
    FROM line
    GROUP BY
        account_id, region, family, team, instance_type, bucket, is_pool, is_ended, is_wasted,
        cost_basis, price_source
)

SELECT
    account_id, region, family, team, instance_type, bucket,
    sum(cost_usd) FILTER (WHERE NOT is_pool) AS training,
    sum(cost_usd) FILTER (WHERE is_ended AND NOT is_wasted) AS reused,
    sum(cost_usd) FILTER (WHERE is_ended AND is_wasted) AS wasted,
    sum(cost_usd) FILTER (WHERE is_pool AND NOT is_ended) AS idle,
    CAST(sum(pools) AS BIGINT) AS pools,
    CAST(sum(pools) FILTER (WHERE NOT is_wasted) AS BIGINT) AS reused_pools,
    CAST(sum(carried) AS BIGINT) AS carried,
    CAST(sum(carried) FILTER (WHERE NOT is_wasted) AS BIGINT) AS carried_reused,
    count(*) FILTER (WHERE cost_usd IS NULL AND NOT is_pool) AS unknown_training,
    count(*) FILTER (WHERE cost_usd IS NULL AND is_pool) AS unknown_pools/*notes*/ /*end*/
FROM part
GROUP BY account_id, region, family, team, instance_type, bucket
