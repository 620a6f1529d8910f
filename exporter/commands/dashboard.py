"""`dashboard`: the page, written to a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from exporter.reports.output import target
from exporter.store.connections import Connection
from exporter.web import figures, page


def write(
    reading: Callable[[], AbstractContextManager[Connection]],
    path: Path | None,
    *,
    since: datetime | None,
    until: datetime | None,
    minute_usd: Decimal | None,
    now: datetime,
) -> None:
    """Write the page to a file, which stays as it was if an error occurs.

    Args:
        reading: Opens what the page shows.
        path: The HTML file; None = standard output.
        since: A time on the first day; None = the last 12 calendar months.
        until: The end date, exclusive.
        minute_usd: What one minute of startup time is worth, in USD; None = as in
            keep-alive-advice.
        now: The current time.

    Raises:
        MissingExtra: The extra `dashboard` is not installed.
        UsageError: The period holds no day, or the file cannot be written.
        DatabaseError, BusyError, SchemaNewerError: The database cannot be read.
    """
    period = figures.choose_period(since=since, until=until, today=now.date())
    with target(path) as stream:
        with reading() as connection:
            found = figures.read(connection, period, now, minute_usd)
        stream.write(page.render(found).encode())
