-- title: What runs now, what it costs, and what it can still cost
-- description: Each running job and waiting pool, as of the last sync - USD an hour, USD by now, and
--   at most, by its StoppingCondition and keep-alive period. How long a job runs against all ended
--   runs of its family in the account; what has outlived all of them is marked. Totals by account
--   stand at the end, with what all of it can have cost by the end of the month, and the range that
--   is likely. --sql prints the jobs with their rates, from which the program computes the rows.
-- prices: yes
-- replay: forecast
-- param: top integer = 50: Number of jobs and pools to show, most expensive first
-- bar: usd_per_hour
-- limit: month_end_usd
-- column: kind key: job, pool, or account for the totals of each of several accounts
-- column: job key: Name of the job; for a pool, of the job before it
-- column: account_id key aside: AWS account
-- column: region key aside: AWS region
-- column: family wide: Family of the job
-- column: instance_type wide: Instance type; several for instance groups
-- column: instances count wide: Number of instances
-- column: status wide: Secondary status of a job, warm pool status of a pool
-- column: since time wide: Start of the training, or of the idle time; NULL = not started yet
-- column: seconds seconds: How long it has run or waited by now
-- column: median_seconds seconds wide: Median of the family's ended runs in the account
-- column: p99_seconds seconds wide: 99th percentile of these runs
-- column: runs count wide: Number of these runs
-- column: mark aside: What to look at
-- column: usd_per_hour rate: Cost of an hour now in USD, with storage; NULL = not known
-- column: usd_by_now money: Cost up to now in USD; NULL = not known, see cost_basis
-- column: at_most_usd money: Cost at most in USD, with the pool that a job can leave; NULL = not known
-- column: at_most_basis wide: What limits it, or why the limit is not known
-- column: month_end_usd money: Cost by the end of the month (UTC) at most
-- column: likely_low_usd money wide: Below this with a chance of 10 %: cost by the end of the month
-- column: likely_high_usd money wide: Above this with a chance of 10 %
-- column: cost_basis wide: Basis of usd_by_now: accruing, estimated, no price, …
-- column: unpriced_jobs count wide: Jobs and pools whose cost, now or at most, is not known
-- column: ends_by time wide: When it has ended at the latest
-- column: seen_at time wide: Time of the last observation; `sync` makes a newer one
-- example: --format csv
-- example: --fail-over 500

-- How it works. A job runs for MaxRuntimeInSeconds at most, and gets 120 seconds to stop. What it
-- uploads after that is not limited. If it asked for a pool, its pool can then wait for the whole
-- keep-alive period. A spot job is billed for less than it runs, which AWS reports at the end, so
-- its cost by now is not known. The costs at most take the highest price that is known for the time
-- to come, and the storage of the shortest month.
--
-- usd_by_now goes on from the last observation to now as if nothing had changed. The likely range
-- takes the family's ended runs that were longer than the job was when it was seen, or any time up
-- to the limit if there are none. Totals add up what is known.
WITH
-- One row: the UTC day of now.
clock AS (
    SELECT CAST(make_timestamp(epoch_us(CAST(:now AS TIMESTAMPTZ))) AS DATE) AS today
),

-- One row per job that had not ended when it was last observed.
running_job AS MATERIALIZED (
    SELECT rowid AS job_id, *
    FROM training_jobs
    WHERE
        training_end_time IS NULL
        AND deleted_at IS NULL
        AND training_job_status IS DISTINCT FROM 'Deleting'
        AND NOT /*part has_ended*/
),

-- One row per job whose pool had not ended, or was not reported yet.
waiting_job AS MATERIALIZED (
    SELECT
        job.rowid AS job_id,
        job.*,
        -- No absurd period may fail the report.
        job.training_end_time + to_seconds(
            least(nullif(greatest(detail.keep_alive_seconds, 0), 0), 1000000000)
        ) AS ends_by
    FROM training_jobs AS job
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    WHERE
        job.training_end_time IS NOT NULL
        AND job.deleted_at IS NULL
        AND (/*part had_pool*/) IS NOT FALSE
        AND coalesce(job.warm_pool_status NOT IN ('Reused', 'Terminated'), TRUE)
        AND (job.warm_pool_status IS NOT NULL OR detail.keep_alive_seconds > 0)
        -- Until the next sync, the database does not know that such a pool has ended.
        AND coalesce(ends_by, 'infinity') > CAST(:now AS TIMESTAMPTZ)
),

