-- The one price in force on each day: prices after all rules of precedence, fallback and discount.
-- For a region, component and instance type the best kind of source wins, whatever its dates: an
-- import beats the Price List API, which beats the shipped list. Within that kind, dates count.
-- Before its first date the earliest price serves as an estimate. A warm pool without a price from
-- that kind of source costs what training costs. Prices below 0, or of 1,000,000 USD and more, are
-- ignored.
--
-- account_id: Account with a discount of its own; empty = every other account
-- region: AWS region
-- component: Component as billed, see prices
-- instance_type: Instance type; empty for storage
-- valid_from: First UTC day
-- valid_to: End date, exclusive
-- usd_per_unit: Price of one unit in USD after discount, rounded half-up to 12 places
-- picousd_per_unit: That price in 1e-12 USD, for exact arithmetic
-- unit: Hrs or GB-Mo
-- price_source: Source of the price, with the discount if there is one
-- priced_as: Component of the price; Training for a pool without a price of its own
-- list_usd_per_unit: Price before the discount
-- discount_percent: Discount in per cent; NULL = none (imported prices have none)
-- effective_from: First day of the price; in an estimate later than valid_from
-- estimated: True before the first known date
WITH
-- One row per usable price; a higher kind of source wins.
ranked AS (
    SELECT
        price.*,
        CASE
            WHEN starts_with(price.source, 'shipped list: ') THEN 1
            WHEN price.source = 'Price List API' THEN 2
            ELSE 3
        END AS source_kind
    FROM prices AS price
    -- Any other price is a mistake, and would not fit into 64 bits.
    WHERE price.usd_per_unit >= 0 AND price.usd_per_unit < 1000000
),

-- One row per price and component that it could serve.
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

-- The same rows, of the best kind of source only. The kind comes before the component: a user's own
-- training rate says more about their pools than a public price.
best AS (
    SELECT offered.*
    FROM offered
    QUALIFY dense_rank() OVER (
        PARTITION BY offered.region, offered.billed_component, offered.instance_type
        ORDER BY offered.source_kind DESC, offered.is_own DESC
    ) = 1
),

-- One row per date. Of two sources of one kind with the same date, the last by name counts.
best_of_date AS (
    SELECT best.*
    FROM best
    QUALIFY row_number() OVER (
        PARTITION BY
            best.region, best.billed_component, best.instance_type, best.effective_from
        ORDER BY best.source DESC
    ) = 1
),

-- The same rows, with the day on which the next price begins.
dated AS (
    SELECT
        best.*,
        -- coalesce: a default in lead() is stored in a form that DuckDB 1.4 does not bind.
        coalesce(lead(best.effective_from) OVER by_date, DATE '9999-12-31') AS valid_to,
        row_number() OVER by_date = 1 AS is_first
    FROM best_of_date AS best
    WINDOW by_date AS (
        PARTITION BY best.region, best.billed_component, best.instance_type
        ORDER BY best.effective_from
    )
),

-- One row per span with one price: each date, and the estimate before the first one.
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

/*part discount_accounts*/,

-- One row per span and account, with the narrowest discount: for account and component, else for
-- the account, else for the component, else for all.
discounted AS (
    SELECT
        discount_account.account_id,
        spans.*,
        CASE WHEN spans.source_kind < 3 THEN (
            SELECT arg_max(
                discounts.percent,
                (discounts.account_id <> '')::INTEGER * 2 + (discounts.component <> '')::INTEGER
            )
            FROM discounts
            WHERE
                discounts.account_id IN (discount_account.account_id, '')
                AND discounts.component IN (spans.billed_component, '')
        ) END AS discount_percent
    FROM spans
    CROSS JOIN discount_account
),

-- The same rows, with the price after discount.
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
    priced.instance_type, priced.valid_from, priced.valid_to,
    CAST(
        CAST(priced.picousd_per_unit AS DECIMAL(38, 0)) * 0.000000000001 AS DECIMAL(38, 12)
    ) AS usd_per_unit,
    priced.picousd_per_unit, priced.unit, priced.source
    || CASE
        WHEN priced.discount_percent IS NULL THEN ''
        ELSE ', less ' || rtrim(rtrim(CAST(priced.discount_percent AS VARCHAR), '0'), '.') || ' %'
    END AS price_source,
    priced.component AS priced_as,
    priced.usd_per_unit AS list_usd_per_unit,
    priced.discount_percent, priced.effective_from, priced.estimated
FROM priced
