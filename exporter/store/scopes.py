"""Reads and writes how far each account and region has been synced, and the ledger of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from exporter.store.schema import sync_runs, sync_scopes
from exporter.store.upsert import upsert


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


def read_scopes(connection: sa.Connection) -> dict[ScopeKey, ScopeState]:
    """Return every scope that was ever synced."""
    rows = connection.execute(sa.select(sync_scopes)).mappings().all()
    states = [ScopeState(**_known(ScopeState, row)) for row in rows]
    return {state.key: state for state in states}


def read_scope(connection: sa.Connection, key: ScopeKey) -> ScopeState:
    """Return one scope; an empty one if it was never synced."""
    found = connection.execute(
        sa.select(sync_scopes).where(
            sync_scopes.c.account_id == key.account_id, sync_scopes.c.region == key.region
        )
    ).mappings()
    rows = found.all()
    return ScopeState(**_known(ScopeState, rows[0])) if rows else ScopeState(*key)


def write_scope(connection: sa.Connection, state: ScopeState) -> None:
    """Upsert a row of sync_scopes; a scope that was retired is in use again."""
    row = {**asdict(state), "retired_at": None}
    upsert(connection, sync_scopes, insert(sync_scopes).values(row), row)


def read_run(connection: sa.Connection, run_id: str) -> Run | None:
    """Return one row of the ledger."""
    statement = sa.select(
        *[
            sa.cast(column, sa.String).label(column.name)
            if isinstance(column.type, sa.JSON)
            else column
            for column in sync_runs.columns
        ]
    ).where(sync_runs.c.run_id == run_id)
    rows = connection.execute(statement).mappings().all()
    return Run(**_known(Run, rows[0])) if rows else None


def write_run(connection: sa.Connection, run: Run) -> None:
    """Upsert a row of sync_runs."""
    row = asdict(run)
    for column in sync_runs.columns:
        if isinstance(column.type, sa.JSON):
            row[column.name] = sa.cast(sa.literal(row[column.name], sa.String), column.type)
    upsert(connection, sync_runs, insert(sync_runs).values(row), row)


def _known(type_: type[Any], row: Mapping[Any, Any]) -> dict[str, Any]:
    return {field.name: row[field.name] for field in fields(type_)}


def has_running(connection: sa.Connection) -> bool:
    """Return whether the ledger has runs that have not ended."""
    return connection.execute(sa.text(_RUNNING)).scalar() is not None


def close_running(connection: sa.Connection, now: datetime) -> None:
    """Mark every run that has not ended as interrupted, because its process died."""
    connection.execute(sa.text(_CLOSE_RUNNING), {"now": now})


_RUNNING: Final = "SELECT run_id FROM sync_runs WHERE outcome = 'running'"
_CLOSE_RUNNING: Final = """
UPDATE sync_runs
SET outcome = 'interrupted', ended_at = :now, error = 'the process died'
WHERE outcome = 'running'
"""
