"""Turn a row into a TrainingJobSummary, with the members in the order of the service's model.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrainingJobSummary.html
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from exporter.store.listing import TIMES, Listed
from exporter.wire.times import EPOCH

PLACE: Final = ("ListTrainingJobs", "output", "TrainingJobSummaries", "[]")
"""The place of a summary in botocore's model."""

_MEMBERS: Final = (
    ("TrainingJobName", "training_job_name"),
    ("TrainingJobArn", "training_job_arn"),
    ("CreationTime", "creation_time"),
    ("TrainingEndTime", "training_end_time"),
    ("LastModifiedTime", "last_modified_time"),
    ("TrainingJobStatus", "training_job_status"),
    ("SecondaryStatus", "secondary_status"),
    ("WarmPoolStatus", "warm_pool_status"),
    ("TrainingPlanArn", "training_plan_arn"),
)
_POOL: Final = (
    ("Status", "warm_pool_status"),
    ("ResourceRetainedBillableTimeInSeconds", "warm_pool_retained_seconds"),
    ("ReusedByJob", "warm_pool_reused_by_job"),
)


def summary(job: Listed) -> dict[str, Any]:
    """Return a `TrainingJobSummary` with aware UTC datetimes, without unknown members."""
    shown = _known(job, _MEMBERS)
    if job.warm_pool_status is not None:
        shown["WarmPoolStatus"] = _known(job, _POOL)
    return shown


def value(job: Listed, column: str) -> Any:  # noqa: ANN401 - text, number or time
    """Return a column of a row; times as aware UTC datetimes."""
    found = getattr(job, column)
    return moment(found) if column in TIMES and found is not None else found


def moment(microseconds: int) -> datetime:
    """Return the aware UTC datetime of microseconds since the epoch, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)


def _known(job: Listed, members: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    values = ((member, value(job, column)) for member, column in members)
    return {member: found for member, found in values if found is not None}
