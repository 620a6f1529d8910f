"""`db prune`: removes runs that found nothing from the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from exporter.errors import DatabaseError
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.locks import sync_lock

#: Runs that found nothing are kept for this many days.
KEPT_DAYS: Final = 90


@dataclass(frozen=True)
class Pruned:
    """Number of runs removed and kept.

    Attributes:
        removed: Runs removed.
        kept: Runs kept.
        since: Runs that found nothing are kept if they ended at this time or later.
    """

    removed: int
    kept: int
    since: datetime


def prune(
    database: Database,
    *,
    notify: Callable[[str], None] = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Pruned:
    """Remove runs that found nothing and are older than 90 days.

    The last run and the last complete run of each scope stay, and so does every run to which a row
    of training_job_changes refers. A run that is later than tomorrow comes from a clock that was
    ahead; it counts as old, or it would stay for as long as that clock was ahead.

    Raises:
        ExporterError: The commit failed, or another sync is running.
    """
    since = now() - timedelta(days=KEPT_DAYS)
    with sync_lock(database.path, database.lock_timeout, notify=notify):
        with database.reading() as connection:
            stale = {"since": since, "tomorrow": since + timedelta(days=KEPT_DAYS + 1)}
            removed = len(connection.execute(f"SELECT 1 {_NOTHING_FOUND}", stale).all())
            total = _count(connection)
        if removed:

            def read_back(connection: Connection) -> None:
                if _count(connection) != total - removed:
                    raise DatabaseError("The runs are still in the ledger.", "Nothing is lost.")

            with database.writing(read_back) as connection:
                connection.execute(f"DELETE {_NOTHING_FOUND}", stale)
    return Pruned(removed, total - removed, since)


def _count(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM sync_runs").all()[0][0])


#: The runs that `prune` removes; SELECT or DELETE comes before it.
_NOTHING_FOUND: Final = """
FROM sync_runs
WHERE outcome <> 'running'
    AND coalesce(ended_at, started_at) NOT BETWEEN :since AND :tomorrow
    AND coalesce(jobs_inserted, 0) + coalesce(jobs_changed, 0) + coalesce(jobs_deleted, 0) = 0
    AND run_id NOT IN (SELECT run_id FROM training_job_changes)
    AND run_id NOT IN (
        SELECT arg_max(run_id, rowid) FROM sync_runs GROUP BY account_id, region
        UNION ALL
        SELECT arg_max(run_id, rowid) FROM sync_runs
        WHERE outcome = 'complete' GROUP BY account_id, region
    )
"""
