"""`demo`: all of it, against the stand-in service."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli.app import App, decorated, pass_app, width
from exporter.cli.options import Whole
from exporter.cli.root import Command

if TYPE_CHECKING:
    from exporter.reports.result import Result
    from exporter.syncing.progress import Progress

EPILOG = (
    "It writes demo.duckdb into the working directory, anew each time, and calls nobody but itself."
)
_NEXT = """\
Try next:
  sagemaker-exporter --db demo.duckdb report
  sagemaker-exporter --db demo.duckdb report warm-pool-cost --by family
  sagemaker-exporter --db demo.duckdb status
  sagemaker-exporter --db demo.duckdb query \
"SELECT job_family, sum(cost_usd) FROM warm_pool_costs GROUP BY ALL ORDER BY 2 DESC"
And with an AWS profile of your own:
  sagemaker-exporter sync"""


@click.command(cls=Command, epilog=EPILOG)
@click.option(
    "--jobs",
    type=Whole(100, 100_000),
    default=5_000,
    show_default=True,
    metavar="N",
    help="How many jobs the year has.",
)
@pass_app
def demo(app: App, *, jobs: int) -> None:
    """Show all of it against a built-in stand-in for SageMaker; no AWS account is needed."""
    from exporter import demo as demos
    from exporter.reports import output

    def show(result: Result) -> None:
        with output.target(None) as stream:
            output.write(result, "table", stream, width=width() or 80, colour=decorated(sys.stdout))
        click.echo()

    with _progress(app) as progress:
        demos.run(
            demos.Demo(Path(demos.FILE), app.now, jobs),
            say=click.echo,
            show=show,
            progress=progress,
        )
    click.echo(_NEXT)


def _progress(app: App) -> AbstractContextManager[Progress | None]:
    if app.quiet or not decorated(sys.stderr):
        return nullcontext(None)
    from exporter.cli.progress import Terminal

    return Terminal()
