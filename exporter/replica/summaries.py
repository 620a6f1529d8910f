"""From a row to a TrainingJobSummary, in the order of the service's model.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrainingJobSummary.html
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from exporter.store.listing import TIMES, Listed

PLACE: Final = ("ListTrainingJobs", "output", "TrainingJobSummaries", "[]")
"""Where the model describes a summary."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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
    """A ``TrainingJobSummary`` with aware UTC datetimes; what is not known is left out."""
    shown = _known(job, _MEMBERS)
    if job.warm_pool_status is not None:
        shown["WarmPoolStatus"] = _known(job, _POOL)
    return shown


def value(job: Listed, column: str) -> Any:  # noqa: ANN401 - text, number or time
    """A column of a row; times as aware UTC datetimes."""
    found = getattr(job, column)
    return moment(found) if column in TIMES and found is not None else found


def moment(microseconds: int) -> datetime:
    """Microseconds since the epoch as an aware UTC datetime, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _known(job: Listed, members: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    values = ((member, value(job, column)) for member, column in members)
    return {member: found for member, found in values if found is not None}
