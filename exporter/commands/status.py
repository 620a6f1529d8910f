"""`status`: the figures, judged by the configuration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from exporter.config import stored
from exporter.config.model import Source
from exporter.config.sources import leads_to
from exporter.errors import PartialError
from exporter.reports import status
from exporter.reports.status import Status
from exporter.store.database import Database
from exporter.times import format_age


def read(
    database: Database,
    sources: Sequence[Source],
    regions: Collection[str],
    *,
    now: datetime,
    runs: int,
) -> Status:
    """Return the figures of all scopes.

    Args:
        database: The file.
        sources: The sources of the configuration, which say whose age counts.
        regions: The regions of sources that name none.
        now: The time by this machine's clock.
        runs: How many of the last runs to read.

    Raises:
        DatabaseError, BusyError, SchemaNewerError: The file cannot be read.
    """
    with database.reading() as connection:
        reached = stored.reached_accounts(connection)
        return status.read(
            connection,
            now,
            runs=runs,
            is_configured=lambda account, region: leads_to(
                sources, reached, account, region, regions
            ),
        )


def check_age(found: Status, max_age: timedelta) -> None:
    """Raise PartialError if the data of a scope is older than this."""
    if stale := found.stale(max_age):
        raise PartialError(f"Older than {format_age(max_age)}: {'; '.join(stale)}.")
