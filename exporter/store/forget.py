"""`db forget`: retires a scope. Its jobs stay, but nothing judges how fresh they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from exporter.errors import DatabaseError, UsageError
from exporter.store.database import Database
from exporter.store.locks import sync_lock
from exporter.store.schema import sync_scopes, training_jobs
from exporter.store.scopes import ScopeKey
from exporter.text import did_you_mean


@dataclass(frozen=True)
class Forgotten:
    """A scope that is retired.

    Attributes:
        scope: The account and region.
        retired_at: When it was retired, now or by an earlier `db forget`.
        jobs: Number of its jobs, which stay.
    """

    scope: ScopeKey
    retired_at: datetime
    jobs: int


def forget(
    database: Database,
    scope: ScopeKey,
    *,
    notify: Callable[[str], None] = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Forgotten:
    """Retire a scope: freshness, "Data as of", metrics and alerts no longer count it.

    Its jobs, their costs and its watermark stay. A later sync of the scope brings it back and goes
    on from that watermark.

    Raises:
        UsageError: No sync ever read this scope.
        BusyError, DatabaseError: As `Database.writing`.
    """
    with sync_lock(database.path, database.lock_timeout, notify=notify):
        with database.reading() as connection:
            known = _retired(connection)
            jobs = _jobs(connection, scope)
        if scope not in known:
            raise _unknown(scope, known)
        retired_at = known[scope]
        if retired_at is None:
            retired_at = now()
            _write(database, scope, retired_at)
    return Forgotten(scope, retired_at, jobs)


def _write(database: Database, scope: ScopeKey, retired_at: datetime) -> None:
    def read_back(connection: sa.Connection) -> None:
        if _retired(connection)[scope] is None:
            raise DatabaseError(f"{scope} is still in use.", "Nothing is lost.")

    with database.writing(read_back) as connection:
        connection.execute(
            sa.update(sync_scopes)
            .where(
                sync_scopes.c.account_id == scope.account_id, sync_scopes.c.region == scope.region
            )
            .values(retired_at=retired_at)
        )


def _retired(connection: sa.Connection) -> dict[ScopeKey, datetime | None]:
    """Return when each scope was retired; None = it is in use."""
    columns = (sync_scopes.c.account_id, sync_scopes.c.region, sync_scopes.c.retired_at)
    rows = connection.execute(sa.select(*columns).order_by(*columns[:2])).all()
    return {ScopeKey(row.account_id, row.region): row.retired_at for row in rows}


def _jobs(connection: sa.Connection, scope: ScopeKey) -> int:
    found = connection.execute(
        sa.select(sa.func.count())
        .select_from(training_jobs)
        .where(
            training_jobs.c.account_id == scope.account_id, training_jobs.c.region == scope.region
        )
    )
    return int(found.scalar_one())


def _unknown(scope: ScopeKey, known: dict[ScopeKey, datetime | None]) -> UsageError:
    in_use = [str(each) for each, retired_at in known.items() if retired_at is None]
    return UsageError(
        f"No sync ever read {scope}.{did_you_mean(str(scope), in_use)}",
        f"In use: {', '.join(in_use) or 'none'}.",
    )
