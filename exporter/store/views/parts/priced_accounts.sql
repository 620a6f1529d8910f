-- One row per account with rates of its own; the empty one stands for all others.
priced_account AS (
    SELECT '' AS account_id
    UNION
    SELECT account_id
    FROM main.rates
)
