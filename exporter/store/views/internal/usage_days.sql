-- Step 2 of the costs: the seconds spent on each UTC day with their prices and costs, compute and
-- storage in one row. Every total is a sum of these figures. They are rounded once, half-up, to 12
-- places. The arithmetic is exact. It uses 64-bit integers, and 128 bits only for products, because
-- DuckDB needs half a microsecond for each 128-bit division. So each dividend n is first split into
-- n = d·a + b; then n·p ÷ d = a·p + b·p ÷ d. A figure beyond 64 bits counts as not known, so that
-- one absurd row does not fail every report.
--
-- needs: internal.job_days, internal.rate_card
--
-- job_id, training_job_arn, creation_time, account_id, region, training_job_name: as in job_days
-- job_family, team, training_job_status: as in job_days
-- failure_reason: FailureReason; NULL = none, or no details
-- role_arn: RoleArn of the job; NULL = not known
-- tags: Tags as one JSON object; NULL = never read
-- specification: What another job must match to take the pool, such as
--   ml.g5.xlarge × 1 · role train · 30 GB. Jobs of one account and region share pools if and only
--   if it is equal. NULL = not known, or the job has no pools (spot, instance groups, training plan
--   or serverless)
-- component: as in job_days
-- instance_type: Instance type; NULL = not known
-- instance_count: Instance count; NULL = not known
-- volume_size_gb: Volume of each instance
-- warm_pool_status, reused_by_job, is_deleted: as in job_days
-- retained_seconds: ResourceRetainedBillableTimeInSeconds, for one instance
-- had_pool: as in job_days
-- keep_alive_seconds: KeepAlivePeriodInSeconds; NULL = not known
-- is_over, from_time, training_end_time: as in job_days
-- started_at: Start of the whole usage; NULL = not known
-- ended_at: End of the whole usage; NULL = not yet, or not known
-- within_a_day: True: the usage has no other row
-- usage_date: UTC day in which the seconds fall
-- is_first_day: True: no second of the usage falls on an earlier day
-- seconds: Seconds of that day, for one instance; NULL = not known
-- instance_hours: Hours of that day for all its instances, to 12 places
-- gb_months: GB × instance hours ÷ hours of the calendar month (UTC), to 12 places
-- usd_per_hour: Price of an instance hour in compute_currency; NULL = none, or it does not apply
-- compute_currency: Currency of that price
-- compute_source: Source of that price
-- compute_cost: Cost of the instances in compute_currency; NULL = not known
-- compute_cost_usd: The same in USD; NULL = not known, or in another currency
-- compute_rank: Rank of its basis in cost_bases
-- has_storage: True: the type is charged for ML storage, as it has no local NVMe storage
-- usd_per_gb_month: Price of a GB-month in storage_currency; NULL = none, or it does not apply
-- storage_currency: Currency of that price
-- storage_source: Source of that price
-- storage_cost: Cost of the volumes in storage_currency; 0 = not charged for this type, NULL = not
--   known
-- storage_cost_usd: The same in USD; NULL = not known, or in another currency
-- storage_rank: Rank of its basis in cost_bases
-- cost_usd: Known cost of compute and storage in USD; NULL = neither is known
WITH
-- One row per instance group of a job that has groups.
instance_group AS (
    SELECT
        hash(detail.training_job_arn) AS arn_hash,
        detail.creation_time,
        unnest(
            from_json(
                detail.instance_groups,
                '[{"InstanceType": "VARCHAR", "InstanceCount": "BIGINT"}]'
            )
        ) AS member
    FROM main.training_job_details AS detail
    WHERE detail.instance_type IS NULL AND detail.instance_groups IS NOT NULL
),

-- One row per job and instance type of its groups: instances of one type add up.
grouped_type AS (
    SELECT
        arn_hash,
        creation_time,
        member.InstanceType AS instance_type,
        CAST(sum(member.InstanceCount) AS BIGINT) AS instance_count
    FROM instance_group
    GROUP BY ALL
),

/*part priced_accounts*/,

/*part bill_rates*/,

