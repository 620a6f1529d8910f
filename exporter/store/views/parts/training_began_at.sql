coalesce(
    list_min(
        list_transform(
            list_filter(
                from_json(
                    detail.status_transitions,
                    '[{"Status": "VARCHAR", "StartTime": "TIMESTAMPTZ"}]'
                ),
                lambda step: step.Status = 'Training'
            ),
            lambda step: step.StartTime
        )
    ),
    detail.training_start_time
)
