-- Step 1 of the costs: the UTC days that a job's training, and the wait of its warm pool, can
-- touch by what the listing says. One row a job, component and day; step 2 drops the days on
-- which nothing was spent. Only columns of the job are used, and each date of what surely lies
-- within a day is made of one column, so that a filter on the day reaches the scan of
-- training_jobs and skips most of it, before any job is joined to its details.
--
-- job_id: Row number in training_jobs: a short key, good within one query only
-- training_job_arn: ARN of the job
-- creation_time: When the job was created
-- arn_hash: Hash of the ARN in 64 bits, to join by: good within one query only
-- account_id: AWS account
-- region: AWS region
-- training_job_name: Name of the job
-- job_family: Family of the job
-- team: Team of the job
-- on_training_plan: True: paid for by its training plan
-- warm_pool_status: WarmPoolStatus.Status
-- reused_by_job: Name of the job that took the pool over
-- is_deleted: True: AWS has forgotten the job
-- component: Training or Training Warm Pool
-- usage_date: A UTC day that it can touch
-- latest_date: The last of its days
-- within_a_day: True: it has no other day
-- is_over: True: training ended, or the pool is settled (Reused or Terminated)
-- from_us: Microseconds since 1970 before which nothing is spent: creation, or end of training
-- until_us: End of training, or the last observation, microseconds since 1970
-- end_us: TrainingEndTime, microseconds since 1970
-- retained_seconds: ResourceRetainedBillableTimeInSeconds
SELECT
    job.rowid AS job_id,
    job.training_job_arn,
    job.creation_time,
    hash(job.training_job_arn) AS arn_hash,
    job.account_id,
    job.region,
    job.training_job_name,
    job.job_family,
    job.team,
    job.training_plan_arn IS NOT NULL AS on_training_plan,
    job.warm_pool_status,
    job.warm_pool_reused_by_job AS reused_by_job,
    job.deleted_at IS NOT NULL AS is_deleted,
    'Training' AS component,
    CAST(make_timestamp(epoch_us(job.creation_time)) AS DATE) AS usage_date,
    CAST(make_timestamp(epoch_us(job.creation_time)) AS DATE) AS latest_date,
    TRUE AS within_a_day,
    TRUE AS is_over,
    epoch_us(job.creation_time) AS from_us,
    epoch_us(job.training_end_time) AS until_us,
    epoch_us(job.training_end_time) AS end_us,
    job.warm_pool_retained_seconds AS retained_seconds
FROM training_jobs AS job
WHERE
    (
        CAST(make_timestamp(epoch_us(job.creation_time)) AS DATE)
        = CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE)
    ) IS TRUE
UNION ALL BY NAME
SELECT
    span.* EXCLUDE (earliest_date, latest_date),
    greatest(span.latest_date, span.earliest_date) AS latest_date,
    CAST(
        make_timestamp(
            unnest(
                range(
                    span.earliest_date - DATE '1970-01-01',
                    greatest(span.latest_date, span.earliest_date) - DATE '1970-01-01' + 1
                )
            ) * 86400000000
        ) AS DATE
    ) AS usage_date
FROM (
    SELECT
        seen.*,
        CAST(make_timestamp(seen.from_us) AS DATE) AS earliest_date,
        CAST(make_timestamp(coalesce(seen.until_us, seen.from_us)) AS DATE) AS latest_date
    FROM (
        SELECT
            job.rowid AS job_id,
            job.training_job_arn,
            job.creation_time,
            hash(job.training_job_arn) AS arn_hash,
            job.account_id,
            job.region,
            job.training_job_name,
            job.job_family,
            job.team,
            job.training_plan_arn IS NOT NULL AS on_training_plan,
            job.warm_pool_status,
            job.warm_pool_reused_by_job AS reused_by_job,
            job.deleted_at IS NOT NULL AS is_deleted,
            'Training' AS component,
            FALSE AS within_a_day,
            (
                job.training_end_time IS NOT NULL
                OR job.training_job_status IN ('Completed', 'Failed', 'Stopped')
            ) AS is_over,
            epoch_us(job.creation_time) AS from_us,
            CASE
                WHEN
                    job.training_end_time IS NOT NULL
                    OR job.training_job_status IN ('Completed', 'Failed', 'Stopped')
                    THEN epoch_us(coalesce(job.training_end_time, job.last_modified_time))
                ELSE epoch_us(
                    least(
                        coalesce(greatest(job.verified_at, scope.watermark), job.updated_at),
                        job.deleted_at
                    )
                )
            END AS until_us,
            epoch_us(job.training_end_time) AS end_us,
            job.warm_pool_retained_seconds AS retained_seconds
        FROM training_jobs AS job
        LEFT JOIN sync_scopes AS scope
            ON job.account_id = scope.account_id AND job.region = scope.region
        WHERE
            (
                CAST(make_timestamp(epoch_us(job.creation_time)) AS DATE)
                = CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE)
            ) IS NOT TRUE
    ) AS seen
) AS span
UNION ALL BY NAME
SELECT
    job.rowid AS job_id,
    job.training_job_arn,
    job.creation_time,
    hash(job.training_job_arn) AS arn_hash,
    job.account_id,
    job.region,
    job.training_job_name,
    job.job_family,
    job.team,
    job.training_plan_arn IS NOT NULL AS on_training_plan,
    job.warm_pool_status,
    job.warm_pool_reused_by_job AS reused_by_job,
    job.deleted_at IS NOT NULL AS is_deleted,
    'Training Warm Pool' AS component,
    CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE) AS usage_date,
    CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE) AS latest_date,
    TRUE AS within_a_day,
    TRUE AS is_over,
    epoch_us(job.training_end_time) AS from_us,
    NULL::BIGINT AS until_us,
    epoch_us(job.training_end_time) AS end_us,
    job.warm_pool_retained_seconds AS retained_seconds
