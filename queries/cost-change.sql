-- title: What changed in the costs, and why
-- description: The period compared with the one before (October with September), by family. The
--   change is split into price, hours, new families and families that ended. Hours are compared
--   within an account, region and instance type: valued at the old rate, and the change of the
--   rate at the new hours, so the parts add up to the change. While the period is running, only
--   the days that sync has read whole are compared, with the same days of the period before.
-- period: last-month
-- limit: change_usd
-- column: family key: Family of the jobs
-- column: before_usd money: Known cost of training and pools in the period before, in USD
-- column: now_usd money: The same for the period
-- column: change_usd money: now_usd − before_usd = the sum of the columns to the right
-- column: price_usd money: Caused by another price of an hour or GB-month
-- column: volume_usd money: Caused by more or fewer hours, or another account, region or type
-- column: new_usd money: Cost of families without usage in the whole period before
-- column: ended_usd money: Saved on families without usage in a period that is over
-- column: unpriced_jobs count wide: Jobs of both periods with a part of the cost unknown
-- example: --month 2026-10
-- example: --since 2026-10-12 --until 2026-10-19
WITH
-- One row per scope: the days of the period that sync has read whole. On the first day, that day.
scope AS (
    SELECT
        account_id, region,
        greatest(
            CAST(data_as_of AT TIME ZONE 'UTC' AS DATE), CAST(:since AS DATE) + 1
        ) AS read_to,
        least(read_to, CAST(:until AS DATE)) - CAST(:since AS DATE) AS days,
        read_to < CAST(:until AS DATE) AS is_running
    FROM data_as_of
    WHERE data_as_of IS NOT NULL
),

-- One row per cost line of the two periods.
every_line AS (
    SELECT
        line.job_family, line.account_id, line.instance_type, line.component, line.region,
        line.usage_date >= CAST(:since AS DATE) AS is_now,
        -- Same days: the first ones of each period, as many as the running one has.
        CASE
            WHEN NOT coalesce(scope.is_running, FALSE) THEN TRUE
            WHEN is_now THEN line.usage_date - CAST(:since AS DATE) < scope.days
            ELSE line.usage_date - CAST(:before AS DATE) < scope.days
        END AS is_compared,
        coalesce(scope.is_running, FALSE) AS is_running,
        line.job_id AS job,
        coalesce(line.instance_hours, line.gb_months) AS quantity,
        line.cost_usd, line.cost_basis, line.price_source
    FROM internal.cost_lines AS line
    LEFT JOIN scope ON line.account_id = scope.account_id AND line.region = scope.region
    WHERE line.usage_date >= CAST(:before AS DATE) AND line.usage_date < CAST(:until AS DATE)
),

-- One row per cost line to compare.
costs AS (
    SELECT *
    FROM every_line
    WHERE is_compared
),

-- One row per family, account, type, component and region. Quantities without a price count in
-- neither period: a price that became known is not a rise.
lines AS (
    SELECT
        job_family, account_id, instance_type, component, region,
        coalesce(sum(cost_usd) FILTER (WHERE is_compared AND NOT is_now), 0) AS before_usd,
        coalesce(sum(cost_usd) FILTER (WHERE is_compared AND is_now), 0) AS now_usd,
        coalesce(
            sum(quantity) FILTER (WHERE is_compared AND NOT is_now AND cost_usd IS NOT NULL), 0
        ) AS before_quantity,
        coalesce(
            sum(quantity) FILTER (WHERE is_compared AND is_now AND cost_usd IS NOT NULL), 0
        ) AS now_quantity,
        bool_or(is_now) AS is_used_now,
        bool_or(NOT is_now) AS was_used_before,
        bool_or(is_running) AS is_running
    FROM every_line
    GROUP BY ALL
),

-- One row per family.
families AS (
    SELECT
        job_family AS family,
        sum(before_usd) AS before_usd,
        sum(now_usd) AS now_usd,
        NOT bool_or(was_used_before) AS is_new,
        -- A family that has not run yet may still run.
        NOT bool_or(is_used_now) AND NOT bool_or(is_running) AS has_ended,
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
        CASE WHEN is_new OR has_ended THEN 0 ELSE price_usd END AS price_usd,
        CASE WHEN is_new OR has_ended THEN 0 ELSE now_usd - before_usd - price_usd END
            AS volume_usd,
        CASE WHEN is_new THEN now_usd ELSE 0 END AS new_usd,
        CASE WHEN has_ended THEN -before_usd ELSE 0 END AS ended_usd
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
