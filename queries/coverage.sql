-- title: What the figures rest on, and what is missing
-- description: The costs of the period by basis, the weakest first, each with a remedy. Accounts
--   and regions that sync could not read come before all others.
-- period: default
-- column: basis key: settled, accruing, estimated, no price, … or failed scope, incomplete scope
-- column: account key aside: AWS account
-- column: region key aside: Region
-- column: component key aside: Component as billed
-- column: instance_type key: Instance type
-- column: price key aside: Kind of price: list prices, Price List API, imported
-- column: jobs count: Jobs with such a cost
-- column: instance_hours hours wide: Their hours × instances
-- column: cost_usd money: Their cost in USD; NULL = not known
-- column: remedy aside: What improves the figure
-- example: --since 365d
-- example: --month 2026-10 --format csv
WITH
-- One row per cost line of the period.
costs AS (
    SELECT
        cost_basis AS basis,
        account_id AS account,
        region, component, instance_type,
        CASE
            WHEN price_source LIKE 'shipped list%' THEN 'list prices'
            WHEN price_source LIKE 'Price List API%' THEN 'Price List API'
            WHEN price_source IS NOT NULL THEN 'imported'
        END AS price,
        -- One number to group by: the set of jobs in each group repeats the whole key.
        hash(basis, account, region, component, instance_type, price) AS line,
        job_id AS job,
        instance_hours,
        cost_usd
    FROM internal.cost_lines
    WHERE usage_date >= CAST(:since AS DATE) AND usage_date < CAST(:until AS DATE)
),

-- One row per kind of cost, and one for the total.
summed AS (
    SELECT
        grouping(line) > 0 AS is_total,
        -- max, as all are equal: for any_value, which is the first, DuckDB would keep every row.
        max(basis) AS basis,
        max(account) AS account,
        max(region) AS region,
        max(component) AS component,
        max(instance_type) AS instance_type,
        max(price) AS price,
        count(DISTINCT job) AS jobs,
        sum(instance_hours) AS instance_hours,
        sum(cost_usd) AS cost_usd
    FROM costs
    GROUP BY GROUPING SETS ((line), ())
),

-- One row per kind of cost and per scope that is incomplete, each with a remedy.
remedied AS (
    SELECT
        summed.* EXCLUDE (is_total),
        cost_bases.rank AS weakness,
        CASE
            WHEN summed.basis = 'no price' THEN 'prices import, or prices refresh'
            WHEN summed.basis = 'other currency'
                THEN 'none: training-cost and warm-pool-cost show it'
            WHEN summed.basis = 'no details' THEN 'sync: details are not fetched yet'
            WHEN summed.basis = 'estimated' THEN 'prices import with an earlier date'
            WHEN summed.basis = 'accruing' THEN 'sync: not settled yet'
            WHEN summed.basis = 'unknown seconds'
                THEN 'sync: AWS has not reported billable seconds, or the job was deleted'
            WHEN summed.basis IN ('training plan', 'serverless') THEN 'none: not priced on demand'
            WHEN summed.price = 'list prices' THEN 'prices import: these are public prices'
        END AS remedy
    FROM summed
    INNER JOIN internal.cost_bases ON summed.basis = cost_bases.cost_basis
    WHERE NOT summed.is_total
    UNION ALL BY NAME
    SELECT
        CASE WHEN last_error IS NOT NULL THEN 'failed scope' ELSE 'incomplete scope' END AS basis,
        99 AS weakness,
        account_id AS account,
        region,
        coalesce(last_error, 'sync: never read to the end') AS remedy
    FROM sync_scopes
    WHERE last_error IS NOT NULL OR watermark IS NULL
)

SELECT
    FALSE AS is_total,
    * EXCLUDE (weakness),
    weakness AS note_weakness
FROM remedied
UNION ALL BY NAME
SELECT is_total, jobs, instance_hours, cost_usd
FROM summed
WHERE is_total
ORDER BY
    is_total,
    note_weakness DESC,
    cost_usd DESC NULLS LAST,
    account, region, component, instance_type, price;
