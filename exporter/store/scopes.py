"""Reads and writes how far each account and region has been synced, and the ledger of runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Final, NamedTuple

from exporter.store.connections import Connection
from exporter.store.schema import JSON, Table, sync_runs, sync_scopes


class ScopeKey(NamedTuple):
    """An account and a region."""

    account_id: str
    region: str

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"


@dataclass(frozen=True, slots=True)
class ScopeState:
    """A row of sync_scopes; exporter/store/schema.py describes the columns."""

    account_id: str
    region: str
    watermark: datetime | None = None
    discovered_to: datetime | None = None
    discovered_from: datetime | None = None
    last_complete_at: datetime | None = None
    listing_mode: str | None = None
    listing_created_after: datetime | None = None
    listing_created_before: datetime | None = None
    listing_modified_after: datetime | None = None
    listing_began_at: datetime | None = None
    listing_position: datetime | None = None
    last_error: str | None = None
    failing_runs: int | None = None

    @property
    def key(self) -> ScopeKey:
        """The account and region."""
        return ScopeKey(self.account_id, self.region)

    def without_listing(self) -> ScopeState:
        """Return the scope without an unfinished listing."""
        return replace(
            self,
            listing_mode=None,
            listing_created_after=None,
            listing_created_before=None,
            listing_modified_after=None,
            listing_began_at=None,
            listing_position=None,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A row of sync_runs; exporter/store/schema.py describes the columns. JSON is text."""

    run_id: str
    account_id: str
    region: str
    mode: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = "running"
    calls: str = "{}"
    pages: int = 0
    empty_pages: int = 0
    throttles: int = 0
    jobs_seen: int = 0
    jobs_inserted: int = 0
    jobs_changed: int = 0
    jobs_deleted: int = 0
    watermark_before: datetime | None = None
    watermark_after: datetime | None = None
    plan: str | None = None
    error: str | None = None
    odd_records: str = "{}"


def read_scopes(connection: Connection) -> dict[ScopeKey, ScopeState]:
    """Return every scope that was ever synced."""
    states = [ScopeState(*row) for row in connection.execute(_SCOPES).tuples()]
    return {state.key: state for state in states}


def read_scope(connection: Connection, key: ScopeKey) -> ScopeState:
    """Return one scope; an empty one if it was never synced."""
    rows = list(connection.execute(f"{_SCOPES} {_OF_SCOPE}", key._asdict()).tuples())
    return ScopeState(*rows[0]) if rows else ScopeState(*key)


def write_scope(connection: Connection, state: ScopeState) -> None:
    """Upsert a row of sync_scopes; a scope that was retired is in use again."""
    connection.execute(_WRITE_SCOPE, {**asdict(state), "retired_at": None})


def read_run(connection: Connection, run_id: str) -> Run | None:
    """Return one row of the ledger."""
    rows = list(connection.execute(_RUN, {"run_id": run_id}).tuples())
    return Run(*rows[0]) if rows else None


def write_run(connection: Connection, run: Run) -> None:
    """Upsert a row of sync_runs."""
    connection.execute(_WRITE_RUN, asdict(run))


def has_running(connection: Connection) -> bool:
    """Return whether the ledger has runs that have not ended."""
    return connection.execute(_RUNNING).scalar() is not None


def close_running(connection: Connection, now: datetime) -> None:
    """Mark every run that has not ended as interrupted, because its process died."""
    connection.execute(_CLOSE_RUNNING, {"now": now})


_RUNNING: Final = "SELECT run_id FROM sync_runs WHERE outcome = 'running'"
_CLOSE_RUNNING: Final = """
UPDATE sync_runs
SET outcome = 'interrupted', ended_at = :now, error = 'the process died'
WHERE outcome = 'running'
"""


def _select(table: Table, names: Iterable[str]) -> str:
    """Return a SELECT of columns; JSON comes as text."""
    columns = (f"{name}::VARCHAR" if table.types[name] == JSON else name for name in names)
    return f"SELECT {', '.join(columns)} FROM {table.name}"  # noqa: S608 - names of the schema


def _upsert(table: Table) -> str:
    """Return an INSERT of one row, which takes the place of a stored row with its key."""
    values = ", ".join(f":{name}" for name in table.names)
    changes = ", ".join(
        f"{name} = excluded.{name}" for name in table.names if name not in table.key
    )
    return (
        f"INSERT INTO {table.name} ({', '.join(table.names)}) VALUES ({values}) "  # noqa: S608 - names of the schema
        f"ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changes}"
    )


_OF_SCOPE: Final = "WHERE account_id = :account_id AND region = :region"
_SCOPES: Final = _select(sync_scopes, [field.name for field in fields(ScopeState)])
_RUN: Final = f"{_select(sync_runs, [field.name for field in fields(Run)])} WHERE run_id = :run_id"
_WRITE_SCOPE: Final = _upsert(sync_scopes)
_WRITE_RUN: Final = _upsert(sync_runs)
