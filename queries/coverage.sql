-- title: What the figures rest on, and what is missing
-- description: Every cost of the period by what it rests on, the weakest first, with what can be
--   done about it; and the accounts and regions that could not be read.
-- period: default
-- column: basis: settled, accruing, estimated, no price, … or failed scope, incomplete scope
-- column: account wide: AWS account
-- column: region: Region
-- column: component wide: Component as billed
-- column: instance_type: Instance type
-- column: price wide: Kind of price: list prices, Price List API, imported
-- column: jobs count: Jobs with such a cost
-- column: instance_hours hours wide: Their hours × instances
-- column: cost_usd money: Their cost in USD; NULL = not known
-- column: remedy: What would make it better
-- example: --since 365d
-- example: --month 2026-10 --format csv
WITH costs AS (
    SELECT
        cost_basis AS basis,
        account_id AS account,
        region,
        component,
        instance_type,
        CASE
            WHEN price_source LIKE 'shipped list%' THEN 'list prices'
            WHEN price_source LIKE 'Price List API%' THEN 'Price List API'
            WHEN price_source IS NOT NULL THEN 'imported'
        END AS price,
        hash(training_job_arn, creation_time) AS job,
        instance_hours,
        cost_usd
    FROM daily_costs
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
),

told AS (
    SELECT
        costs.basis,
        any_value(cost_bases.rank) AS weakness,
        costs.account,
        costs.region,
        costs.component,
        costs.instance_type,
        costs.price,
        count(DISTINCT costs.job) AS jobs,
        sum(costs.instance_hours) AS instance_hours,
        sum(costs.cost_usd) AS cost_usd,
        CASE
            WHEN costs.basis = 'no price' THEN 'prices import, or prices refresh'
            WHEN costs.basis = 'no details' THEN 'sync: details are not fetched yet'
            WHEN costs.basis = 'estimated' THEN 'prices import with an earlier date'
            WHEN costs.basis = 'accruing' THEN 'sync: it is not settled'
            WHEN costs.basis = 'unknown seconds' THEN 'sync: AWS has not told the seconds'
            WHEN costs.basis IN ('training plan', 'serverless') THEN 'none: not priced on demand'
            WHEN costs.price = 'list prices' THEN 'prices import: these are public prices'
        END AS remedy
    FROM costs
    INNER JOIN cost_bases ON costs.basis = cost_bases.cost_basis
    GROUP BY ALL
    UNION ALL BY NAME
    SELECT
        CASE WHEN last_error IS NOT NULL THEN 'failed scope' ELSE 'incomplete scope' END AS basis,
        99 AS weakness,
        account_id AS account,
        region,
        -- The whole of an error stands in the note on its scope.
        CASE
            WHEN length(last_error) > 60 THEN left(last_error, 59) || '…'
            ELSE coalesce(last_error, 'sync: never read to the end')
        END AS remedy
    FROM sync_scopes
    WHERE last_error IS NOT NULL OR watermark IS NULL
)

SELECT
    FALSE AS is_total,
    told.* EXCLUDE (weakness),
    told.weakness AS note_weakness
FROM told
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    count(DISTINCT job) AS jobs,
    sum(instance_hours) AS instance_hours,
    sum(cost_usd) AS cost_usd
FROM costs
ORDER BY
    is_total,
    note_weakness DESC,
    cost_usd DESC NULLS LAST,
    account,
    region,
    component,
    instance_type,
    price;
