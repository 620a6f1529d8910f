-- Price of an instance of each type in each region on each day, compute and storage together, apart
-- from the rates of kept bills. Every type and region in use has rows, with or without a price, so
-- the costs need a single join.
--
-- account_id, region: as in rates
-- component: Training or Training Warm Pool
-- instance_type: Instance type
-- valid_from: First UTC day
-- valid_to: as in rates
-- usd_per_hour: Price of an instance hour in compute_currency; NULL = none
-- hour_quotient: That price in units of 1e-12, divided by 3600: the whole part
-- hour_remainder: The rest of that division
-- compute_currency: Currency of that price
-- compute_source: Source of that price
-- compute_estimated: True before the first known date
-- has_storage: True: charged for ML storage, as the type has no local NVMe storage
-- storage: Component of the storage
-- usd_per_gb_month: Price of a GB-month in storage_currency; NULL = none
-- picousd_per_gb_month: That price in units of 1e-12
-- storage_currency: Currency of that price
-- storage_source: Source of that price
-- storage_estimated: True before the first known date
WITH
-- One row per instance type in use. DuckDB expects few items of a list. Of SELECT DISTINCT it would
-- expect a row per job, so millions of prices, and join the costs by a table of all days in memory.
used_type AS (
    SELECT unnest(list(DISTINCT instance_type)) AS instance_type
    FROM main.training_job_details
    WHERE instance_type IS NOT NULL
    UNION
    SELECT unnest(flatten(list(DISTINCT instance_groups->>'$[*].InstanceType'))) AS instance_type
    FROM main.training_job_details
    WHERE
        instance_type IS NULL
        AND instance_groups IS NOT NULL
        AND json_type(instance_groups) = 'ARRAY'
),

-- One row per region in use.
used_region AS (
    SELECT unnest(list(DISTINCT region)) AS region
    FROM main.training_jobs
),

/*part priced_accounts*/,

-- One row per account, region, component and instance type that needs a price.
priced_thing AS (
    SELECT
        priced_account.account_id, used_region.region, component.component, component.storage,
        used_type.instance_type,
        family.family IS NULL AS has_storage
    FROM used_type
    CROSS JOIN used_region
    CROSS JOIN (
        VALUES
            ('Training', 'Training ML storage'),
            ('Training Warm Pool', 'Training Warm Pool ML storage')
    ) AS component (component, storage)
    CROSS JOIN priced_account
    LEFT JOIN main.local_storage_families AS family
        ON family.family = split_part(used_type.instance_type, '.', 2)
),

-- One row per span of a price.
span AS (
    SELECT *
    FROM main.rates
    WHERE NOT is_bill
),

-- One row per priced thing and day on which its compute or storage price changes. A first row
-- per priced thing covers the days before all prices.
change AS (
    SELECT thing.*, span.valid_from
    FROM priced_thing AS thing
    INNER JOIN span
        ON
            thing.account_id = span.account_id
            AND thing.region = span.region
            AND (
                (
                    thing.component = span.component
                    AND thing.instance_type = span.instance_type
                )
                OR thing.storage = span.component
            )
    UNION
    SELECT *, DATE '0001-01-01' AS valid_from
    FROM priced_thing
)

SELECT
    change.account_id, change.region, change.component, change.instance_type, change.valid_from,
    -- coalesce: a default in lead() is stored in a form that DuckDB 1.4 does not bind.
    coalesce(
        lead(change.valid_from) OVER (
            PARTITION BY change.account_id, change.region, change.component, change.instance_type
            ORDER BY change.valid_from
        ),
        DATE '9999-12-31'
    ) AS valid_to,
    compute.usd_per_unit AS usd_per_hour,
    CAST(compute.picousd_per_unit // 3600 AS HUGEINT) AS hour_quotient,
    compute.picousd_per_unit % 3600 AS hour_remainder,
    compute.currency AS compute_currency,
    compute.price_source AS compute_source,
    compute.estimated AS compute_estimated,
    change.has_storage,
    change.storage,
    storage.usd_per_unit AS usd_per_gb_month,
    storage.picousd_per_unit AS picousd_per_gb_month,
    storage.currency AS storage_currency,
    storage.price_source AS storage_source,
    storage.estimated AS storage_estimated
FROM change
LEFT JOIN span AS compute
    ON
        change.account_id = compute.account_id
        AND change.region = compute.region
        AND change.component = compute.component
        AND change.instance_type = compute.instance_type
        AND change.valid_from >= compute.valid_from
        AND change.valid_from < compute.valid_to
LEFT JOIN span AS storage
    ON
        change.account_id = storage.account_id
        AND change.region = storage.region
        AND change.storage = storage.component
        AND storage.instance_type = ''
        AND change.valid_from >= storage.valid_from
        AND change.valid_from < storage.valid_to
