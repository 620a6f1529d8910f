-- Whether the job has ended: the rule of has_ended in syncing/order.py. AWS may add statuses. One
-- that is newer than this program is final if the job has a TrainingEndTime or a final secondary
-- status.
CASE
    WHEN training_job_status IN ('Completed', 'Failed', 'Stopped') THEN TRUE
    WHEN training_job_status IN ('InProgress', 'Stopping', 'Deleting') THEN FALSE
    ELSE training_end_time IS NOT NULL
        OR coalesce(
            secondary_status IN (
                'Completed', 'Failed', 'Stopped', 'MaxRuntimeExceeded', 'MaxWaitTimeExceeded'
            ),
            FALSE
        )
END
