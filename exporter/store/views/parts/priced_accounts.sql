-- One row per account with prices or a discount of its own; the empty one stands for all others.
priced_account AS (
    SELECT '' AS account_id
    UNION
    SELECT account_id
    FROM discounts
    UNION
    SELECT account_id
    FROM prices
)
