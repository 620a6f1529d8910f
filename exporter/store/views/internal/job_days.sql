-- Step 1 of the costs: the UTC days on which a job's training, or the idle time of its warm pool,
-- may fall. This step reads the listing only. One row per job, component and day; step 2 drops the
-- days on which no seconds were spent.
--
-- job_id: Row number in training_jobs: a short key, valid within one query only
-- training_job_arn: ARN of the job
-- creation_time: When the job was created
-- arn_hash: 64-bit hash of the ARN to join by: valid within one query only
-- account_id: AWS account that is billed
-- region: AWS region
-- training_job_name: Name of the job
-- job_family: Family of the job
-- team: Team of the job; NULL = no rule matched
-- training_job_status: TrainingJobStatus as last known
-- on_training_plan: True: paid for by its training plan
-- warm_pool_status: WarmPoolStatus.Status
-- reused_by_job: Name of the job that reused the pool
-- is_deleted: True: the job was deleted at AWS
-- component: Training or Training Warm Pool
-- usage_date: A UTC day that it can touch
-- latest_date: The last day that it can touch
-- within_a_day: True: it can touch no other day
-- is_over: True: training ended, or the pool is settled (Reused or Terminated)
-- from_time: Earliest start: creation of the job or, for a pool, end of training
-- until_us: End of training, or the last observation, microseconds since 1970
-- training_end_time: TrainingEndTime
-- retained_seconds: ResourceRetainedBillableTimeInSeconds; NULL = none, or absurd
-- had_pool: Whether SageMaker kept a pool after the job; NULL = not known (yet)
WITH
-- The first day of training that ended: nearly all rows of this view. Each condition, and
-- usage_date, uses one column only. Then DuckDB filters by day in the scan, and skips row groups by
-- the minimum and maximum of that column. A filter on two columns would end this for all filters.
first_training_day AS (
    SELECT
        job.rowid AS job_id,
        job.*,
        'Training' AS component,
        CAST(make_timestamp(epoch_us(job.creation_time)) AS DATE) AS usage_date,
        CAST(
            make_timestamp(
                greatest(epoch_us(job.training_end_time), epoch_us(job.creation_time))
            ) AS DATE
        ) AS latest_date,
        usage_date = latest_date AS within_a_day,
        TRUE AS is_over,
        job.creation_time AS from_time,
        epoch_us(job.training_end_time) AS until_us
    FROM main.training_jobs AS job
    WHERE job.training_end_time IS NOT NULL
),

-- The first day of a settled pool.
first_pool_day AS (
    SELECT
        job.rowid AS job_id,
        job.*,
        'Training Warm Pool' AS component,
        CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE) AS usage_date,
        CAST(
            make_timestamp(
                -- greatest skips NULL.
                greatest(
                    epoch_us(job.training_end_time)
                    + /*part retained_seconds*/ * 1000000 - 1,
                    epoch_us(job.training_end_time)
                )
            ) AS DATE
        ) AS latest_date,
        usage_date = latest_date AS within_a_day,
        TRUE AS is_over,
        job.training_end_time AS from_time,
        NULL::BIGINT AS until_us
    FROM main.training_jobs AS job
    WHERE
        job.training_end_time IS NOT NULL
        -- IS TRUE, because with a bare IN, DuckDB would apply no filter in the scan.
        AND (job.warm_pool_status IN ('Reused', 'Terminated')) IS TRUE
),

-- One row per job and component that ended, with its first and last day.
ended_span AS (
    SELECT
        rowid AS job_id,
        'Training' AS component,
        creation_time AS from_time,
        epoch_us(training_end_time) AS until_us,
        CAST(make_timestamp(epoch_us(creation_time)) AS DATE) AS first_date,
        CAST(make_timestamp(until_us) AS DATE) AS latest_date
    FROM main.training_jobs
    UNION ALL
    SELECT
        rowid AS job_id,
        'Training Warm Pool' AS component,
        training_end_time AS from_time,
        NULL::BIGINT AS until_us,
        CAST(make_timestamp(epoch_us(training_end_time)) AS DATE) AS first_date,
        CAST(
            make_timestamp(
                epoch_us(training_end_time) + /*part retained_seconds*/ * 1000000 - 1
            ) AS DATE
        ) AS latest_date
    FROM main.training_jobs
    WHERE warm_pool_status IN ('Reused', 'Terminated')
),

-- Every further day of training or a pool that ended. These rows have no columns of the job yet;
-- the row number finds the job.
later_day AS (
    SELECT
        job_id,
        component,
        CAST(
            make_timestamp(
                unnest(
                    range(
                        first_date - DATE '1970-01-01' + 1, latest_date - DATE '1970-01-01' + 1
                    )
                ) * 86400000000
            ) AS DATE
        ) AS usage_date,
        latest_date,
        FALSE AS within_a_day,
        TRUE AS is_over,
        from_time,
        until_us
    FROM ended_span
    WHERE first_date < latest_date
),