-- One row per job, component, instance type and day for which a kept bill gave the job a rate of
-- its own. It beats all prices of the day; of several bills the last one counts.
job_rate AS (
    SELECT
        hash(training_job_arn) AS arn_hash,
        component, instance_type,
        effective_from AS usage_date,
        usd_per_unit, currency, source,
        CAST(usd_per_unit * 1000000000000 AS BIGINT) AS picousd_per_unit
    FROM main.prices
    WHERE training_job_arn <> '' AND usd_per_unit >= 0 AND usd_per_unit < 1000000
    QUALIFY row_number() OVER (
        PARTITION BY training_job_arn, component, instance_type, effective_from
        ORDER BY import_id DESC, source DESC
    ) = 1
),

-- One row per job day and instance type, with the job's details and the seconds of all its days.
detailed_day AS (
    SELECT
        job.*,
        job.component = 'Training Warm Pool' AS is_pool,
        epoch_us(job.from_time) AS from_us,
        epoch_us(job.training_end_time) AS end_us,
        epoch_us(detail.training_start_time) AS start_us,
        detail.failure_reason, detail.role_arn, detail.tags,
        CASE
            WHEN NOT job.on_training_plan
                THEN /*part specification*/
        END AS specification,
        coalesce(detail.instance_type, grouped_type.instance_type) AS instance_type,
        coalesce(detail.instance_count, grouped_type.instance_count) AS instance_count,
        detail.volume_size_gb,
        -- Negative seconds, and more than 32 bits, are not known.
        CASE
            WHEN detail.keep_alive_seconds BETWEEN 0 AND 2147483647 THEN detail.keep_alive_seconds
        END AS known_keep_alive_seconds,
        CASE WHEN detail.billable_seconds BETWEEN 0 AND 2147483647 THEN detail.billable_seconds END
            AS known_billable_seconds,
        coalesce(detail.serverless, FALSE) AS serverless,
        job.is_over AND (is_pool OR known_billable_seconds IS NOT NULL) AS settled,
        CASE
            WHEN is_pool AND job.is_over THEN job.retained_seconds
            -- Nobody can observe any more how long the pool of a deleted job lasted.
            WHEN is_pool AND job.is_deleted THEN NULL
            WHEN is_pool AND job.warm_pool_status IS NULL THEN job.retained_seconds
            -- Until a pool settles, AWS reports nothing, 0 or a growing figure. So count up to the
            -- last observation, and at most the keep-alive period. If AWS reports more, that
            -- counts: the user may have extended the period. (least and greatest skip NULL.)
            WHEN is_pool
                THEN greatest(
                    job.retained_seconds,
                    least(
                        greatest(0, job.until_us - from_us) // 1000000, known_keep_alive_seconds
                    )
                )
            WHEN detail.fetched_at IS NULL THEN NULL
            WHEN job.is_over AND known_billable_seconds IS NOT NULL THEN known_billable_seconds
            -- Nothing is billed before the start.
            WHEN NOT job.is_over AND start_us IS NULL THEN coalesce(known_billable_seconds, 0)
            -- Spot training is billed for less than its wall-clock time; AWS reports the figure at
            -- the end. If final details of an ended job lack the figure, it never comes.
            WHEN
                detail.managed_spot
                OR start_us IS NULL
                OR job.until_us IS NULL
                OR (job.is_over AND detail.final)
                THEN known_billable_seconds
            ELSE greatest(
                known_billable_seconds, greatest(0, job.until_us - start_us) // 1000000
            )
        END AS total_seconds
    FROM internal.job_days AS job
    -- ARN and creation time identify a job. Comparing the creation time and a 64-bit hash of the
    -- ARN is safe, and halves the time and memory of this join, the largest one.
    LEFT JOIN main.training_job_details AS detail
        ON
            job.creation_time = detail.creation_time
            AND job.arn_hash = hash(detail.training_job_arn)
    LEFT JOIN grouped_type
        ON
            job.creation_time = grouped_type.creation_time
            AND job.arn_hash = grouped_type.arn_hash
            AND job.component = 'Training'
),

-- The same rows, with the start of the whole usage.
started_day AS (
    SELECT
        *,
        CASE
            WHEN is_pool THEN from_us
            WHEN start_us IS NOT NULL THEN greatest(start_us, from_us)
            WHEN is_over AND total_seconds IS NOT NULL
                THEN greatest(until_us - total_seconds * 1000000, from_us)
            ELSE from_us
        END AS started_us,
        is_pool OR start_us IS NOT NULL OR (is_over AND total_seconds IS NOT NULL) AS start_is_known
    FROM detailed_day
),

