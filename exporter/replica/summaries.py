"""Turn a row into a TrainingJobSummary, with the members in the order of the service's model.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrainingJobSummary.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from exporter.store.listing import TIMES, Listed
from exporter.wire.times import EPOCH

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


#: A member, the place of its column in a row, and what writes its value.
_Written = tuple[tuple[str, int, Callable[[Any], str]], ...]


def summary(job: Listed) -> dict[str, Any]:
    """Return a `TrainingJobSummary` with aware UTC datetimes, without unknown members."""
    shown = _known(job, _MEMBERS)
    if job.warm_pool_status is not None:
        shown["WarmPoolStatus"] = _known(job, _POOL)
    return shown


def encoded(job: Listed) -> str:
    """Return the `TrainingJobSummary` as AWS JSON.

    A page has a hundred of them. By way of `summary`, they would take ten times as long.
    """
    return _object(job, _WRITTEN)


def value(job: Listed, column: str) -> Any:  # noqa: ANN401 - text, number or time
    """Return a column of a row; times as aware UTC datetimes."""
    found = getattr(job, column)
    return moment(found) if column in TIMES and found is not None else found


def moment(microseconds: int) -> datetime:
    """Return the aware UTC datetime of microseconds since the epoch, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)


def _object(job: Listed, members: _Written) -> str:
    shown = [
        f'"{member}":{write(job if write is _pool else job[place])}'
        for member, place, write in members
        if job[place] is not None
    ]
    return f"{{{','.join(shown)}}}"


def _pool(job: Listed) -> str:
    return _object(job, _WRITTEN_POOL)


def _seconds(microseconds: int) -> str:
    # As `epoch_seconds` rounds a datetime.
    return repr(round(microseconds / 1e6, 3))


def _written(members: tuple[tuple[str, str], ...]) -> _Written:

    def writer(member: str, column: str) -> Callable[[Any], str]:
        if member == "WarmPoolStatus":
            return _pool
        if column in TIMES:
            return _seconds
        return str if column == "warm_pool_retained_seconds" else encode_basestring_ascii

    return tuple(
        (member, Listed._fields.index(column), writer(member, column)) for member, column in members
    )


_WRITTEN: Final = _written(_MEMBERS)
_WRITTEN_POOL: Final = _written(_POOL)


def _known(job: Listed, members: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    values = ((member, value(job, column)) for member, column in members)
    return {member: found for member, found in values if found is not None}