-- One row per running job or waiting pool and instance type, with its known cost.
part AS MATERIALIZED (
    SELECT
        job_id, FALSE AS is_pool, instance_type, instance_count, started_at, cost_usd,
        greatest(compute_rank, storage_rank) AS cost_rank
    FROM internal.job_costs
    WHERE
        component = 'Training'
        AND training_end_time IS NULL
        AND job_id IN (SELECT job_id FROM running_job)
    UNION ALL
    SELECT
        job_id, TRUE, instance_type, instance_count, from_time, cost_usd,
        greatest(compute_rank, storage_rank)
    FROM internal.job_costs
    WHERE
        component = 'Training Warm Pool'
        AND training_end_time IS NOT NULL
        AND warm_pool_status <> 'Reused'
        AND warm_pool_status <> 'Terminated'
        AND job_id IN (SELECT job_id FROM waiting_job)
    UNION ALL
    -- AWS has not reported the pool yet: its cost by now is not known.
    SELECT
        job.job_id, TRUE, detail.instance_type, detail.instance_count, job.training_end_time, NULL,
        (SELECT rank FROM internal.cost_bases WHERE cost_basis = 'unknown seconds')
    FROM waiting_job AS job
    INNER JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    WHERE job.warm_pool_status IS NULL
),

/*part priced_accounts*/,

-- One row per price of instances and storage; amounts in other currencies are never added to USD.
usd_rate AS (
    SELECT
        *,
        CASE WHEN compute_currency = 'USD' THEN usd_per_hour END AS in_usd,
        CASE WHEN storage_currency = 'USD' THEN usd_per_gb_month END AS gb_in_usd
    FROM internal.rate_card
),

-- One row per account, region, component and instance type, with the price of a second of one
-- instance and of a gigabyte for a month's share of a day: now, and at most from now on.
price AS (
    SELECT
        account_id, region, component, instance_type,
        CAST(max(in_usd) FILTER (WHERE valid_from <= today) AS DOUBLE) / 3600 AS usd,
        CAST(max(in_usd) AS DOUBLE) / 3600 AS most_usd,
        CASE
            WHEN any_value(has_storage)
                THEN CAST(max(gb_in_usd) FILTER (WHERE valid_from <= today) AS DOUBLE) / 86400
        END AS gb_usd,
        CASE
            WHEN any_value(has_storage) THEN CAST(max(gb_in_usd) AS DOUBLE) / 86400
        END AS most_gb_usd
    FROM usd_rate
    CROSS JOIN clock
    WHERE valid_to > today
    GROUP BY account_id, region, component, instance_type
),

-- Two rows per part: the price of a second of all its instances, in training and in a pool. Storage
-- costs most in a second of the shortest month.
priced_part AS (
    SELECT
        part.*, component.is_pool_price,
        part.instance_count * (
            price.usd
            + coalesce(detail.volume_size_gb * price.gb_usd, 0) / day(last_day(clock.today))
        ) AS usd_per_second,
        part.instance_count * (
            price.most_usd + coalesce(detail.volume_size_gb * price.most_gb_usd, 0) / 28
        ) AS most_usd_per_second
    FROM part
    INNER JOIN training_jobs AS job ON part.job_id = job.rowid
    CROSS JOIN clock
    CROSS JOIN (
        VALUES ('Training', FALSE), ('Training Warm Pool', TRUE)
    ) AS component (component, is_pool_price)
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    LEFT JOIN priced_account ON job.account_id = priced_account.account_id
    LEFT JOIN price
        ON
            coalesce(priced_account.account_id, '') = price.account_id
            AND job.region = price.region
            AND part.instance_type = price.instance_type
            AND component.component = price.component
),

-- One row per running job or waiting pool. If something of a part is not known, so is the sum.
priced AS (
    SELECT
        job_id, is_pool,
        string_agg(instance_type, ', ' ORDER BY instance_type) FILTER (WHERE is_pool_price)
            AS instance_type,
        CAST(sum(instance_count) FILTER (WHERE is_pool_price) AS BIGINT) AS instances,
        CASE
            WHEN count(cost_usd) = count(*) THEN sum(cost_usd) FILTER (WHERE is_pool_price)
        END AS usd,
        max(cost_rank) AS cost_rank,
        CASE
            WHEN 2 * count(usd_per_second) FILTER (WHERE NOT is_pool_price) = count(*)
                THEN sum(usd_per_second) FILTER (WHERE NOT is_pool_price)
        END AS training_usd,
        CASE
            WHEN 2 * count(usd_per_second) FILTER (WHERE is_pool_price) = count(*)
                THEN sum(usd_per_second) FILTER (WHERE is_pool_price)
        END AS pool_usd,
        CASE
            WHEN 2 * count(most_usd_per_second) FILTER (WHERE NOT is_pool_price) = count(*)
                THEN sum(most_usd_per_second) FILTER (WHERE NOT is_pool_price)
        END AS most_training_usd,
        CASE
            WHEN 2 * count(most_usd_per_second) FILTER (WHERE is_pool_price) = count(*)
                THEN sum(most_usd_per_second) FILTER (WHERE is_pool_price)
        END AS most_pool_usd
    FROM priced_part
    GROUP BY job_id, is_pool
),

