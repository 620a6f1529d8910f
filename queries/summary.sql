-- title: The month so far
-- description: Cost of the month up to yesterday compared with the same days of the month before,
--   the projected cost of the whole month, the five changes of keep-alive-advice that are worth
--   most, who wastes most, and what is not known. `--notify URL` sends it. On the first of a month
--   it covers the month that just ended. The projected range holds in about 80 of 100 months: it
--   takes the mean and the spread of up to eight whole weeks before today.
-- prices: yes
-- replay: summarise
-- reads: keep-alive-advice
-- prose: yes
-- param: minute_usd number = 1.00: What a minute that nobody has to wait is worth, in USD
-- column: topic key: What the line is about
-- column: usd money: The amount in USD: a cost, or for a change its worth a month; NULL = not known
-- column: low_usd money wide: Lower end of the projected range in USD
-- column: high_usd money wide: Upper end of the projected range in USD
-- column: setting wide: The setting of a change in ResourceConfig of CreateTrainingJob
-- column: text: The line
-- example: --format markdown
WITH
-- One row per cost line from three months before the month of yesterday on.
costs AS (
    SELECT
        usage_date, job_id, job_family, team, cost_usd, cost_basis,
        is_pool AND is_over AND warm_pool_status = 'Terminated' AS is_wasted,
        usage_date >= CAST(
            date_trunc(
                'month', CAST(CAST(:now AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS DATE) - 1
            ) AS DATE
        ) AS is_this_month
    FROM internal.cost_lines
    WHERE
        usage_date < CAST(CAST(:now AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS DATE)
        AND usage_date >= CAST(
            date_trunc(
                'month', CAST(CAST(:now AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS DATE) - 1
            ) - INTERVAL 3 MONTH AS DATE
        )
)

-- One row per day, per family that wasted money this month, and per reason of an unknown cost.
SELECT
    'day' AS kind, usage_date, sum(cost_usd) AS cost_usd
FROM costs
GROUP BY usage_date
UNION ALL BY NAME
SELECT
    'waste' AS kind, job_family AS family, team, sum(cost_usd) AS cost_usd
FROM costs
WHERE is_this_month AND is_wasted AND cost_usd > 0
GROUP BY job_family, team
UNION ALL BY NAME
SELECT
    'unknown' AS kind, cost_basis, count(DISTINCT job_id) AS jobs
FROM costs
WHERE is_this_month AND cost_usd IS NULL
GROUP BY cost_basis;
