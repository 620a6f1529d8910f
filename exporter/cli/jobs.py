"""`jobs`: ListTrainingJobs on the command line, from the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import Account, Matching, OneOf, Region, Time, Whole
from exporter.cli.results import FORMATS, printing, style_of
from exporter.cli.root import Command
from exporter.cli.sync import POOL_STATUSES, STATUSES

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

The newest jobs come first, of all accounts and regions in the database. Nobody is asked: it is as
fresh as the last sync (see `status`). What differs from the service: docs/list-training-jobs.md.
"""
#: Column -> DuckDB's type, how a table shows it, and whether it goes first when room is short.
_COLUMNS: Final = {
    "training_job_name": ("VARCHAR", "", False),
    "training_job_status": ("VARCHAR", "", False),
    "secondary_status": ("VARCHAR", "", True),
    "creation_time": ("TIMESTAMP WITH TIME ZONE", "", False),
    "training_end_time": ("TIMESTAMP WITH TIME ZONE", "", True),
    "last_modified_time": ("TIMESTAMP WITH TIME ZONE", "", True),
    "warm_pool_status": ("VARCHAR", "", False),
    "warm_pool_retained_seconds": ("BIGINT", "seconds", True),
    "warm_pool_reused_by_job": ("VARCHAR", "", True),
    "training_plan_arn": ("VARCHAR", "", True),
    "account_id": ("VARCHAR", "", True),
    "region": ("VARCHAR", "", True),
    "training_job_arn": ("VARCHAR", "", True),
    "deleted_at": ("TIMESTAMP WITH TIME ZONE", "", True),
}


@click.command(cls=Command, epilog=EPILOG)
@click.option("--region", type=Region(), metavar="REGION", help="Only this region.")
@click.option("--account", type=Account(), metavar="ID", help="Only this account.")
@click.option(
    "--name-contains",
    type=Matching(r"[a-zA-Z0-9-]{1,63}", "up to 63 letters, digits and hyphens"),
    metavar="TEXT",
    help="Whose name contains this; case counts.",
)
@click.option("--status", type=OneOf(STATUSES, case_sensitive=False), help="With this status.")
@click.option(
    "--warm-pool-status",
    type=OneOf(POOL_STATUSES, case_sensitive=False),
    help="With this status of the warm pool.",
)
@click.option("--training-plan-arn", metavar="ARN", help="On this training plan.")
@click.option("--created-after", type=Time(), metavar="TIME", help="Created after this.")
@click.option("--created-before", type=Time(), metavar="TIME", help="Created before this.")
@click.option("--modified-after", type=Time(), metavar="TIME", help="Last modified after this.")
@click.option("--modified-before", type=Time(), metavar="TIME", help="Last modified before this.")
@click.option(
    "--sort-by",
    type=OneOf(["Name", "CreationTime", "Status"], case_sensitive=False),
    default="CreationTime",
    show_default=True,
    help="What to sort by.",
)
@click.option(
    "--sort-order",
    type=OneOf(["Ascending", "Descending"], case_sensitive=False),
    default="Descending",
    show_default=True,
    help="In which direction.",
)
@click.option("--max-results", type=Whole(1), metavar="N", help="At most so many. Default: all.")
@click.option("--next-token", metavar="TOKEN", help="Go on where an earlier answer ended.")
@click.option("--deleted", is_flag=True, help="Also jobs that AWS has deleted.")
@click.option(
    "--format",
    type=OneOf([*FORMATS, "aws"]),
    default="table",
    show_default=True,
    help="How to print the jobs; aws: as `aws sagemaker list-training-jobs` does.",
)
@click.option("--json", is_flag=True, help="The same as --format json.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write there instead: the whole file, or nothing.",
)
@pass_app
def jobs(
    app: App,
    *,
    region: str | None,
    account: str | None,
    name_contains: str | None,
    status: str | None,
    warm_pool_status: str | None,
    training_plan_arn: str | None,
    created_after: datetime | None,
    created_before: datetime | None,
    modified_after: datetime | None,
    modified_before: datetime | None,
    sort_by: str,
    sort_order: str,
    max_results: int | None,
    next_token: str | None,
    deleted: bool,
    format: str,
    json: bool,
    output: Path | None,
) -> None:
    """List training jobs by the parameters of ListTrainingJobs, from the database.

    Filters apply before anything is cut off, and jobs that AWS has forgotten are still known:
    --deleted shows those that were deleted there.
    """
    from exporter.replica import found

    asked = {
        "NameContains": name_contains,
        "StatusEquals": status,
        "WarmPoolStatusEquals": warm_pool_status,
        "TrainingPlanArnEquals": training_plan_arn,
        "CreationTimeAfter": created_after,
        "CreationTimeBefore": created_before,
        "LastModifiedTimeAfter": modified_after,
        "LastModifiedTimeBefore": modified_before,
        "SortBy": sort_by,
        "SortOrder": sort_order,
        "NextToken": next_token,
    }
    answer = found.find(
        app.database(),
        {name: value for name, value in asked.items() if value is not None},
        account=account,
        region=region,
        deleted=deleted,
        most=max_results,
    )
    style = style_of(format, json=json)
    if style == "aws":
        from exporter.reports.output import target

        with target(output) as stream:
            for part in answer.as_the_aws_cli_prints():
                stream.write(part.encode())
        return
    with printing(app, style, output) as show:
        show(_result(answer, deleted=deleted))


def _result(answer: Found, *, deleted: bool) -> Result:
    from exporter.reports.result import Column, Note, Result

    names = [name for name in _COLUMNS if deleted or name != "deleted_at"]
    columns = tuple(Column(name, *_COLUMNS[name]) for name in names)
    notes: tuple[Note, ...] = ()
    if answer.token is not None:
        notes = (Note("more", f"There are more: --next-token {answer.token}"),)
    return Result(columns, _rows(answer, names), notes=notes, report="jobs")


def _rows(answer: Found, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    from exporter.replica.summaries import value

    for job in answer.jobs:
        yield tuple(value(job, name) for name in names)
