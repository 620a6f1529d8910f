-- One row per account with a discount of its own; the empty one stands for every other account.
discount_account AS (
    SELECT '' AS account_id
    UNION
    SELECT account_id
    FROM discounts
)