-- One row per ended run of a family of these jobs. A run that ended before it started is a mistake
-- of the clock: not known.
run AS MATERIALIZED (
    SELECT
        job.account_id,
        coalesce(job.job_family, job.training_job_name) AS family,
        job.creation_time,
        /*part retained_seconds*/ AS idle_seconds,
        CASE
            WHEN job.training_end_time >= detail.training_start_time
                THEN epoch(job.training_end_time) - epoch(detail.training_start_time)
        END AS seconds
    FROM training_jobs AS job
    INNER JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    SEMI JOIN (
        SELECT account_id, coalesce(job_family, training_job_name) AS family
        FROM running_job
        UNION
        SELECT account_id, coalesce(job_family, training_job_name) AS family
        FROM waiting_job
    ) AS wanted
        ON
            job.account_id = wanted.account_id
            AND coalesce(job.job_family, job.training_job_name) = wanted.family
    WHERE job.training_end_time IS NOT NULL
),

-- One row per account and family, with the lengths of its runs and pools. Of the jobs that were
-- created lately, only the short ones have ended: they would make the others look short.
family AS (
    SELECT
        account_id, family,
        count(seconds) AS runs,
        quantile_disc(seconds, 0.5) AS median_seconds,
        quantile_disc(seconds, 0.99) AS p99_seconds,
        any_value(longest_seconds) AS longest_seconds,
        quantile_disc(
            seconds,
            list_transform(range(100), lambda part: (part * 10 + 5) / 1000)
        ) FILTER (
            WHERE creation_time <= CAST(:now AS TIMESTAMPTZ) - to_seconds(longest_seconds)
        ) AS older_seconds,
        quantile_disc(
            seconds,
            list_transform(range(100), lambda part: (part * 10 + 5) / 1000)
        ) AS all_seconds,
        coalesce(older_seconds, all_seconds) AS run_seconds,
        quantile_disc(
            idle_seconds, [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]
        ) AS idle_seconds
    FROM run
    LEFT JOIN (
        SELECT account_id, family, max(seconds) AS longest_seconds
        FROM run
        GROUP BY account_id, family
    ) AS longest USING (account_id, family)
    GROUP BY account_id, family
),

-- The running jobs and the waiting pools.
open_thing AS (
    SELECT FALSE AS is_pool, NULL::TIMESTAMPTZ AS ends_by, * FROM running_job
    UNION ALL BY NAME
    SELECT TRUE AS is_pool, * FROM waiting_job
)

SELECT
    CASE WHEN thing.is_pool THEN 'pool' ELSE 'job' END AS kind,
    thing.training_job_name AS job,
    thing.account_id, thing.region,
    coalesce(thing.job_family, thing.training_job_name) AS family,
    priced.instance_type, priced.instances,
    CASE
        WHEN thing.is_pool THEN thing.warm_pool_status
        ELSE coalesce(thing.secondary_status, thing.training_job_status)
    END AS status,
    CASE
        WHEN thing.is_pool THEN thing.training_end_time
        ELSE detail.training_start_time
    END AS since,
    thing.ends_by,
    least(
        coalesce(greatest(thing.verified_at, scope.watermark), thing.updated_at),
        CAST(:now AS TIMESTAMPTZ)
    ) AS seen_at,
    CAST(:now AS TIMESTAMPTZ) AS now,
    detail.managed_spot IS TRUE AS is_spot,
    -- Zero, negative and absurd limits are not known.
    CASE
        WHEN detail.max_runtime_seconds BETWEEN 1 AND 1000000000 THEN detail.max_runtime_seconds
    END AS max_runtime,
    CASE WHEN detail.max_wait_seconds BETWEEN 1 AND 1000000000 THEN detail.max_wait_seconds END
        AS max_wait,
    CASE
        WHEN specification.specification IS NULL THEN 0
        ELSE least(greatest(coalesce(detail.keep_alive_seconds, 0), 0), 1000000000)
    END AS keep_alive,
    priced.usd, priced.training_usd, priced.most_training_usd, priced.pool_usd,
    priced.most_pool_usd,
    basis.cost_basis,
    family.* EXCLUDE (account_id, family)
FROM open_thing AS thing
LEFT JOIN priced ON thing.job_id = priced.job_id AND thing.is_pool = priced.is_pool
LEFT JOIN internal.cost_bases AS basis ON priced.cost_rank = basis.rank
LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
LEFT JOIN internal.job_specifications AS specification USING (training_job_arn, creation_time)
LEFT JOIN sync_scopes AS scope
    ON thing.account_id = scope.account_id AND thing.region = scope.region
LEFT JOIN family
    ON
        thing.account_id = family.account_id
        AND coalesce(thing.job_family, thing.training_job_name) = family.family;
