-- title: What managed spot training saved
-- description: AWS bills spot jobs for BillableTimeInSeconds of their TrainingTimeInSeconds. The
--   saving is the rest. Both are spread evenly from the start of training to its end, and each day
--   has its own price. It covers the days in the period, without storage.
-- period: default
-- by: month, instance_type
-- bar: saved_usd
-- column: jobs count: Spot jobs with known seconds that trained in the period
-- column: interrupted_jobs count: Jobs that were interrupted at least once
-- column: training_hours hours: Training time × instances in the period
-- column: billable_hours hours: Billable time × instances in the period
-- column: saved_share percent: 1 − billable_hours ÷ training_hours
-- column: cost_usd money wide: Known cost in USD, without storage
-- column: saved_usd money: Known saving in USD, each day at its own price
-- column: unpriced_jobs count wide: Jobs without a known price
-- example: --by family --since 180d
WITH
-- One row per spot job and day of the period.
spot_day AS (
    SELECT
        day.job_id AS job,
        day.usage_date, day.account_id, accounts.account_name, day.region, day.job_family, day.team,
        detail.tags, day.instance_type, day.instance_count,
        list_contains(
            json_extract_string(detail.status_transitions, '$[*].Status'), 'Interrupted'
        ) AS is_interrupted,
        day.within_a_day, day.seconds, detail.training_seconds,
        epoch_us(day.started_at) AS started_us,
        greatest(epoch_us(day.ended_at) - epoch_us(day.started_at), 1) AS span_us,
        epoch_us(CAST(day.usage_date AS TIMESTAMP)) AS midnight_us,
        CASE WHEN day.compute_currency = 'USD' THEN day.usd_per_hour END AS usd_per_hour,
        day.compute_cost_usd AS cost_usd,
        cost_bases.cost_basis,
        day.compute_source AS price_source
    FROM internal.usage_days AS day
    INNER JOIN internal.cost_bases ON day.compute_rank = cost_bases.rank
    INNER JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    LEFT JOIN accounts USING (account_id)
    WHERE
        day.component = 'Training'
        AND day.is_over
        AND detail.managed_spot
        AND detail.training_seconds > 0
        AND detail.billable_seconds >= 0
        AND day.usage_date >= CAST(:since AS DATE)
        AND day.usage_date < CAST(:until AS DATE)
),

-- The same rows, with the training seconds of the day: those up to its end minus those up to its
-- start, rounded down, so that the days add up exactly. usage_days spreads billable seconds alike.
spot AS (
    SELECT
        * EXCLUDE (training_seconds),
        seconds * instance_count AS billable_seconds,
        instance_count * CASE
            WHEN within_a_day THEN training_seconds
            ELSE CAST(
                CAST(least(midnight_us + 86400000000 - started_us, span_us) AS HUGEINT)
                * training_seconds // span_us
                - CAST(least(greatest(midnight_us - started_us, 0), span_us) AS HUGEINT)
                * training_seconds // span_us
                AS BIGINT
            )
        END AS training_seconds
    FROM spot_day
),

-- The same rows, with the saving and the columns to group by.
costs AS (
    SELECT
        /*by*/ strftime(usage_date, '%Y-%m') AS month, instance_type /*end*/,
        job, is_interrupted, training_seconds, billable_seconds,
        CAST(
            usd_per_hour * CAST(training_seconds - billable_seconds AS DECIMAL(18, 0)) / 3600
            AS DECIMAL(38, 12)
        ) AS saved_usd,
        cost_usd, cost_basis, price_source
    FROM spot
)

SELECT
    /*names*/ month, instance_type /*end*/,
    grouping(/*names*/ month, instance_type /*end*/) > 0 AS is_total,
    count(DISTINCT job) AS jobs,
    count(DISTINCT CASE WHEN is_interrupted THEN job END) AS interrupted_jobs,
    sum(training_seconds) / 3600 AS training_hours,
    sum(billable_seconds) / 3600 AS billable_hours,
    1 - sum(billable_seconds) / sum(training_seconds) AS saved_share,
    sum(cost_usd) AS cost_usd,
    sum(saved_usd) AS saved_usd,
    count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs
    /*notes*/ /*end*/
FROM costs
GROUP BY GROUPING SETS ((/*names*/ month, instance_type /*end*/), ())
ORDER BY
    is_total,
    /*order*/ month /*end*/,
    saved_usd DESC NULLS LAST,
    /*names*/ month, instance_type /*end*/;
