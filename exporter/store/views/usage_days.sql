-- Step 2 of the costs: the seconds spent on each UTC day with their prices and their money,
-- compute and storage side by side. Every total is a sum of these figures, which are rounded
-- half-up to 12 places once and never again. All of it is whole-number arithmetic in 64
-- bits, except for products: a 128-bit quotient takes DuckDB half a microsecond. So what is to be
-- divided is split into a whole part and a rest first: with n = d·a + b, n·p ÷ d is a·p + b·p ÷ d,
-- exact whatever the size. A size that passes 64 bits counts as not known: one absurd row must
-- not fail every report.
--
-- needs: job_days, rate_card
--
-- job_id: Row number in training_jobs: a short key, good within one query only
-- training_job_arn: ARN of the job
-- creation_time: When the job was created
-- account_id: AWS account
-- region: AWS region
-- training_job_name: Name of the job
-- job_family: Family of the job
-- team: Team of the job
-- training_job_status: TrainingJobStatus as last known
-- failure_reason: FailureReason; NULL = none, or no details
-- role_arn: RoleArn the job ran with; NULL = not known
-- tags: Tags as one JSON object
-- component: Training or Training Warm Pool
-- instance_type: Instance type; NULL = not known
-- instance_count: Instance count; NULL = not known
-- volume_size_gb: Volume of each instance
-- warm_pool_status: WarmPoolStatus.Status
-- reused_by_job: Name of the job that took the pool over
-- is_deleted: True: AWS has forgotten the job
-- retained_seconds: ResourceRetainedBillableTimeInSeconds, for one instance
-- keep_alive_seconds: KeepAlivePeriodInSeconds; NULL = not known
-- is_over: True: training ended, or the pool is settled
-- from_time: When it may begin, and nothing is spent before: creation, or end of training
-- training_end_time: TrainingEndTime
-- started_at: Begin of the whole usage; NULL = not known
-- ended_at: End of the whole usage; NULL = not yet, or not known
-- within_a_day: True: the usage has no other row
-- usage_date: The UTC day
-- seconds: Seconds of that day, for one instance; NULL = not known
-- instance_hours: Hours of that day for all its instances, to 12 places
-- gb_months: GB × instance hours ÷ hours of the calendar month (UTC), to 12 places
-- usd_per_hour: Price of an instance hour; NULL = none, or it does not apply
-- compute_source: Where that price is from
-- compute_cost_usd: Cost of the instances; NULL = cannot be known
-- compute_rank: What it rests on, see cost_bases
-- has_storage: True: the type is charged for ML storage, as it has no local NVMe storage
-- usd_per_gb_month: Price of a GB-month; NULL = none, or it does not apply
-- storage_source: Where that price is from
-- storage_cost_usd: Cost of the volumes: 0 = not charged for the type, NULL = cannot be known
-- storage_rank: What it rests on, see cost_bases
-- cost_usd: Compute and storage, as far as known; NULL = neither is known
SELECT
    costed.job_id,
    costed.training_job_arn,
    costed.creation_time,
    costed.account_id,
    costed.region,
    costed.training_job_name,
    costed.job_family,
    costed.team,
    costed.training_job_status,
    costed.failure_reason,
    costed.role_arn,
    costed.tags,
    costed.component,
    costed.instance_type,
    costed.instance_count,
    costed.volume_size_gb,
    costed.warm_pool_status,
    costed.reused_by_job,
    costed.is_deleted,
    costed.retained_seconds,
    costed.keep_alive_seconds,
    costed.is_over,
    costed.from_time,
    costed.training_end_time,
    CASE WHEN costed.knows_start THEN make_timestamptz(costed.started_us) END AS started_at,
    CASE
        WHEN NOT costed.is_over THEN NULL
        WHEN costed.component = 'Training' THEN make_timestamptz(costed.until_us)
        WHEN costed.knows_seconds THEN make_timestamptz(costed.stopped_us)
    END AS ended_at,
    costed.within_a_day,
    costed.usage_date,
    costed.seconds,
    CAST(
        CAST(
            CAST(costed.instance_seconds // 3600 AS HUGEINT) * 1000000000000
            + (costed.instance_seconds % 3600 * 1000000000000 + 1800) // 3600
            AS DECIMAL(38, 0)
        ) * 0.000000000001 AS DECIMAL(38, 12)
    ) AS instance_hours,
    CAST(
        CAST(
            CAST(costed.gb_seconds // costed.month_seconds AS HUGEINT) * 1000000000000
            + (
                costed.gb_seconds % costed.month_seconds * 1000000000000
                + costed.month_seconds // 2
            ) // costed.month_seconds
            AS DECIMAL(38, 0)
        ) * 0.000000000001 AS DECIMAL(38, 12)
    ) AS gb_months,
    CASE WHEN costed.own_rank < 7 THEN costed.usd_per_hour END AS usd_per_hour,
    CASE WHEN costed.own_rank < 7 THEN costed.compute_source END AS compute_source,
    CASE
        WHEN costed.is_nothing THEN 0
        WHEN costed.own_rank < 5
            THEN CAST(
                CAST(
                    CAST(costed.instance_seconds AS HUGEINT) * costed.hour_quotient
                    + costed.instance_seconds // 3600 * costed.hour_remainder
                    + (costed.instance_seconds % 3600 * costed.hour_remainder + 1800) // 3600
                    AS DECIMAL(38, 0)
                ) * 0.000000000001 AS DECIMAL(38, 12)
            )
    END AS compute_cost_usd,
    CASE
        WHEN costed.own_rank >= 5 OR costed.is_nothing THEN costed.own_rank
        WHEN costed.instance_seconds IS NULL THEN 6
        WHEN costed.usd_per_hour IS NULL THEN 4
        WHEN costed.compute_estimated THEN 3
        ELSE costed.own_rank
    END AS compute_rank,
    costed.has_storage,
    CASE
        WHEN costed.own_rank < 7 AND costed.has_storage THEN costed.usd_per_gb_month
    END AS usd_per_gb_month,
    CASE
        WHEN costed.own_rank < 7 AND costed.has_storage THEN costed.storage_source
    END AS storage_source,
    CASE
        WHEN costed.own_rank >= 7 THEN NULL
        WHEN NOT costed.has_storage OR costed.is_nothing THEN 0
        WHEN costed.own_rank >= 5 THEN NULL
        ELSE CAST(
            CAST(
                CAST(costed.gb_seconds // costed.month_seconds AS HUGEINT)
                * costed.picousd_per_gb_month
                + costed.gb_seconds % costed.month_seconds
                * (costed.picousd_per_gb_month // costed.month_seconds)
                + (
                    costed.gb_seconds % costed.month_seconds
                    * (costed.picousd_per_gb_month % costed.month_seconds)
                    + costed.month_seconds // 2
                ) // costed.month_seconds
                AS DECIMAL(38, 0)
            ) * 0.000000000001 AS DECIMAL(38, 12)
        )
    END AS storage_cost_usd,
    CASE
        WHEN costed.own_rank >= 7 THEN costed.own_rank
        WHEN NOT costed.has_storage OR costed.is_nothing THEN 1
        WHEN costed.own_rank >= 5 THEN costed.own_rank
        WHEN costed.gb_seconds IS NULL THEN 6
        WHEN costed.usd_per_gb_month IS NULL THEN 4
        WHEN costed.storage_estimated THEN 3
        ELSE costed.own_rank
    END AS storage_rank,
    -- A storage cost of 0 beside an unknown compute cost must not make the sum look known.
    CASE
        WHEN compute_cost_usd IS NOT NULL THEN compute_cost_usd + coalesce(storage_cost_usd, 0)
        WHEN storage_cost_usd > 0 THEN storage_cost_usd
    END AS cost_usd
FROM (
    SELECT
        day.*,
        -- What the usage itself allows, before prices; ranks as in cost_bases.
        CASE
            WHEN day.serverless THEN 8
            WHEN day.on_training_plan THEN 7
            WHEN day.is_nothing THEN 1
            WHEN day.instance_type IS NULL OR day.instance_count IS NULL THEN 6
            WHEN day.seconds IS NULL THEN 5
            WHEN day.settled THEN 1
            ELSE 2
        END AS own_rank,
        CASE
            WHEN day.is_nothing THEN 0
            ELSE TRY_CAST(CAST(day.seconds AS HUGEINT) * day.instance_count AS BIGINT)
        END AS instance_seconds,
        TRY_CAST(
            CAST(day.seconds AS HUGEINT) * day.instance_count * day.volume_size_gb AS BIGINT
        ) AS gb_seconds,
        CAST(day(last_day(day.usage_date)) AS BIGINT) * 86400 AS month_seconds,
        card.usd_per_hour,
        card.hour_quotient,
        card.hour_remainder,
        card.compute_source,
        card.compute_estimated,
        card.has_storage,
        card.usd_per_gb_month,
        card.picousd_per_gb_month,
        card.storage_source,
        card.storage_estimated
    FROM (
        -- The seconds are spread evenly from start to end. Each day gets the whole seconds up
        -- to its end less those up to its begin, so that the days add up to the total exactly.
        -- A span of more than 34 days is measured in seconds instead of microseconds, as their
        -- product would pass 64 bits.
        SELECT
            span.* EXCLUDE (seconds, first_date, last_date),
            span.seconds IS NOT NULL AS knows_seconds,
            CASE
                WHEN span.within_a_day OR span.first_date = span.last_date THEN span.seconds
                ELSE
                    CASE
                        WHEN span.usage_date = span.last_date THEN span.seconds
                        ELSE (
                            (span.usage_date - DATE '1970-01-01' + 1) * 86400000000
                            - span.started_us
                        ) // span.tick * span.seconds // (span.span_us // span.tick)
                    END
                    - CASE
                        WHEN span.usage_date = span.first_date THEN 0
                        ELSE (
                            (span.usage_date - DATE '1970-01-01') * 86400000000
                            - span.started_us
                        ) // span.tick * span.seconds // (span.span_us // span.tick)
                    END
            END AS seconds,
            (
                span.settled
                AND span.seconds = 0
                AND NOT span.serverless
                AND NOT span.on_training_plan
            ) AS is_nothing
        FROM (
            SELECT
                spent.*,
                spent.stopped_us - spent.started_us AS span_us,
                CASE
                    WHEN spent.stopped_us - spent.started_us < 3000000000000 THEN 1
                    ELSE 1000000
                END AS tick,
                least(
                    spent.latest_date,
                    CASE
                        WHEN spent.seconds IS NULL
                            THEN CAST(
                                make_timestamp(coalesce(spent.end_us, spent.started_us)) AS DATE
                            )
                        ELSE CAST(make_timestamp(spent.started_us) AS DATE)
                    END
                ) AS first_date,
                least(
                    spent.latest_date,
                    CASE
                        WHEN spent.seconds IS NULL
                            THEN CAST(
                                make_timestamp(coalesce(spent.end_us, spent.started_us)) AS DATE
                            )
                        ELSE CAST(
                            make_timestamp(greatest(spent.started_us, spent.stopped_us - 1))
                            AS DATE
                        )
                    END
                ) AS last_date
            FROM (
                SELECT
                    started.*,
                    -- A pool lasts as long as was retained. Training ends when it ends, or was
                    -- last seen; where that leaves no span, the seconds follow the start.
                    CASE
                        WHEN
                            started.component = 'Training'
                            AND started.until_us > started.started_us
                            THEN started.until_us
                        ELSE started.started_us + coalesce(started.seconds, 0) * 1000000
                    END AS stopped_us
                FROM (
                    SELECT
                        known.*,
                        CASE
                            WHEN known.component = 'Training Warm Pool' THEN known.from_us
                            WHEN known.start_us IS NOT NULL
                                THEN greatest(known.start_us, known.from_us)
                            WHEN known.is_over AND known.seconds IS NOT NULL
                                THEN greatest(
                                    known.until_us - known.seconds * 1000000, known.from_us
                                )
                            ELSE known.from_us
                        END AS started_us,
                        known.component = 'Training Warm Pool' OR known.start_us IS NOT NULL
                        OR (known.is_over AND known.seconds IS NOT NULL) AS knows_start
                    FROM (
                        SELECT
                            job.*,
                            epoch_us(job.from_time) AS from_us,
                            epoch_us(job.training_end_time) AS end_us,
                            detail.failure_reason,
                            detail.role_arn,
                            detail.tags,
                            coalesce(detail.instance_type, members.instance_type)
                                AS instance_type,
                            coalesce(detail.instance_count, members.instance_count)
                                AS instance_count,
                            detail.volume_size_gb,
                            detail.keep_alive_seconds,
                            coalesce(detail.serverless, FALSE) AS serverless,
                            epoch_us(detail.training_start_time) AS start_us,
                            job.is_over
                            AND (
                                job.component = 'Training Warm Pool'
                                OR detail.billable_seconds IS NOT NULL
                            ) AS settled,
                            CASE
                                WHEN job.component = 'Training Warm Pool'
                                    THEN CASE
                                        WHEN job.is_over OR job.warm_pool_status IS NULL
                                            THEN job.retained_seconds
                                        -- Absent, 0 or growing until it settles: count up to
                                        -- the last observation, but no further than the pool
                                        -- was asked to live. A longer report is believed: the
                                        -- period can be prolonged while the pool waits.
                                        -- (least and greatest skip NULL.)
                                        ELSE greatest(
                                            job.retained_seconds,
                                            least(
                                                greatest(0, job.until_us - from_us)
                                                // 1000000,
                                                detail.keep_alive_seconds
                                            )
                                        )
                                    END
                                WHEN detail.fetched_at IS NULL THEN NULL
                                WHEN job.is_over AND detail.billable_seconds IS NOT NULL
                                    THEN detail.billable_seconds
                                -- Nothing is billed before the start.
                                WHEN NOT job.is_over AND detail.training_start_time IS NULL
                                    THEN coalesce(detail.billable_seconds, 0)
                                -- Spot is billed for less than the wall clock, by how much
                                -- shows at the end; and a job that ended, its details final
                                -- and without a figure, will never have one.
                                WHEN
                                    detail.managed_spot
                                    OR detail.training_start_time IS NULL
                                    OR job.until_us IS NULL
                                    OR (job.is_over AND detail.final)
                                    THEN detail.billable_seconds
                                ELSE greatest(
                                    detail.billable_seconds,
                                    greatest(
                                        0,
                                        job.until_us - epoch_us(detail.training_start_time)
                                    ) // 1000000
                                )
                            END AS seconds
                        FROM job_days AS job
                        -- The identity is (ARN, creation time). Of the ARN, a hash of 64 bits
                        -- is compared: with the millisecond beside it that cannot go wrong,
                        -- and it halves the time and memory of the largest join there is.
                        LEFT JOIN training_job_details AS detail
                            ON
                                job.creation_time = detail.creation_time
                                AND job.arn_hash = hash(detail.training_job_arn)
                        -- Two groups of one instance type are one row: their instances add up.
                        LEFT JOIN (
                            SELECT
                                grouped.arn_hash,
                                grouped.creation_time,
                                grouped.member.InstanceType AS instance_type,
                                CAST(sum(grouped.member.InstanceCount) AS BIGINT)
                                    AS instance_count
                            FROM (
                                SELECT
                                    hash(detail.training_job_arn) AS arn_hash,
                                    detail.creation_time,
                                    unnest(
                                        from_json(
                                            detail.instance_groups,
                                            '[{"InstanceType": "VARCHAR",
                                               "InstanceCount": "BIGINT"}]'
                                        )
                                    ) AS member
                                FROM training_job_details AS detail
                                WHERE
                                    detail.instance_type IS NULL
                                    AND detail.instance_groups IS NOT NULL
                            ) AS grouped
                            GROUP BY ALL
                        ) AS members
                            ON
                                job.creation_time = members.creation_time
                                AND job.arn_hash = members.arn_hash
                                AND job.component = 'Training'
                    ) AS known
                ) AS started
            ) AS spent
        ) AS span
        WHERE span.within_a_day OR span.usage_date BETWEEN span.first_date AND span.last_date
    ) AS day
    LEFT JOIN (SELECT DISTINCT account_id FROM discounts WHERE account_id <> '') AS discounted
        ON day.account_id = discounted.account_id
    LEFT JOIN rate_card AS card
        ON
            day.instance_type = card.instance_type
            AND day.component = card.component
            AND day.region = card.region
            AND coalesce(discounted.account_id, '') = card.account_id
            AND day.usage_date >= card.valid_from
            AND day.usage_date < card.valid_to
) AS costed
