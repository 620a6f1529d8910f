-- Whether SageMaker kept a pool after the job; NULL = not known yet. A pool that could not be
-- provisioned is Terminated without seconds, has no status, or still has the InUse of the training.
-- But seconds and statuses can also be late, so that is certain only once the job is closed: an
-- hour after its end at the earliest. A deleted job is closed at once.
CASE
    WHEN
        warm_pool_status IN ('Available', 'Reused')
        OR (warm_pool_retained_seconds > 0 AND warm_pool_retained_seconds <= 2147483647)
        THEN TRUE
    WHEN
        open_reason IS NULL
        AND (deleted_at IS NULL OR verified_at >= training_end_time + INTERVAL 1 HOUR)
        AND coalesce(warm_pool_status IN ('InUse', 'Terminated'), TRUE)
        THEN FALSE
END
