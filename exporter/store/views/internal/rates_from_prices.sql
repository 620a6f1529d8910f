-- The prices in force on each day, after all rules of precedence, fallback and discount. The table
-- rates keeps these rows, because every report reads them and prices change rarely.
-- For an account, region, component and instance type the best kind of source wins, whatever its
-- dates: an import beats the Price List API, which beats the shipped list. Within that kind, dates
-- count, and from its first day on an account's own price beats the price of all accounts. Before
-- the first date the earliest price serves as an estimate. A shipped price is an estimate again
-- 180 days after somebody saw it. A warm pool without a price from that kind of source costs what
-- training costs. The rate of a kept bill is a row of its own: it beats the other row on its day,
-- and says nothing about other days. Prices below 0, or of 1,000,000 and more, are ignored, and so
-- are the rates of single jobs.
--
-- account_id, region, component, instance_type, is_bill, valid_from, valid_to: as in rates
-- usd_per_unit, picousd_per_unit, unit, price_source, priced_as, list_usd_per_unit: as in rates
-- discount_percent, effective_from, estimated, currency: as in rates
WITH
-- One row per usable price; a higher kind of source wins.
ranked AS (
    SELECT
        price.*,
        CASE
            WHEN starts_with(price.source, 'shipped list: ') THEN 1
            WHEN price.source = 'Price List API' THEN 2
            WHEN price.effective_until IS NULL THEN 3
            ELSE 4 -- a kept bill
        END AS source_kind
    FROM main.prices AS price
    WHERE
        -- The rate of one job is in force for that job only, see usage_days.
        price.training_job_arn = ''
        -- Any other price is a mistake, and would not fit into 64 bits.
        AND price.usd_per_unit >= 0 AND price.usd_per_unit < 1000000
),

-- One row per account with prices or a discount of its own; the empty one stands for all others.
priced_account AS (
    SELECT '' AS account_id
    UNION
    SELECT account_id
    FROM main.discounts
    UNION
    SELECT account_id
    FROM main.prices
),

-- One row per price, component that it could serve, and account that it could serve. A kept bill
-- serves no other component: it lists what pools cost by itself.
offered AS (
    SELECT
        priced_account.account_id,
        ranked.account_id <> '' AS is_accounts_own,
        billed.component AS billed_component,
        billed.is_own,
        ranked.* EXCLUDE (account_id)
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
    INNER JOIN priced_account ON ranked.account_id IN ('', priced_account.account_id)
    WHERE billed.is_own OR ranked.source_kind < 4
),

-- The same rows, of the best kind of source only, without kept bills.
best_kind AS (
    SELECT offered.*
    FROM offered
    WHERE offered.source_kind < 4
    QUALIFY dense_rank() OVER (
        PARTITION BY
            offered.account_id, offered.region, offered.billed_component, offered.instance_type
        ORDER BY offered.source_kind DESC
    ) = 1
),

-- The same rows, without prices of training where the pool has prices of its own. The kind comes
-- before the component: a user's own training rate says more about their pools than a public price.
best_component AS (
    SELECT best_kind.*
    FROM best_kind
    QUALIFY dense_rank() OVER (
        PARTITION BY
            best_kind.account_id, best_kind.region, best_kind.billed_component,
            best_kind.instance_type, best_kind.is_accounts_own
        ORDER BY best_kind.is_own DESC
    ) = 1
),

-- The same rows, without prices of all accounts from the account's own first price on.
best AS (
    SELECT best_component.*
    FROM best_component
    QUALIFY
        best_component.is_accounts_own
        OR best_component.effective_from < coalesce(
            min(
                CASE WHEN best_component.is_accounts_own THEN best_component.effective_from END
            ) OVER (
                PARTITION BY
                    best_component.account_id, best_component.region,
                    best_component.billed_component, best_component.instance_type
            ),
            DATE '9999-12-31'
        )
),

-- One row per date. Of two prices with the same date, the last import counts.
best_of_date AS (
    SELECT best.*
    FROM best
    QUALIFY row_number() OVER (
        PARTITION BY
            best.account_id, best.region, best.billed_component, best.instance_type,
            best.effective_from
        ORDER BY best.import_id DESC, best.source DESC
    ) = 1
),

