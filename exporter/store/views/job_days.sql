-- Step 1 of the costs: the UTC days that a job's training, and the wait of its warm pool, can
-- touch by what the listing says. One row a job, component and day; step 2 drops the days on
-- which nothing was spent.
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
-- training_job_status: TrainingJobStatus as last known
-- on_training_plan: True: paid for by its training plan
-- warm_pool_status: WarmPoolStatus.Status
-- reused_by_job: Name of the job that took the pool over
-- is_deleted: True: AWS has forgotten the job
-- component: Training or Training Warm Pool
-- usage_date: A UTC day that it can touch
-- latest_date: The last of its days
-- within_a_day: True: it has no other day
-- is_over: True: training ended, or the pool is settled (Reused or Terminated)
-- from_time: When it may begin, and nothing is spent before: creation, or end of training
-- until_us: End of training, or the last observation, microseconds since 1970
-- training_end_time: TrainingEndTime
-- retained_seconds: ResourceRetainedBillableTimeInSeconds

SELECT
    day.job_id,
    day.training_job_arn,
    day.creation_time,
    hash(day.training_job_arn) AS arn_hash,
    day.account_id,
    day.region,
    day.training_job_name,
    day.job_family,
    day.team,
    day.training_job_status,
    day.training_plan_arn IS NOT NULL AS on_training_plan,
    day.warm_pool_status,
    day.warm_pool_reused_by_job AS reused_by_job,
    day.deleted_at IS NOT NULL AS is_deleted,
    day.component,
    day.usage_date,
    day.latest_date,
    day.within_a_day,
    day.is_over,
    day.from_time,
    day.until_us,
    day.training_end_time,
    day.warm_pool_retained_seconds AS retained_seconds
FROM (
    -- The first day of what has ended: nearly all there is. Its conditions and its usage_date
    -- look at one column each, so that a filter on the day skips whole row groups by the least
    -- and the greatest value of that column. (DuckDB keeps computed filters above the scan as
    -- soon as one of them looks at two columns.)
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
    FROM training_jobs AS job
    WHERE job.training_end_time IS NOT NULL
    UNION ALL BY NAME
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
                    + job.warm_pool_retained_seconds * 1000000 - 1,
                    epoch_us(job.training_end_time)
                )
            ) AS DATE
        ) AS latest_date,
        usage_date = latest_date AS within_a_day,
        TRUE AS is_over,
        job.training_end_time AS from_time,
        NULL::BIGINT AS until_us
    FROM training_jobs AS job
    WHERE
        job.training_end_time IS NOT NULL
        -- As a truth value, because DuckDB keeps a bare IN above the scan, and the rest with it.
        AND (job.warm_pool_status IN ('Reused', 'Terminated')) IS TRUE
    UNION ALL BY NAME
    -- Its further days. They are found by times alone, and take the rest of their job by its
    -- row number.
    SELECT
        job.rowid AS job_id,
        job.*,
        later.* EXCLUDE (job_id)
    FROM training_jobs AS job
    INNER JOIN (
        SELECT
            span.job_id,
            span.component,
            CAST(
                make_timestamp(
                    unnest(
                        range(
                            span.first_date - DATE '1970-01-01' + 1,
                            span.latest_date - DATE '1970-01-01' + 1
                        )
                    ) * 86400000000
                ) AS DATE
            ) AS usage_date,
            span.latest_date,
            FALSE AS within_a_day,
            TRUE AS is_over,
            span.from_time,
            span.until_us
        FROM (
            SELECT
                rowid AS job_id,
                'Training' AS component,
                creation_time AS from_time,
                epoch_us(training_end_time) AS until_us,
                CAST(make_timestamp(epoch_us(creation_time)) AS DATE) AS first_date,
                CAST(make_timestamp(until_us) AS DATE) AS latest_date
            FROM training_jobs
            UNION ALL
            SELECT
                rowid AS job_id,
                'Training Warm Pool' AS component,
                training_end_time AS from_time,
                NULL::BIGINT AS until_us,
                CAST(make_timestamp(epoch_us(training_end_time)) AS DATE) AS first_date,
                CAST(
                    make_timestamp(
                        epoch_us(training_end_time) + warm_pool_retained_seconds * 1000000 - 1
                    ) AS DATE
                ) AS latest_date
            FROM training_jobs
            WHERE warm_pool_status IN ('Reused', 'Terminated')
        ) AS span
        WHERE span.first_date < span.latest_date
    ) AS later ON job.rowid = later.job_id
    UNION ALL BY NAME
    -- What goes on, or has an end that is not known: every day up to the last observation.
    SELECT
        span.* EXCLUDE (from_date, latest_us),
        CAST(
            make_timestamp(
                unnest(
                    range(
                        span.from_date - DATE '1970-01-01',
                        span.latest_date - DATE '1970-01-01' + 1
                    )
                ) * 86400000000
            ) AS DATE
        ) AS usage_date
    FROM (
        SELECT
            watched.*,
            FALSE AS within_a_day,
            CAST(make_timestamp(epoch_us(watched.from_time)) AS DATE) AS from_date,
            CAST(
                make_timestamp(greatest(watched.latest_us, epoch_us(watched.from_time))) AS DATE
            ) AS latest_date
        FROM (
            SELECT
                job.rowid AS job_id,
                job.*,
                'Training' AS component,
                coalesce(job.training_job_status IN ('Completed', 'Failed', 'Stopped'), FALSE)
                    AS is_over,
                job.creation_time AS from_time,
                epoch_us(
                    CASE
                        WHEN is_over THEN job.last_modified_time
                        ELSE least(
                            coalesce(
                                greatest(job.verified_at, scope.watermark), job.updated_at
                            ),
                            job.deleted_at
                        )
                    END
                ) AS until_us,
                until_us AS latest_us
            FROM training_jobs AS job
            LEFT JOIN sync_scopes AS scope
                ON job.account_id = scope.account_id AND job.region = scope.region
            WHERE job.training_end_time IS NULL
            UNION ALL BY NAME
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
                -- A settled pool lasts as long as reported, another one at most until it was
                -- last seen, unless the report says more.
                greatest(
                    CASE WHEN NOT is_over THEN until_us END,
                    epoch_us(from_time) + pool.warm_pool_retained_seconds * 1000000 - 1
                ) AS latest_us
            FROM (
                SELECT
                    rowid AS job_id,
                    *
                FROM training_jobs
                WHERE
                    training_end_time IS NULL
                    AND (
                        warm_pool_status IN ('Reused', 'Terminated')
                        OR warm_pool_retained_seconds > 0
                        -- While the job runs, InUse means that it uses a pool, not that it
                        -- left one.
                        OR (
                            warm_pool_status IS NOT NULL
                            AND training_job_status IN ('Completed', 'Failed', 'Stopped')
                        )
                    )
                UNION ALL
                SELECT
                    rowid AS job_id,
                    *
                FROM training_jobs
                WHERE
                    training_end_time IS NOT NULL
                    AND warm_pool_status <> 'Reused'
                    AND warm_pool_status <> 'Terminated'
                UNION ALL
                SELECT
                    rowid AS job_id,
                    *
                FROM training_jobs
                WHERE
                    training_end_time IS NOT NULL
                    AND warm_pool_status IS NULL
                    AND warm_pool_retained_seconds > 0
            ) AS pool
            LEFT JOIN sync_scopes AS scope
                ON pool.account_id = scope.account_id AND pool.region = scope.region
        ) AS watched
    ) AS span
) AS day