FROM training_jobs AS job
WHERE
    (
        job.warm_pool_status IN ('Reused', 'Terminated')
        AND CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE)
        = CAST(
            make_timestamp(
                epoch_us(job.training_end_time) + job.warm_pool_retained_seconds * 1000000 - 1
            ) AS DATE
        )
    ) IS TRUE
UNION ALL BY NAME
SELECT
    span.* EXCLUDE (earliest_date, latest_date),
    greatest(span.latest_date, span.earliest_date) AS latest_date,
    CAST(
        make_timestamp(
            unnest(
                range(
                    span.earliest_date - DATE '1970-01-01',
                    greatest(span.latest_date, span.earliest_date) - DATE '1970-01-01' + 1
                )
            ) * 86400000000
        ) AS DATE
    ) AS usage_date
FROM (
    SELECT
        seen.*,
        CAST(make_timestamp(seen.from_us) AS DATE) AS earliest_date,
        -- greatest skips NULL. A settled pool lasts as long as reported, another one at most
        -- until it was last seen, unless the report says more.
        CAST(
            make_timestamp(
                greatest(
                    CASE WHEN NOT seen.is_over THEN seen.until_us END,
                    seen.from_us + seen.retained_seconds * 1000000 - 1,
                    seen.from_us
                )
            ) AS DATE
        ) AS latest_date
    FROM (
        SELECT
            job.rowid AS job_id,
            job.training_job_arn,
            job.creation_time,
            hash(job.training_job_arn) AS arn_hash,
            job.account_id,
            job.region,
            job.training_job_name,
            job.job_family,
            job.team,
            job.training_plan_arn IS NOT NULL AS on_training_plan,
            job.warm_pool_status,
            job.warm_pool_reused_by_job AS reused_by_job,
            job.deleted_at IS NOT NULL AS is_deleted,
            'Training Warm Pool' AS component,
            FALSE AS within_a_day,
            coalesce(job.warm_pool_status IN ('Reused', 'Terminated'), FALSE) AS is_over,
            epoch_us(
                coalesce(job.training_end_time, job.last_modified_time, job.creation_time)
            ) AS from_us,
            epoch_us(
                least(
                    coalesce(greatest(job.verified_at, scope.watermark), job.updated_at),
                    job.deleted_at
                )
            ) AS until_us,
            epoch_us(job.training_end_time) AS end_us,
            job.warm_pool_retained_seconds AS retained_seconds
        FROM training_jobs AS job
        LEFT JOIN sync_scopes AS scope
            ON job.account_id = scope.account_id AND job.region = scope.region
        WHERE
            (
                job.warm_pool_status IN ('Reused', 'Terminated')
                AND CAST(make_timestamp(epoch_us(job.training_end_time)) AS DATE)
                = CAST(
                    make_timestamp(
                        epoch_us(job.training_end_time)
                        + job.warm_pool_retained_seconds * 1000000 - 1
                    ) AS DATE
                )
            ) IS NOT TRUE
            AND (
                job.warm_pool_status IN ('Reused', 'Terminated')
                OR job.warm_pool_retained_seconds > 0
                -- While the job runs, InUse means that it uses a pool, not that it left one.
                OR (
                    job.warm_pool_status IS NOT NULL
                    AND (
                        job.training_end_time IS NOT NULL
                        OR job.training_job_status IN ('Completed', 'Failed', 'Stopped')
                    )
                )
            )
    ) AS seen
) AS span
