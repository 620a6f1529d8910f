-- The one price in force on each day: prices with every rule of precedence, fallback and
-- discount applied. The best kind of source for a region, component and instance type wins
-- whatever its dates (an import beats the Price List API, that beats the shipped list); dates
-- count within it, and before its first date the earliest price serves as an estimate. A warm
-- pool without a price of its own from that kind of source costs what training costs. Prices
-- below 0 or from 1,000,000 USD on are passed over.
--
-- account_id: Account with a discount of its own; empty = every other account
-- region: AWS region
-- component: Component as billed, see prices
-- instance_type: Instance type; empty for storage
-- valid_from: First UTC day
-- valid_to: First UTC day on which it no longer holds
-- usd_per_unit: Price of one unit in USD; after discount, rounded half-up to 12 places
-- picousd_per_unit: The same in 1e-12 USD, for exact arithmetic
-- unit: Hrs or GB-Mo
-- price_source: Where it is from, with the discount if there is one
-- priced_as: Component of the price that serves; differs from component where a pool has none
-- list_usd_per_unit: Price before the discount
-- discount_percent: Per cent taken off; NULL = none (imported prices are never discounted)
-- effective_from: First day of the price that serves; later than valid_from in an estimate
-- estimated: True before the first date known
WITH ranked AS (
    SELECT
        price.*,
        CASE
            WHEN starts_with(price.source, 'shipped list: ') THEN 1
            WHEN price.source = 'Price List API' THEN 2
            ELSE 3
        END AS source_kind
    FROM prices AS price
    -- Beyond these a price is a slip, and would not fit into 64 bits.
    WHERE price.usd_per_unit >= 0 AND price.usd_per_unit < 1000000
),

offered AS (
    SELECT billed.component AS billed_component, billed.is_own, ranked.*
    FROM ranked
    INNER JOIN (
        VALUES
            ('Training', 'Training', TRUE),
            ('Training ML storage', 'Training ML storage', TRUE),
            ('Training Warm Pool', 'Training Warm Pool', TRUE),
            ('Training Warm Pool', 'Training', FALSE),
            ('Training Warm Pool ML storage', 'Training Warm Pool ML storage', TRUE),
            ('Training Warm Pool ML storage', 'Training ML storage', FALSE)
    ) AS billed (component, priced_as, is_own) ON billed.priced_as = ranked.component
),

-- The kind of source comes before the component: somebody's own training rate says more
-- about their pools than a public price does.
best AS (
    SELECT offered.*
    FROM offered
    QUALIFY dense_rank() OVER (
        PARTITION BY offered.region, offered.billed_component, offered.instance_type
        ORDER BY offered.source_kind DESC, offered.is_own DESC
    ) = 1
),

dated AS (
    SELECT
        best.*,
        -- coalesce: a default in lead() is stored in a form that DuckDB 1.4 does not bind.
        coalesce(lead(best.effective_from) OVER by_date, DATE '9999-12-31') AS valid_to,
        row_number() OVER by_date = 1 AS is_first
    FROM (
        -- Two sources of one kind with the same date: the last by name, so that it is always
        -- the same one.
        SELECT best.*
        FROM best
        QUALIFY row_number() OVER (
            PARTITION BY
                best.region, best.billed_component, best.instance_type, best.effective_from
            ORDER BY best.source DESC
        ) = 1
    ) AS best
    WINDOW by_date AS (
        PARTITION BY best.region, best.billed_component, best.instance_type
        ORDER BY best.effective_from
    )
),

spans AS (
    SELECT dated.*, dated.effective_from AS valid_from, FALSE AS estimated
    FROM dated
    UNION ALL BY NAME
    SELECT
        dated.* EXCLUDE (valid_to),
        DATE '0001-01-01' AS valid_from,
        dated.effective_from AS valid_to,
        TRUE AS estimated
    FROM dated
    WHERE dated.is_first
),

-- The narrowest discount: account and component, then account, then component, then all.
discounted AS (
    SELECT
        accounts.account_id,
        spans.*,
        CASE WHEN spans.source_kind < 3 THEN (
            SELECT arg_max(
                discounts.percent,
                (discounts.account_id <> '')::INTEGER * 2 + (discounts.component <> '')::INTEGER
            )
            FROM discounts
            WHERE
                discounts.account_id IN (accounts.account_id, '')
                AND discounts.component IN (spans.billed_component, '')
        ) END AS discount_percent
    FROM spans
    CROSS JOIN (
        SELECT '' AS account_id
        UNION
        SELECT discounts.account_id
        FROM discounts
    ) AS accounts
),

priced AS (
    SELECT
        discounted.*,
        -- Half-up in whole numbers: percent has 6 places, so 100 per cent are 1e8 parts.
        CAST(
            CASE
                WHEN discounted.discount_percent IS NULL
                    THEN discounted.usd_per_unit * 1000000000000
                ELSE (
                    CAST(discounted.usd_per_unit * 1000000000000 AS HUGEINT)
                    * CAST(greatest(100 - discounted.discount_percent, 0) * 1000000 AS BIGINT)
                    + 50000000
                ) // 100000000
            END AS BIGINT
        ) AS picousd_per_unit
    FROM discounted
)

SELECT
    priced.account_id,
    priced.region,
    priced.billed_component AS component,
    priced.instance_type,
    priced.valid_from,
    priced.valid_to,
    CAST(
        CAST(priced.picousd_per_unit AS DECIMAL(38, 0)) * 0.000000000001 AS DECIMAL(38, 12)
    ) AS usd_per_unit,
    priced.picousd_per_unit,
    priced.unit,
    priced.source
    || CASE
        WHEN priced.discount_percent IS NULL THEN ''
        ELSE ', less ' || rtrim(rtrim(CAST(priced.discount_percent AS VARCHAR), '0'), '.') || ' %'
    END AS price_source,
    priced.component AS priced_as,
    priced.usd_per_unit AS list_usd_per_unit,
    priced.discount_percent,
    priced.effective_from,
    priced.estimated
FROM priced
