"""`dashboard`: one self-contained page with charts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import Value
from exporter.cli.root import Command
from exporter.config.kinds import NUMBER, TIME

EPILOG = """\b
Examples:
  sagemaker-exporter dashboard --output pools.html
  sagemaker-exporter dashboard --output pools.html --since 90d
  sagemaker-exporter --db demo.duckdb dashboard --output demo.html

The page asks nothing of the network: mail it, or put it on a share.
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The page to write: the whole file, or nothing.",
)
@click.option(
    "--since",
    type=Value(TIME),
    metavar="TIME",
    help="From this UTC day on: 2026-10-01, 90d. Default: the last 12 calendar months.",
)
@click.option("--until", type=Value(TIME), metavar="TIME", help="Up to and without this UTC day.")
@click.option(
    "--minute-usd",
    type=Value(NUMBER),
    metavar="USD",
    help="What a minute that nobody has to wait is worth: marks the best keep-alive periods.",
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
    """Write one HTML page with charts: what the pools cost, and what they bought.

    It holds pool cost by month and type, waste against reuse, reuse by family, what burns now,
    training beside pools, and how fresh the data is. Its figures are those of the reports.
    """
    from exporter.dashboard import figures, page
    from exporter.reports.output import target

    period = figures.choose(since=since, until=until, today=app.now.date())
    with target(output) as stream:
        with app.database().reading() as connection:
            found = figures.read(connection, period, app.now, minute_usd)
        stream.write(page.render(found).encode())
    app.notify(f"Wrote {output}.")
