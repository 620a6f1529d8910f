-- The rows of daily_costs with more columns of their jobs and a short key to count jobs by, so that
-- no report joins jobs by their ARNs again. Pools that were reused at once have a row here only.
--
-- needs: internal.usage_days, internal.cost_bases
--
-- job_id, training_job_arn, creation_time, usage_date, account_id: as in usage_days
-- account_name: Name of the account in the configuration; NULL = none
-- region, training_job_name, job_family, team, training_job_status: as in usage_days
-- failure_reason, role_arn, warm_pool_status, retained_seconds: as in usage_days
-- keep_alive_seconds, tags: as in usage_days
-- specification: as in usage_days
-- had_pool: as in usage_days
-- is_pool: True: idle time of a warm pool; false: training
-- is_over: as in usage_days
-- is_first_day: as in usage_days
-- is_instant: True: another job reused the pool after 0 seconds, which cost nothing
-- is_storage: True: storage; false: instances
-- component: Training, Training Warm Pool, or either with ' ML storage'
-- instance_type: Instance type, also for storage; NULL = not known
-- instance_hours: Instance hours (seconds × count ÷ 3600), to 12 places; NULL for storage
-- gb_months: GB-months (GB × instance hours ÷ hours of the month), to 12 places; else NULL
-- usd_per_unit: Price of an hour or GB-month in currency on that day, after discount; NULL = none
-- price_source: Source of the price; NULL = no price
-- cost_usd: Cost in USD, rounded half-up to 12 places; NULL = not known, see cost_basis
-- cost_basis: Basis of the cost: settled, accruing, estimated, no price, …
-- currency: Currency of the price: USD, CNY or EUR; NULL = no price
-- cost: Cost in that currency, to 12 places; NULL = not known. Add amounts of one currency only
SELECT
    day.job_id, day.training_job_arn, day.creation_time, day.usage_date, day.account_id,
    accounts.account_name, day.region, day.training_job_name, day.job_family, day.team,
    day.training_job_status, day.failure_reason, day.role_arn, day.warm_pool_status,
    day.retained_seconds, day.keep_alive_seconds, day.tags, day.specification,
    day.had_pool,
    day.component <> 'Training' AS is_pool,
    day.is_over,
    day.is_first_day,
    day.seconds = 0 AS is_instant,
    part.is_storage,
    CASE WHEN part.is_storage THEN day.component || ' ML storage' ELSE day.component END
        AS component,
    day.instance_type,
    CASE WHEN NOT part.is_storage THEN day.instance_hours END AS instance_hours,
    CASE WHEN part.is_storage THEN day.gb_months END AS gb_months,
    CASE WHEN part.is_storage THEN day.usd_per_gb_month ELSE day.usd_per_hour END AS usd_per_unit,
    CASE WHEN part.is_storage THEN day.storage_source ELSE day.compute_source END AS price_source,
    CASE WHEN part.is_storage THEN day.storage_cost_usd ELSE day.compute_cost_usd END AS cost_usd,
    basis.cost_basis,
    CASE WHEN part.is_storage THEN day.storage_currency ELSE day.compute_currency END AS currency,
    CASE WHEN part.is_storage THEN day.storage_cost ELSE day.compute_cost END AS cost
FROM internal.usage_days AS day
CROSS JOIN (VALUES (FALSE), (TRUE)) AS part (is_storage)
INNER JOIN internal.cost_bases AS basis
    ON basis.rank = CASE WHEN part.is_storage THEN day.storage_rank ELSE day.compute_rank END
LEFT JOIN main.accounts ON day.account_id = accounts.account_id
WHERE
    (
        day.seconds IS DISTINCT FROM 0
        -- A pool that was reused at once is a pool all the same. Only one day of it remains.
        OR (
            day.retained_seconds = 0
            AND day.warm_pool_status = 'Reused'
            AND day.component = 'Training Warm Pool'
            AND NOT part.is_storage
        )
    )
    -- Without details, nobody knows whether storage is charged: the job has one row only.
    AND (NOT part.is_storage OR (day.has_storage AND day.instance_type IS NOT NULL))
