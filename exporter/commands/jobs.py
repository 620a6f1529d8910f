"""`jobs`: which jobs to list, and the list as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from exporter.config.kinds import (
    ACCOUNT,
    JOB_NAME_PART,
    JOB_STATUS,
    POOL_STATUS,
    REGION,
    STRING,
    TIME,
    one_of,
    whole,
)
from exporter.config.model import lake
from exporter.config.options import option
from exporter.spelling import named

if TYPE_CHECKING:
    from exporter.replica.found import Found
    from exporter.reports.result import Note, Result
    from exporter.store.database import Database

_TIME: Final = {"type": "TIMESTAMP WITH TIME ZONE", "unit": "time"}
#: Column name -> the attributes of its `exporter.reports.result.Column`.
_COLUMNS: Final[Mapping[str, Mapping[str, Any]]] = {
    "training_job_name": {"key": True},
    "training_job_status": {},
    "secondary_status": {"wide": True},
    "creation_time": _TIME | {"key": True},
    "training_end_time": _TIME | {"wide": True},
    "last_modified_time": _TIME | {"wide": True},
    "warm_pool_status": {},
    "warm_pool_retained_seconds": {"type": "BIGINT", "unit": "seconds", "wide": True},
    "warm_pool_reused_by_job": {"wide": True},
    "training_plan_arn": {"wide": True},
    "account_id": {"key": True, "aside": True},
    "region": {"key": True, "aside": True},
    "training_job_arn": {"wide": True},
    "deleted_at": _TIME | {"aside": True},
}
#: The columns of a table, with what people look for first. The ARN repeats what is there already,
#: so it is for programs.
_TABLE: Final = (
    *("training_job_name", "training_job_status", "warm_pool_status", "creation_time"),
    *("training_end_time", "account_id", "region", "deleted_at", "secondary_status"),
    *("warm_pool_retained_seconds", "warm_pool_reused_by_job", "training_plan_arn"),
    "last_modified_time",
)


@dataclass(frozen=True)
class JobsOptions:
    """Which jobs to list."""

    region: str | None = option(None, "Only jobs in this region.", REGION)
    account: str | None = option(None, "Only jobs of this account.", ACCOUNT)
    name_contains: str | None = option(
        None, "Only jobs whose name contains this text; case counts.", JOB_NAME_PART
    )
    status: str | None = option(None, "Only jobs with this status.", JOB_STATUS)
    warm_pool_status: str | None = option(
        None, "Only jobs whose warm pool has this status.", POOL_STATUS
    )
    training_plan_arn: str | None = option(None, "Only jobs on this training plan.", STRING, "ARN")
    created_after: datetime | None = option(None, "Only jobs created after this time.", TIME)
    created_before: datetime | None = option(None, "Only jobs created before this time.", TIME)
    modified_after: datetime | None = option(None, "Only jobs modified after this time.", TIME)
    modified_before: datetime | None = option(None, "Only jobs modified before this time.", TIME)
    sort_by: str = option(
        "CreationTime",
        "What to sort by.",
        one_of(["Name", "CreationTime", "Status"], any_case=True),
    )
    sort_order: str = option(
        "Descending",
        "In which order to sort.",
        one_of(["Ascending", "Descending"], any_case=True),
    )
    max_results: int | None = option(None, "List at most this many jobs. Default: all.", whole(1))
    next_token: str | None = option(None, "Continue where an earlier list ended.", STRING, "TOKEN")
    deleted: bool = option(False, "Include jobs that AWS has deleted.")
    lake: str | None = lake()

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of ListTrainingJobs, by its own names."""
        named = {
            "NameContains": self.name_contains,
            "StatusEquals": self.status,
            "WarmPoolStatusEquals": self.warm_pool_status,
            "TrainingPlanArnEquals": self.training_plan_arn,
            "CreationTimeAfter": self.created_after,
            "CreationTimeBefore": self.created_before,
            "LastModifiedTimeAfter": self.modified_after,
            "LastModifiedTimeBefore": self.modified_before,
            "SortBy": self.sort_by,
            "SortOrder": self.sort_order,
            "NextToken": self.next_token,
        }
        return {name: value for name, value in named.items() if value is not None}


@contextmanager
def listing(
    database: Database, wanted: JobsOptions, now: datetime
) -> Iterator[tuple[Found, Sequence[Note]]]:
    """Give the jobs that the options choose, and what to know about them.

    The jobs are read while they are iterated, so only inside the block.

    Raises:
        UsageError: SageMaker would refuse a parameter, or there is no such scope.
        StoreError, CredentialsError, ServiceError: The file or lake cannot be read.
    """
    from exporter.replica import found
    from exporter.replica.sources import FileSource

    chosen = partial(
        found.find,
        params=wanted.parameters(),
        account=wanted.account,
        region=wanted.region,
        deleted=wanted.deleted,
        most=wanted.max_results,
    )
    if wanted.lake is None:
        # Closed between two chunks, so that no sync waits for a pager.
        yield chosen(FileSource(database)), ()
        return
    from exporter.commands.source import reading
    from exporter.replica.sources import ConnectionSource
    from exporter.reports import notes

    with reading(database, wanted.lake) as connection:
        silent = notes.of_collectors(connection, now, wanted.account, wanted.region)
        yield chosen(ConnectionSource(connection, notes.state(connection))), tuple(silent)


def result(
    answer: Found,
    notes: Sequence[Note] = (),
    *,
    deleted: bool,
    in_table: bool = False,
    with_token: bool = True,
) -> Result:
    """Return the jobs as rows; `more` has the token if more jobs follow.

    Args:
        answer: The jobs.
        notes: What to know about them.
        deleted: With `deleted_at`.
        in_table: In the order and with the columns of a table for people.
        with_token: Let the note that more jobs follow show the token.
    """
    from exporter.reports.result import Column, Note, Result

    names = _TABLE if in_table else tuple(_COLUMNS)
    names = tuple(name for name in names if deleted or name != "deleted_at")
    columns = tuple(Column(name, **_COLUMNS[name]) for name in names)
    if answer.token is None:
        return Result(columns, _rows(answer, names), notes=tuple(notes), report="jobs")
    text = f"There are more jobs: {named('next_token', answer.token)}"
    if not with_token:
        text = "There are more jobs: raise --max-results, or leave it out."
    more = {"next_token": answer.token}
    return Result(
        columns, _rows(answer, names), notes=(*notes, Note("more", text)), report="jobs", more=more
    )


def _rows(answer: Found, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    from exporter.replica.summaries import value

    for job in answer.jobs:
        yield tuple(value(job, name) for name in names)