-- The same rows, with the end of the whole usage. Training ends at its end or last observation.
-- The end of a pool is its start plus its seconds; so is the end of training that would otherwise
-- not end after its start.
ended_day AS (
    SELECT
        *,
        CASE
            WHEN NOT is_pool AND until_us > started_us THEN until_us
            ELSE started_us + coalesce(total_seconds, 0) * 1000000
        END AS stopped_us
    FROM started_day
),

-- The same rows, with the first and last day on which seconds were spent. If the seconds are not
-- known, both are the same day. tick_us is the unit of the next step: a second for spans of more
-- than 34 days, because span times seconds would overflow 64 bits in microseconds.
bounded_day AS (
    SELECT
        *,
        stopped_us - started_us AS span_us,
        CASE WHEN stopped_us - started_us < 3000000000000 THEN 1 ELSE 1000000 END AS tick_us,
        least(
            latest_date,
            CAST(
                make_timestamp(
                    CASE
                        WHEN total_seconds IS NULL THEN coalesce(end_us, started_us)
                        ELSE started_us
                    END
                ) AS DATE
            )
        ) AS first_date,
        least(
            latest_date,
            CAST(
                make_timestamp(
                    CASE
                        WHEN total_seconds IS NULL THEN coalesce(end_us, started_us)
                        ELSE greatest(started_us, stopped_us - 1)
                    END
                ) AS DATE
            )
        ) AS last_date
    FROM ended_day
),

-- One row per day on which seconds were spent. They are spread evenly over the span: a day gets
-- the whole seconds up to its end minus those up to its start, so the days add up exactly.
spent_day AS (
    SELECT
        * EXCLUDE (first_date, last_date),
        total_seconds IS NOT NULL AS seconds_are_known,
        settled AND total_seconds = 0 AND NOT serverless AND NOT on_training_plan AS is_unused,
        CASE
            WHEN within_a_day OR usage_date = first_date THEN 0
            ELSE (
                (usage_date - DATE '1970-01-01') * 86400000000 - started_us
            ) // tick_us * total_seconds // (span_us // tick_us)
        END AS seconds_before,
        CASE
            WHEN within_a_day OR usage_date = last_date THEN total_seconds
            ELSE (
                (usage_date - DATE '1970-01-01' + 1) * 86400000000 - started_us
            ) // tick_us * total_seconds // (span_us // tick_us)
        END - seconds_before AS seconds
    FROM bounded_day
    WHERE within_a_day OR usage_date BETWEEN first_date AND last_date
),