-- One row per job without an end: its training up to the last observation.
open_training AS (
    SELECT
        job.rowid AS job_id,
        job.*,
        'Training' AS component,
        /*part has_ended*/ AS is_over,
        job.creation_time AS from_time,
        epoch_us(
            CASE
                WHEN is_over THEN job.last_modified_time
                ELSE least(
                    coalesce(greatest(job.verified_at, scope.watermark), job.updated_at),
                    job.deleted_at
                )
            END
        ) AS until_us,
        until_us AS latest_us
    FROM main.training_jobs AS job
    LEFT JOIN main.sync_scopes AS scope USING (account_id, region)
    WHERE job.training_end_time IS NULL
),

-- One row per job with a pool that has not settled, or without an end of training.
open_pool_job AS (
    SELECT rowid AS job_id, *
    FROM main.training_jobs
    WHERE
        training_end_time IS NULL
        AND (
            warm_pool_status IN ('Reused', 'Terminated')
            OR warm_pool_retained_seconds > 0
            -- While a job runs, InUse means that it uses a pool, not that it left one.
            OR (warm_pool_status IS NOT NULL AND /*part has_ended*/)
        )
    UNION ALL
    SELECT rowid AS job_id, *
    FROM main.training_jobs
    WHERE
        training_end_time IS NOT NULL
        AND warm_pool_status <> 'Reused'
        AND warm_pool_status <> 'Terminated'
    UNION ALL
    SELECT rowid AS job_id, *
    FROM main.training_jobs
    WHERE
        training_end_time IS NOT NULL
        AND warm_pool_status IS NULL
        AND warm_pool_retained_seconds > 0
),

-- The same rows, up to the last observation.
open_pool AS (
    SELECT
        pool.*,
        'Training Warm Pool' AS component,
        coalesce(pool.warm_pool_status IN ('Reused', 'Terminated'), FALSE) AS is_over,
        coalesce(pool.training_end_time, pool.last_modified_time, pool.creation_time)
            AS from_time,
        epoch_us(
            least(
                coalesce(greatest(pool.verified_at, scope.watermark), pool.updated_at),
                pool.deleted_at
            )
        ) AS until_us,
        -- A settled pool lasts as long as AWS reports. Any other pool lasts until its last
        -- observation, or longer if AWS reports more.
        greatest(
            CASE WHEN NOT is_over THEN until_us END,
            epoch_us(from_time) + /*part retained_seconds*/ * 1000000 - 1
        ) AS latest_us
    FROM open_pool_job AS pool
    LEFT JOIN main.sync_scopes AS scope USING (account_id, region)
),

-- One row per job and component that is open, or whose end is not known.
open_span AS (
    SELECT
        * EXCLUDE (latest_us),
        FALSE AS within_a_day,
        CAST(make_timestamp(epoch_us(from_time)) AS DATE) AS first_date,
        CAST(make_timestamp(greatest(latest_us, epoch_us(from_time))) AS DATE) AS latest_date
    FROM (SELECT * FROM open_training UNION ALL BY NAME SELECT * FROM open_pool)
),

-- Every day of what is open.
open_day AS (
    SELECT
        * EXCLUDE (first_date),
        CAST(
            make_timestamp(
                unnest(
                    range(first_date - DATE '1970-01-01', latest_date - DATE '1970-01-01' + 1)
                ) * 86400000000
            ) AS DATE
        ) AS usage_date
    FROM open_span
),

-- All of these days together.
day AS (
    SELECT * FROM first_training_day
    UNION ALL BY NAME
    SELECT * FROM first_pool_day
    UNION ALL BY NAME
    SELECT
        job.rowid AS job_id,
        job.*,
        later_day.* EXCLUDE (job_id)
    FROM main.training_jobs AS job
    INNER JOIN later_day ON job.rowid = later_day.job_id
    UNION ALL BY NAME
    SELECT * FROM open_day
)

SELECT
    job_id, training_job_arn, creation_time,
    hash(training_job_arn) AS arn_hash,
    account_id, region, training_job_name, job_family, team, training_job_status,
    training_plan_arn IS NOT NULL AS on_training_plan,
    warm_pool_status,
    warm_pool_reused_by_job AS reused_by_job,
    deleted_at IS NOT NULL AS is_deleted,
    component, usage_date, latest_date, within_a_day, is_over, from_time, until_us,
    training_end_time,
    /*part retained_seconds*/ AS retained_seconds,
    /*part had_pool*/ AS had_pool
FROM day
