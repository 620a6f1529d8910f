-- The specification of each job with details: what another job must match to take its warm pool.
--
-- training_job_arn: ARN of the job
-- creation_time: When the job was created
-- specification: What SageMaker compares, such as ml.g5.xlarge × 1 · role train · 30 GB. Jobs of
--   one account and region share pools if and only if it is equal. NULL = the job has no pools
--   (spot, instance groups, training plan or serverless)
SELECT
    detail.training_job_arn, detail.creation_time,
    CASE
        WHEN job.training_plan_arn IS NULL
            THEN /*part specification*/
    END AS specification
FROM main.training_job_details AS detail
INNER JOIN main.training_jobs AS job USING (training_job_arn, creation_time)