-- The same rows, with the day on which the next price begins.
dated AS (
    SELECT
        best.*,
        -- coalesce: a default in lead() is stored in a form that DuckDB 1.4 does not bind.
        coalesce(lead(best.effective_from) OVER by_date, DATE '9999-12-31') AS next_from,
        CASE
            WHEN best.source_kind = 1
                THEN least(next_from, CAST(best.effective_from + INTERVAL 181 DAY AS DATE))
            ELSE next_from
        END AS known_to,
        row_number() OVER by_date = 1 AS is_first
    FROM best_of_date AS best
    WINDOW by_date AS (
        PARTITION BY
            best.account_id, best.region, best.billed_component, best.instance_type
        ORDER BY best.effective_from
    )
),

-- One row per span with one price: each date, the estimate before the first one, and the estimate
-- after a shipped price became old.
dated_span AS (
    SELECT
        dated.*,
        dated.effective_from AS valid_from,
        dated.known_to AS valid_to,
        FALSE AS estimated
    FROM dated
    UNION ALL BY NAME
    SELECT
        dated.*,
        DATE '0001-01-01' AS valid_from,
        dated.effective_from AS valid_to,
        TRUE AS estimated
    FROM dated
    WHERE dated.is_first
    UNION ALL BY NAME
    SELECT
        dated.*,
        dated.known_to AS valid_from,
        dated.next_from AS valid_to,
        TRUE AS estimated
    FROM dated
    WHERE dated.known_to < dated.next_from
),

-- One row per day of a kept bill: the account's own rate first, then the last import.
bill_day AS (
    SELECT
        offered.*,
        offered.effective_from AS valid_from,
        CAST(offered.effective_from + INTERVAL 1 DAY AS DATE) AS valid_to,
        FALSE AS estimated
    FROM offered
    WHERE offered.source_kind = 4
    QUALIFY row_number() OVER (
        PARTITION BY
            offered.account_id, offered.region, offered.billed_component, offered.instance_type,
            offered.effective_from
        ORDER BY offered.is_accounts_own DESC, offered.import_id DESC, offered.source DESC
    ) = 1
),

-- The spans of both.
spans AS (
    SELECT * EXCLUDE (next_from, known_to, is_first)
    FROM dated_span
    UNION ALL BY NAME
    SELECT *
    FROM bill_day
),

-- One row per span, with the narrowest discount: for account and component, else for the account,
-- else for the component, else for all.
discounted AS (
    SELECT
        spans.*,
        CASE WHEN spans.source_kind < 3 THEN (
            SELECT arg_max(
                discounts.percent,
                (discounts.account_id <> '')::INTEGER * 2 + (discounts.component <> '')::INTEGER
            )
            FROM main.discounts
            WHERE
                discounts.account_id IN (spans.account_id, '')
                AND discounts.component IN (spans.billed_component, '')
        ) END AS discount_percent
    FROM spans
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
    priced.instance_type,
    priced.source_kind = 4 AS is_bill,
    priced.valid_from, priced.valid_to,
    CAST(
        CAST(priced.picousd_per_unit AS DECIMAL(38, 0)) * 0.000000000001 AS DECIMAL(38, 12)
    ) AS usd_per_unit,
    priced.picousd_per_unit, priced.unit,
    CASE
        WHEN priced.source_kind = 1
            THEN 'shipped list: ' || priced.effective_from
            || ', ' || substr(priced.source, length('shipped list: ') + 1)
        ELSE priced.source
    END || CASE
        WHEN priced.discount_percent IS NULL THEN ''
        ELSE ', less ' || rtrim(rtrim(CAST(priced.discount_percent AS VARCHAR), '0'), '.') || ' %'
    END AS price_source,
    priced.component AS priced_as,
    priced.usd_per_unit AS list_usd_per_unit,
    priced.discount_percent, priced.effective_from, priced.estimated, priced.currency
FROM priced
