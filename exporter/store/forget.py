"""`db forget`: retires a scope. Its jobs stay, but nothing judges how fresh they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from exporter.errors import DatabaseError, UsageError
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.locks import sync_lock
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
    def read_back(connection: Connection) -> None:
        if _retired(connection)[scope] is None:
            raise DatabaseError(f"{scope} is still in use.", "Nothing is lost.")

    with database.writing(read_back) as connection:
        connection.execute(
            f"UPDATE sync_scopes SET retired_at = :retired_at {_OF_SCOPE}",  # noqa: S608 - our own words
            {**scope._asdict(), "retired_at": retired_at},
        )


def _retired(connection: Connection) -> dict[ScopeKey, datetime | None]:
    """Return when each scope was retired; None = it is in use."""
    rows = connection.execute(
        "SELECT account_id, region, retired_at FROM sync_scopes ORDER BY account_id, region"
    )
    return {ScopeKey(account, region): retired_at for account, region, retired_at in rows}


def _jobs(connection: Connection, scope: ScopeKey) -> int:
    count = f"SELECT count(*) FROM training_jobs {_OF_SCOPE}"  # noqa: S608 - our own words
    return int(connection.execute(count, scope._asdict()).scalar())


def _unknown(scope: ScopeKey, known: dict[ScopeKey, datetime | None]) -> UsageError:
    in_use = [str(each) for each, retired_at in known.items() if retired_at is None]
    return UsageError(
        f"No sync ever read {scope}.{did_you_mean(str(scope), in_use)}",
        f"In use: {', '.join(in_use) or 'none'}.",
    )


_OF_SCOPE: Final = "WHERE account_id = :account_id AND region = :region"
