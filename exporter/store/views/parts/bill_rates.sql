-- One row per rate of a kept bill.
bill_rate AS (
    SELECT
        account_id, region, component, instance_type,
        valid_from AS usage_date,
        usd_per_unit, picousd_per_unit, price_source, currency
    FROM main.rates
    WHERE is_bill
)
