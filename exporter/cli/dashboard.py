"""The `dashboard` command: one self-contained page with charts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import Number, Time
from exporter.cli.root import Command

EPILOG = """\b
Examples:
  sagemaker-exporter dashboard --output pools.html
  sagemaker-exporter dashboard --output pools.html --since 90d
  sagemaker-exporter --db demo.duckdb dashboard --output demo.html

The page makes no network requests, so you can mail it or put it on a share.
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="HTML file to write. If an error occurs, an existing file stays as it was.",
)
@click.option(
    "--since",
    type=Time(),
    metavar="TIME",
    help="First UTC day: a date such as 2026-10-01, or an age such as 90d. "
    "Default: the last 12 calendar months, including this one.",
)
@click.option("--until", type=Time(), metavar="TIME", help="End date (UTC), exclusive.")
@click.option(
    "--minute-usd",
    type=Number(),
    metavar="USD",
    help="What one minute of startup time is worth to you. With it, the page suggests "
    "keep-alive periods.",
)
@pass_app
def dashboard(
    app: App,
    *,
    output: Path,
    since: datetime | None,
    until: datetime | None,
    minute_usd: Decimal | None,
) -> None:
    """Write one HTML page with charts of what warm pools cost and how they are used.

    The page shows pool cost by month and instance type, reused and wasted pools, reuse by family,
    idle pools, keep-alive periods, training cost, and how fresh the data is. Its figures are
    those of the reports.
    """
    from exporter.reports.output import target
    from exporter.web import figures, page

    period = figures.choose_period(since=since, until=until, today=app.now.date())
    with target(output) as stream:
        with app.database().reading() as connection:
            found = figures.read(connection, period, app.now, minute_usd)
        stream.write(page.render(found).encode())
    app.say(f"Wrote {output}.")
