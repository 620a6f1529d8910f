"""The `dashboard` command: one self-contained page of who wastes what, and what to change."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.root import Command
from exporter.config.kinds import NUMBER, PATH, TIME
from exporter.config.model import lake
from exporter.config.options import option
from exporter.errors import UsageError

EPILOG = """\b
Examples:
  sagemaker-exporter dashboard --output pools.html
  sagemaker-exporter dashboard --output pools.html --since 90d --open
  sagemaker-exporter --db demo.duckdb dashboard --output demo.html
  sagemaker-exporter dashboard --output - | ssh web 'cat > pools.html'

The page makes no network requests, so you can mail it or put it on a share.
"""
_STDOUT: Final = Path("-")


@dataclass(frozen=True)
class DashboardOptions:
    """What the page shows, and where it goes."""

    output: Path = option(
        text="HTML file to write; - = standard output. If an error occurs, an existing file stays "
        "as it was.",
        kind=PATH,
    )
    open: bool = option(False, "Open the page in the browser.")
    since: datetime | None = option(
        None,
        "First UTC day: a date such as 2026-10-01, or an age such as 90d. "
        "Default: the last 12 calendar months, including this one.",
        TIME,
    )
    until: datetime | None = option(None, "End date (UTC), exclusive.", TIME)
    minute_usd: Decimal | None = option(
        None,
        "What one minute of startup time is worth to you. Default: as in keep-alive-advice.",
        NUMBER,
        "USD",
    )
    lake: str | None = lake()


@click.command(cls=Command, epilog=EPILOG)
@options(wanted=DashboardOptions)
@pass_app
def dashboard(app: App, wanted: DashboardOptions) -> None:
    """Write one HTML page: who wastes what on warm pools, and which settings to change.

    The page has the suggested keep-alive periods, wasted and reused pools by month, family, team
    and instance type, training cost, idle pools, and how fresh the data is. Its filters work
    without a server. Its figures are those of the reports.
    """
    from exporter.commands.dashboard import write

    path = None if wanted.output == _STDOUT else wanted.output
    if wanted.open and path is None:
        raise UsageError("--open needs a file: use --output FILE.html.")
    write(
        partial(app.reading, wanted.lake),
        path,
        since=wanted.since,
        until=wanted.until,
        minute_usd=wanted.minute_usd,
        now=app.now,
    )
    if path is None:
        return
    app.notify(f"Wrote {path}.")
    if wanted.open and not webbrowser.open(path.resolve().as_uri()):
        raise UsageError(f"There is no browser to open {path} in.")
