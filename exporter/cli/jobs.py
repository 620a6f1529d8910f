"""`jobs`: ListTrainingJobs on the command line, from the database."""

from __future__ import annotations

from dataclasses import dataclass

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.results import FORMATS, Output, printing
from exporter.cli.root import Command
from exporter.commands.jobs import JobsOptions, listing, result
from exporter.config.kinds import one_of
from exporter.config.options import option

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
    with listing(app.database(), wanted, app.now) as (answer, notes):
        if output.style == "aws":
            from exporter.reports.output import target

            with target(output.path) as stream:
                for part in answer.as_the_aws_cli_prints():
                    stream.write(part.encode())
            return

        in_table = output.style == "table"
        # A token is for programs, and for those who go on with one.
        with_token = not in_table or wanted.next_token is not None
        found = result(
            answer, notes, deleted=wanted.deleted, in_table=in_table, with_token=with_token
        )
        with printing(app, output) as show:
            show(found)