-- The same rows, with their quantities and prices.
priced_day AS (
    SELECT
        day.*,
        -- A bill may charge for a job on a training plan, such as for its volumes.
        day.on_training_plan AND own_compute.usd_per_unit IS NULL AS plan_pays_compute,
        day.on_training_plan AND own_storage.usd_per_unit IS NULL AS plan_pays_storage,
        -- The basis of the usage alone; the price may still change it.
        CASE
            WHEN day.serverless THEN rank_of('serverless')
            WHEN day.is_unused THEN rank_of('settled')
            WHEN day.instance_type IS NULL OR day.instance_count IS NULL THEN rank_of('no details')
            WHEN day.seconds IS NULL THEN rank_of('unknown seconds')
            WHEN day.settled THEN rank_of('settled')
            ELSE rank_of('accruing')
        END AS usage_rank,
        usage_rank < rank_of('unknown seconds') AS usage_is_known,
        CASE
            WHEN day.is_unused THEN 0
            ELSE TRY_CAST(CAST(day.seconds AS HUGEINT) * day.instance_count AS BIGINT)
        END AS instance_seconds,
        TRY_CAST(
            CAST(day.seconds AS HUGEINT) * day.instance_count * day.volume_size_gb AS BIGINT
        ) AS gb_seconds,
        CAST(day(last_day(day.usage_date)) AS BIGINT) * 86400 AS month_seconds,
        -- The job's own rate of a kept bill beats the average of that bill, which beats the price.
        coalesce(own_compute.picousd_per_unit, paid.picousd_per_unit) AS paid_picousd,
        coalesce(own_compute.usd_per_unit, paid.usd_per_unit, card.usd_per_hour) AS usd_per_hour,
        CASE
            WHEN paid_picousd IS NULL THEN card.hour_quotient
            ELSE CAST(paid_picousd // 3600 AS HUGEINT)
        END AS hour_quotient,
        CASE WHEN paid_picousd IS NULL THEN card.hour_remainder ELSE paid_picousd % 3600 END
            AS hour_remainder,
        coalesce(own_compute.currency, paid.currency, card.compute_currency) AS compute_currency,
        coalesce(own_compute.source, paid.price_source, card.compute_source) AS compute_source,
        paid_picousd IS NULL AND card.compute_estimated AS compute_estimated,
        card.has_storage,
        coalesce(own_storage.usd_per_unit, paid_storage.usd_per_unit, card.usd_per_gb_month)
            AS usd_per_gb_month,
        coalesce(
            own_storage.picousd_per_unit, paid_storage.picousd_per_unit, card.picousd_per_gb_month
        ) AS picousd_per_gb_month,
        coalesce(own_storage.currency, paid_storage.currency, card.storage_currency)
            AS storage_currency,
        coalesce(own_storage.source, paid_storage.price_source, card.storage_source)
            AS storage_source,
        own_storage.usd_per_unit IS NULL
        AND paid_storage.usd_per_unit IS NULL
        AND card.storage_estimated AS storage_estimated
    FROM spent_day AS day
    LEFT JOIN priced_account ON day.account_id = priced_account.account_id
    LEFT JOIN internal.rate_card AS card
        ON
            day.instance_type = card.instance_type
            AND day.component = card.component
            AND day.region = card.region
            AND coalesce(priced_account.account_id, '') = card.account_id
            AND day.usage_date >= card.valid_from
            AND day.usage_date < card.valid_to
    -- The row of the card has the keys of the bills, too.
    LEFT JOIN bill_rate AS paid
        ON
            card.instance_type = paid.instance_type
            AND card.component = paid.component
            AND card.region = paid.region
            AND card.account_id = paid.account_id
            AND day.usage_date = paid.usage_date
    LEFT JOIN bill_rate AS paid_storage
        ON
            card.storage = paid_storage.component
            AND card.region = paid_storage.region
            AND card.account_id = paid_storage.account_id
            AND day.usage_date = paid_storage.usage_date
    LEFT JOIN job_rate AS own_compute
        ON
            day.arn_hash = own_compute.arn_hash
            AND day.usage_date = own_compute.usage_date
            AND day.component = own_compute.component
            AND day.instance_type = own_compute.instance_type
    LEFT JOIN job_rate AS own_storage
        ON
            day.arn_hash = own_storage.arn_hash
            AND day.usage_date = own_storage.usage_date
            AND day.component || ' ML storage' = own_storage.component
)

SELECT
    job_id, training_job_arn, creation_time, account_id, region, training_job_name, job_family,
    team, training_job_status, failure_reason, role_arn, tags, specification, component,
    instance_type, instance_count, volume_size_gb, warm_pool_status, reused_by_job, is_deleted,
    retained_seconds, had_pool, known_keep_alive_seconds AS keep_alive_seconds, is_over, from_time,
    training_end_time,
    CASE WHEN start_is_known THEN make_timestamptz(started_us) END AS started_at,
    CASE
        WHEN NOT is_over THEN NULL
        WHEN NOT is_pool THEN make_timestamptz(until_us)
        WHEN seconds_are_known THEN make_timestamptz(stopped_us)
    END AS ended_at,
    within_a_day, usage_date, seconds_before = 0 AS is_first_day, seconds,
    CAST(
        CAST(
            CAST(instance_seconds // 3600 AS HUGEINT) * 1000000000000
            + (instance_seconds % 3600 * 1000000000000 + 1800) // 3600
            AS DECIMAL(38, 0)
        ) * 0.000000000001 AS DECIMAL(38, 12)
    ) AS instance_hours,
    CAST(
        CAST(
            CAST(gb_seconds // month_seconds AS HUGEINT) * 1000000000000
            + (gb_seconds % month_seconds * 1000000000000 + month_seconds // 2) // month_seconds
            AS DECIMAL(38, 0)
        ) * 0.000000000001 AS DECIMAL(38, 12)
    ) AS gb_months,
    CASE
        WHEN NOT (serverless OR plan_pays_compute) THEN priced_day.usd_per_hour
    END AS usd_per_hour,
    CASE
        WHEN NOT (serverless OR plan_pays_compute) THEN priced_day.compute_currency
    END AS compute_currency,
    CASE
        WHEN NOT (serverless OR plan_pays_compute) THEN priced_day.compute_source
    END AS compute_source,
    CASE
        WHEN plan_pays_compute THEN NULL
        WHEN is_unused THEN 0
        WHEN usage_is_known
            THEN CAST(
                CAST(
                    CAST(instance_seconds AS HUGEINT) * hour_quotient
                    + instance_seconds // 3600 * hour_remainder
                    + (instance_seconds % 3600 * hour_remainder + 1800) // 3600
                    AS DECIMAL(38, 0)
                ) * 0.000000000001 AS DECIMAL(38, 12)
            )
    END AS compute_cost,
    CASE
        WHEN coalesce(priced_day.compute_currency, 'USD') = 'USD' THEN compute_cost
        WHEN is_unused THEN 0
    END AS compute_cost_usd,
    CASE
        WHEN plan_pays_compute AND NOT serverless THEN rank_of('training plan')
        WHEN NOT usage_is_known OR is_unused THEN usage_rank
        WHEN instance_seconds IS NULL THEN rank_of('no details')
        WHEN priced_day.usd_per_hour IS NULL THEN rank_of('no price')
        WHEN priced_day.compute_currency <> 'USD' THEN rank_of('other currency')
        WHEN compute_estimated THEN rank_of('estimated')
        ELSE usage_rank
    END AS compute_rank,
    has_storage,
    CASE
        WHEN NOT (serverless OR plan_pays_storage) AND has_storage
            THEN priced_day.usd_per_gb_month
    END AS usd_per_gb_month,
    CASE
        WHEN NOT (serverless OR plan_pays_storage) AND has_storage
            THEN priced_day.storage_currency
    END AS storage_currency,
    CASE
        WHEN NOT (serverless OR plan_pays_storage) AND has_storage
            THEN priced_day.storage_source
    END AS storage_source,
    CASE
        WHEN serverless OR plan_pays_storage THEN NULL
        WHEN NOT has_storage OR is_unused THEN 0
        WHEN usage_is_known
            THEN CAST(
                CAST(
                    CAST(gb_seconds // month_seconds AS HUGEINT) * picousd_per_gb_month
                    + gb_seconds % month_seconds * (picousd_per_gb_month // month_seconds)
                    + (
                        gb_seconds % month_seconds * (picousd_per_gb_month % month_seconds)
                        + month_seconds // 2
                    ) // month_seconds
                    AS DECIMAL(38, 0)
                ) * 0.000000000001 AS DECIMAL(38, 12)
            )
    END AS storage_cost,
    CASE
        WHEN coalesce(priced_day.storage_currency, 'USD') = 'USD' THEN storage_cost
        -- What is not charged costs 0 in every currency.
        WHEN storage_cost = 0 AND (NOT has_storage OR is_unused) THEN 0
    END AS storage_cost_usd,
    CASE
        WHEN serverless THEN usage_rank
        WHEN plan_pays_storage THEN rank_of('training plan')
        WHEN NOT has_storage OR is_unused THEN rank_of('settled')
        WHEN NOT usage_is_known THEN usage_rank
        WHEN gb_seconds IS NULL THEN rank_of('no details')
        WHEN priced_day.usd_per_gb_month IS NULL THEN rank_of('no price')
        WHEN priced_day.storage_currency <> 'USD' THEN rank_of('other currency')
        WHEN storage_estimated THEN rank_of('estimated')
        ELSE usage_rank
    END AS storage_rank,
    -- If the compute cost is not known, a storage cost of 0 must not make the sum 0.
    CASE
        WHEN compute_cost_usd IS NOT NULL THEN compute_cost_usd + coalesce(storage_cost_usd, 0)
        WHEN storage_cost_usd > 0 THEN storage_cost_usd
    END AS cost_usd
FROM priced_day
