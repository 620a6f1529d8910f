-- One row per rate of a kept bill. The costs are in USD: a rate in another currency is not known.
bill_rate AS (
    SELECT
        account_id, region, component, instance_type,
        valid_from AS usage_date,
        CASE WHEN currency = 'USD' THEN usd_per_unit END AS usd_per_unit,
        CASE WHEN currency = 'USD' THEN picousd_per_unit END AS picousd_per_unit,
        CASE WHEN currency = 'USD' THEN price_source END AS price_source
    FROM rates
    WHERE is_bill
)
