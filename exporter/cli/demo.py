"""`demo`: everything, against the stand-in service."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli.app import App, decorated, pass_app, width
from exporter.cli.options import options
from exporter.cli.root import Command
from exporter.config.kinds import whole
from exporter.config.options import option

if TYPE_CHECKING:
    from exporter.reports.result import Result

EPILOG = (
    "It writes a new demo.duckdb into the working directory each time. It makes no call to AWS."
)
_NEXT = """\
Try next:
  sagemaker-exporter --db demo.duckdb report
  sagemaker-exporter --db demo.duckdb report warm-pool-cost --by family
  sagemaker-exporter --db demo.duckdb status
  sagemaker-exporter --db demo.duckdb query \
"SELECT job_family, sum(cost_usd) FROM warm_pool_costs GROUP BY ALL ORDER BY 2 DESC"
With your own AWS profile:
  sagemaker-exporter sync"""


@dataclass(frozen=True)
class DemoOptions:
    """How big the demo is."""

    jobs: int = option(
        5_000, "How many jobs the year has, from 100 to 100,000.", whole(100, 100_000)
    )


@click.command(cls=Command, epilog=EPILOG)
@options(wanted=DemoOptions)
@pass_app
def demo(app: App, wanted: DemoOptions) -> None:
    """Try everything against a built-in stand-in for SageMaker; you need no AWS account."""
    from exporter import demo as demos
    from exporter.reports import output

    def show(result: Result) -> None:
        with output.target(None) as stream:
            output.write(result, "table", stream, width=width() or 80, colour=decorated(sys.stdout))
        click.echo()

    with app.progress() as progress:
        demos.run(
            demos.Demo(Path(demos.FILE), app.now, wanted.jobs),
            notify=click.echo,
            show=show,
            progress=progress,
        )
    click.echo(_NEXT)
