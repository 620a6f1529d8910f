"""`demo`: everything, against the stand-in service."""

from __future__ import annotations

import shlex
import shutil
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
#: Commands to try on the file of the demo, after the name of the program.
_NEXT = (
    "--db demo.duckdb report",
    "--db demo.duckdb report warm-pool-cost --by family",
    "--db demo.duckdb report keep-alive-advice",
    "--db demo.duckdb status",
    '--db demo.duckdb query "SELECT job_family, sum(cost_usd) FROM warm_pool_costs '
    'GROUP BY ALL ORDER BY 2 DESC"',
)


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
    program = _program(sys.argv[0])
    click.echo("\n".join(["Try next:", *(f"  {program} {words}" for words in _NEXT)]))
    click.echo(f"With your own AWS profile:\n  {program} doctor\n  {program} sync")


def _program(started: str) -> str:
    """Return how to run this program from the working directory, as the user may have done.

    Args:
        started: The path with which it was started.
    """
    name = "sagemaker-exporter"
    found = shutil.which(name)
    if Path(started).name != name:  # python -m exporter
        return f"{shlex.quote(sys.executable)} -m exporter"
    if found is not None and Path(found).samefile(started):
        return name
    path = Path(started)
    here = path.is_absolute() and path.is_relative_to(Path.cwd())
    return shlex.quote(str(path.relative_to(Path.cwd()) if here else path))
