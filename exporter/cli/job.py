"""`job`: one job, whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from exporter.cli.app import App, decorated, pass_app, width
from exporter.cli.options import options
from exporter.cli.results import print_json
from exporter.cli.root import Command
from exporter.config.kinds import ACCOUNT, REGION, one_of
from exporter.config.model import lake
from exporter.config.options import option

if TYPE_CHECKING:
    from exporter.reports.job import JobReport

EPILOG = """\b
Examples:
  sagemaker-exporter job bert-ft-42
  sagemaker-exporter job bert-ft-42 --region eu-west-1 --format markdown
  sagemaker-exporter job bert-ft-42 --json | jq '.jobs[0].cost_usd'
"""
FORMATS: Final = ("table", "json", "markdown")


@dataclass(frozen=True)
class JobOptions:
    """Which of several jobs of one name to show."""

    account: str | None = option(None, "Only jobs of this account.", ACCOUNT)
    region: str | None = option(None, "Only jobs in this region.", REGION)
    lake: str | None = lake()


@dataclass(frozen=True)
class JobOutput:
    """The options of the printing: a job is several tables, so CSV cannot hold it."""

    format_name: str = option("table", "How to print the job.", one_of(FORMATS), flag="--format")
    as_json: bool = option(False, "The same as --format json.", flag="--json")

    @property
    def style(self) -> str:
        """The format to print."""
        return "json" if self.as_json else self.format_name


@click.command(cls=Command, epilog=EPILOG)
@click.argument("name", metavar="NAME")
@options(wanted=JobOptions, output=JobOutput)
@pass_app
def job(app: App, name: str, wanted: JobOptions, output: JobOutput) -> None:
    """Show one job, whole: what it is, its history, cost and pool, and what is not known.

    NAME is a name or an ARN. Jobs that share the name follow each other, the newest first: jobs
    in other accounts and regions, and jobs whose name was used again after a deletion.
    """
    from exporter.reports import job as jobs

    with app.reading(wanted.lake) as connection:
        found = jobs.read(connection, name, account=wanted.account, region=wanted.region)
    if output.style == "json":
        print_json({"jobs": [each.to_json() for each in found]})
    else:
        _print(found, output.style)


def _print(found: Sequence[JobReport], style: str) -> None:
    from exporter.reports import rendering, table

    sections = [section for each in found for section in each.sections()]
    for number, section in enumerate(sections):
        if number:
            click.echo()
        if style == "markdown":
            click.echo(f"## {rendering.escaped(section.title)}\n")
            rendering.write_markdown(section, sys.stdout)
            for note in section.notes:
                click.echo(f"\n{rendering.escaped(note.text)}")
        else:
            text = table.render(section, width=width(), colour=decorated(sys.stdout))
            click.echo(text, nl=False, color=True)
