"""The `dashboard` command: one self-contained page with charts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.root import Command
from exporter.config.kinds import NUMBER, PATH, TIME
from exporter.config.options import option

EPILOG = """\b
Examples:
  sagemaker-exporter dashboard --output pools.html
  sagemaker-exporter dashboard --output pools.html --since 90d
  sagemaker-exporter --db demo.duckdb dashboard --output demo.html

The page makes no network requests, so you can mail it or put it on a share.
"""


@dataclass(frozen=True)
class DashboardOptions:
    """What the page shows, and where it goes."""

    output: Path = option(
        text="HTML file to write. If an error occurs, an existing file stays as it was.", kind=PATH
    )
    since: datetime | None = option(
        None,
        "First UTC day: a date such as 2026-10-01, or an age such as 90d. "
        "Default: the last 12 calendar months, including this one.",
        TIME,
    )
    until: datetime | None = option(None, "End date (UTC), exclusive.", TIME)
    minute_usd: Decimal | None = option(
        None,
        "What one minute of startup time is worth to you. With it, the page suggests keep-alive "
        "periods.",
        NUMBER,
        "USD",
    )


@click.command(cls=Command, epilog=EPILOG)
@options(wanted=DashboardOptions)
@pass_app
def dashboard(app: App, wanted: DashboardOptions) -> None:
    """Write one HTML page with charts of what warm pools cost and how they are used.

    The page shows pool cost by month and instance type, reused and wasted pools, reuse by family,
    idle pools, keep-alive periods, training cost, and how fresh the data is. Its figures are
    those of the reports.
    """
    from exporter.commands.dashboard import write

    write(
        app.database(),
        wanted.output,
        since=wanted.since,
        until=wanted.until,
        minute_usd=wanted.minute_usd,
        now=app.now,
    )
    app.notify(f"Wrote {wanted.output}.")
