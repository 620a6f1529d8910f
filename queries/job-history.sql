-- title: What happened to a job
-- description: Every change that a sync observed and every status transition that SageMaker
--   reports, in order of time. Jobs that share the name follow each other.
-- argument: job
-- param: job job: Name or ARN of the job
-- column: happened_at key: Time of the change; for an observation, server time of the answer
-- column: source key: observed = by a sync; reported = by SageMaker (status transitions)
-- column: status: Status of the job
-- column: secondary_status: Secondary status
-- column: pool: Status of the warm pool
-- column: retained_seconds seconds: Billable seconds of the pool, for one instance
-- column: reused_by wide: Name of the job that reused the pool
-- column: created_at key aside: When the job was created; tells jobs of one name apart
-- column: account key aside: AWS account
-- column: region key aside: Region
-- example: my-training-job
WITH
-- One row per job of that name or ARN.
jobs AS (
    SELECT training_job_arn, creation_time, account_id, region
    FROM training_jobs
    WHERE training_job_name = CAST(:job AS VARCHAR)
        -- A name is not looked for among the ARNs, which takes several times as long.
        OR (
            lower(CAST(:job AS VARCHAR)) LIKE 'arn:%'
            AND lower(training_job_arn) = lower(CAST(:job AS VARCHAR))
        )
),

-- One row per status transition.
steps AS (
    SELECT
        jobs.*,
        unnest(
            from_json(
                detail.status_transitions,
                '[{"Status": "VARCHAR", "StartTime": "TIMESTAMPTZ"}]'
            )
        ) AS step
    FROM jobs
    INNER JOIN training_job_details AS detail USING (training_job_arn, creation_time)
),

-- One row per observed change and per status transition.
events AS (
    SELECT
        change.observed_at AS happened_at,
        'observed' AS source,
        change.training_job_status AS status,
        change.secondary_status,
        change.warm_pool_status AS pool,
        change.warm_pool_retained_seconds AS retained_seconds,
        change.warm_pool_reused_by_job AS reused_by,
        jobs.creation_time AS created_at,
        jobs.account_id AS account,
        jobs.region
    FROM jobs
    INNER JOIN training_job_changes AS change USING (training_job_arn, creation_time)
    UNION ALL BY NAME
    SELECT
        step.StartTime AS happened_at,
        'reported' AS source,
        step.Status AS secondary_status,
        creation_time AS created_at,
        account_id AS account,
        region
    FROM steps
)

SELECT * FROM events
ORDER BY account, region, created_at, happened_at, source DESC, secondary_status;
