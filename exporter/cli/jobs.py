"""`jobs`: ListTrainingJobs on the command line, from the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.results import FORMATS, Output, printing
from exporter.cli.root import Command
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
from exporter.config.options import option

if TYPE_CHECKING:
    from exporter.replica.found import Found
    from exporter.reports.result import Result

EPILOG = """\b
Examples:
  sagemaker-exporter jobs --max-results 20
  sagemaker-exporter jobs --status InProgress --region eu-west-1
  sagemaker-exporter jobs --name-contains bert --created-after 7d
  sagemaker-exporter jobs --warm-pool-status Available --sort-by Name
  sagemaker-exporter jobs --deleted --format csv --output all-jobs.csv
  sagemaker-exporter jobs --format aws | jq '.TrainingJobSummaries | length'

The newest jobs of all accounts and regions in the database come first. The command makes no
call to AWS; the list is as fresh as the last sync (see `status`). docs/list-training-jobs.md lists
what differs from SageMaker.
"""
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


@dataclass(frozen=True)
class JobsOutput(Output):
    """The options of commands that print rows, with `aws` as a further format."""

    format_name: str = option(
        "table",
        "How to print the jobs; aws: as `aws sagemaker list-training-jobs` does.",
        one_of([*FORMATS, "aws"]),
        flag="--format",
    )


@click.command(cls=Command, epilog=EPILOG)
@options(wanted=JobsOptions, output=JobsOutput)
@pass_app
def jobs(app: App, wanted: JobsOptions, output: JobsOutput) -> None:
    """List training jobs by the parameters of ListTrainingJobs, from the database.

    Filters apply to all jobs, before --max-results. With --deleted, the list includes jobs that
    AWS has deleted.
    """
    from exporter.replica import found

    answer = found.find(
        app.database(),
        wanted.parameters(),
        account=wanted.account,
        region=wanted.region,
        deleted=wanted.deleted,
        most=wanted.max_results,
    )
    if output.style == "aws":
        from exporter.reports.output import target

        with target(output.path) as stream:
            for part in answer.as_the_aws_cli_prints():
                stream.write(part.encode())
        return
    in_table = output.style == "table"
    # A token is for programs, and for those who go on with one.
    with_token = not in_table or wanted.next_token is not None
    with printing(app, output) as show:
        names = _TABLE if in_table else tuple(_COLUMNS)
        show(_result(answer, names, deleted=wanted.deleted, with_token=with_token))


def _result(answer: Found, names: Sequence[str], *, deleted: bool, with_token: bool) -> Result:
    """Return the jobs with these columns; `deleted_at` needs `deleted`."""
    from exporter.reports.result import Column, Note, Result

    names = [name for name in names if deleted or name != "deleted_at"]
    columns = tuple(Column(name, **_COLUMNS[name]) for name in names)
    notes: tuple[Note, ...] = ()
    if answer.token is not None and with_token:
        notes = (Note("more", f"There are more jobs: --next-token {answer.token}"),)
    elif answer.token is not None:
        notes = (Note("more", "There are more jobs: raise --max-results, or leave it out."),)
    return Result(columns, _rows(answer, names), notes=notes, report="jobs")


def _rows(answer: Found, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    from exporter.replica.summaries import value

    for job in answer.jobs:
        yield tuple(value(job, name) for name in names)
