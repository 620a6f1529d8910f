-- title: What changed in the costs, and why
-- description: The period compared with the one before (October with September), by family. The
--   change is split into price, hours, new families and families that ended. Hours are valued at
--   the old rate, and the change of the rate at the new hours, so the parts add up to the change.
-- period: last-month
-- limit: change_usd
-- column: family: Family of the jobs
-- column: before_usd money: Known cost of training and pools in the period before, in USD
-- column: now_usd money: The same for the period
-- column: change_usd money: now_usd − before_usd = the sum of the columns to the right
-- column: price_usd money: Caused by another price of an hour or GB-month
-- column: volume_usd money: Caused by more or fewer hours, or other instance types
-- column: new_usd money: Cost of families that had none before
-- column: ended_usd money: Saved on families that have no cost any more
-- column: unpriced_jobs count wide: Jobs of both periods with a part of the cost unknown
-- example: --month 2026-10
-- example: --since 2026-10-12 --until 2026-10-19
WITH
-- One row per cost line of the two periods.
costs AS (
    SELECT
        job_family, instance_type, component, region,
        usage_date >= CAST(:since AS DATE) AS is_now,
        job_id AS job,
        coalesce(instance_hours, gb_months) AS quantity,
        cost_usd, cost_basis, price_source
    FROM cost_lines
    WHERE usage_date >= CAST(:before AS DATE) AND usage_date < CAST(:until AS DATE)
),

-- One row per family, type, component and region. Quantities without a price count in neither
-- period: a price that became known is not a rise.
lines AS (
    SELECT
        job_family, instance_type, component, region,
        coalesce(sum(cost_usd) FILTER (WHERE NOT is_now), 0) AS before_usd,
        coalesce(sum(cost_usd) FILTER (WHERE is_now), 0) AS now_usd,
        coalesce(sum(quantity) FILTER (WHERE NOT is_now AND cost_usd IS NOT NULL), 0)
            AS before_quantity,
        coalesce(sum(quantity) FILTER (WHERE is_now AND cost_usd IS NOT NULL), 0) AS now_quantity
    FROM costs
    GROUP BY ALL
),

-- One row per family.
families AS (
    SELECT
        job_family AS family,
        sum(before_usd) AS before_usd,
        sum(now_usd) AS now_usd,
        -- (new rate − old rate) × new quantity, for what was used in both periods
        sum(
            CASE
                WHEN before_quantity > 0 AND now_quantity > 0
                    THEN CAST(
                        -- Quotients are floats. Rounded to the millionth, they add up as money.
                        CAST(now_usd AS DOUBLE)
                        - CAST(before_usd AS DOUBLE) / CAST(before_quantity AS DOUBLE)
                        * CAST(now_quantity AS DOUBLE)
                        AS DECIMAL(18, 6)
                    )
                ELSE 0
            END
        ) AS price_usd
    FROM lines
    GROUP BY job_family
    HAVING sum(before_usd) <> 0 OR sum(now_usd) <> 0
),

-- The same rows, with the parts of the change.
split AS (
    SELECT
        family, before_usd, now_usd,
        now_usd - before_usd AS change_usd,
        CASE WHEN before_usd <> 0 AND now_usd <> 0 THEN price_usd ELSE 0 END AS price_usd,
        CASE WHEN before_usd <> 0 AND now_usd <> 0 THEN now_usd - before_usd - price_usd ELSE 0 END
            AS volume_usd,
        CASE WHEN before_usd = 0 THEN now_usd ELSE 0 END AS new_usd,
        CASE WHEN now_usd = 0 THEN -before_usd ELSE 0 END AS ended_usd
    FROM families
),

-- One row: the jobs whose cost is not known.
unknown AS (
    SELECT
        count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs
        /*notes*/ /*end*/
    FROM costs
),

-- One row: the sums of all families.
total AS (
    SELECT
        sum(before_usd) AS before_usd,
        sum(now_usd) AS now_usd,
        sum(change_usd) AS change_usd,
        sum(price_usd) AS price_usd,
        sum(volume_usd) AS volume_usd,
        sum(new_usd) AS new_usd,
        sum(ended_usd) AS ended_usd
    FROM split
),

-- One row per family, and the total.
family_or_total AS (
    SELECT *, FALSE AS is_total
    FROM split
    UNION ALL BY NAME
    SELECT TRUE AS is_total, total.*, unknown.*
    FROM total
    CROSS JOIN unknown
)

SELECT *
FROM family_or_total
ORDER BY is_total, abs(change_usd) DESC, family;
