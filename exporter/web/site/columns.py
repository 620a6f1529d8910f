"""The columns of the table of jobs, and what readers can filter and sort by."""

from __future__ import annotations

from typing import Final

#: Filter -> the column of a group that it chooses.
GROUPS: Final = {
    "account": "account_id",
    "region": "region",
    "status": "training_job_status",
    "family": "job_family",
    "team": "team",
    "instance_type": "instance_type",
    "warm_pool_status": "warm_pool_status",
    "specification": "specification",
    "deleted": "deleted",
}
#: Sort key -> its expression.
SORTS: Final = {
    "CreationTime": "creation_time",
    "Name": "training_job_name",
    "Status": "training_job_status",
    "Family": "job_family",
    "Team": "team",
    "InstanceType": "instance_type",
    "Cost": "cost_usd",
    "PoolCost": "pool_usd",
    "IdleSeconds": "warm_pool_retained_seconds",
}
#: Column -> type and unit (exporter.reports.result.Column).
COLUMNS: Final = {
    "training_job_name": ("VARCHAR", ""),
    "training_job_status": ("VARCHAR", ""),
    "secondary_status": ("VARCHAR", ""),
    "creation_time": ("TIMESTAMP WITH TIME ZONE", "time"),
    "training_end_time": ("TIMESTAMP WITH TIME ZONE", "time"),
    "last_modified_time": ("TIMESTAMP WITH TIME ZONE", "time"),
    "warm_pool_status": ("VARCHAR", ""),
    "warm_pool_retained_seconds": ("BIGINT", "seconds"),
    "warm_pool_reused_by_job": ("VARCHAR", ""),
    "training_plan_arn": ("VARCHAR", ""),
    "account_id": ("VARCHAR", ""),
    "region": ("VARCHAR", ""),
    "training_job_arn": ("VARCHAR", ""),
    "deleted_at": ("TIMESTAMP WITH TIME ZONE", "time"),
    "job_family": ("VARCHAR", ""),
    "team": ("VARCHAR", ""),
    "instance_type": ("VARCHAR", ""),
    "instance_count": ("BIGINT", ""),
    "specification": ("VARCHAR", ""),
    "keep_alive_seconds": ("BIGINT", "seconds"),
    "billable_seconds": ("BIGINT", "seconds"),
    "tags": ("VARCHAR", ""),
    "training_usd": ("DECIMAL(38,12)", "money"),
    "pool_usd": ("DECIMAL(38,12)", "money"),
    "cost_usd": ("DECIMAL(38,12)", "money"),
    "cost_is_complete": ("BOOLEAN", ""),
}
#: Column -> type, of the table.
STORED: Final = {
    "number": "UBIGINT",
    "fingerprint": "UBIGINT",
    "place": "UBIGINT",
    "deleted": "VARCHAR",
    "search_name": "VARCHAR",
} | {name: kind for name, (kind, _) in COLUMNS.items()}
