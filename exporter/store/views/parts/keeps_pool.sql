-- Whether SageMaker keeps a pool after a job that asked for one: after a job that completed, that
-- was stopped after its launch, or that failed by its own fault (developer guide, "Managed Warm
-- Pools"). A final status that is newer than this program counts as a stop.
CASE training_job_status
    WHEN 'Completed' THEN TRUE
    WHEN 'Failed'
        THEN coalesce(
            regexp_matches(detail.failure_reason, '^(AlgorithmError|ClientError)'), FALSE
        )
    ELSE detail.training_start_time IS NOT NULL AND /*part has_ended*/
END
