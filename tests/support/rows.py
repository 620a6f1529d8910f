"""Rows that tests write into a database by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import duckdb
import pytest

from exporter.store import alchemy, rates
from exporter.store.connections import Connection

CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)


@contextmanager
def taken_back(connection: Connection) -> Iterator[None]:
    """Take back what the block writes."""
    connection.raw.begin()
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # an error in the block has ended the transaction
            connection.raw.rollback()


Hook = Callable[[duckdb.DuckDBPyConnection, str], object]


@contextmanager
def hooked(*, before: Hook = lambda *_: None, after: Hook = lambda *_: None) -> Iterator[None]:
    """Call functions around each statement, also of Alembic and SQLAlchemy."""
    patched = pytest.MonkeyPatch()
    for owner, name in ((Connection, "raw"), (alchemy._Cursor, "_raw")):
        patched.setattr(owner, "execute", _hooked(owner.execute, name, before, after))
    try:
        yield
    finally:
        patched.undo()


def _hooked(execute: Callable[..., Any], raw: str, before: Hook, after: Hook) -> Callable[..., Any]:
    def run(self: object, statement: str, *arguments: Any) -> Any:
        before(getattr(self, raw), statement)
        result = execute(self, statement, *arguments)
        after(getattr(self, raw), statement)
        return result

    return run


def insert(connection: Connection, table: str, **row: Any) -> None:
    """Insert a row; what it leaves out is NULL. The costs use prices and discounts at once."""
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks})",
        row,
    )
    if table in ("prices", "discounts"):
        rates.refresh(connection)


def insert_all(connection: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have the same columns, many at a time: each statement takes 5 ms."""
    for start in range(0, len(rows), 100):
        some = rows[start : start + 100]
        marks = ", ".join(["(" + ", ".join("?" * len(some[0])) + ")"] * len(some))
        connection.raw.execute(
            f"INSERT INTO {table} ({', '.join(some[0])}) VALUES {marks}",
            list(chain.from_iterable(row.values() for row in some)),
        )


def put_job(connection: Connection, name: str, hours: int, pool: int | None) -> None:
    """A job of October 2026 on one ml.m5.xlarge: hours trained, seconds of pool retained."""
    key = {
        "training_job_arn": f"arn:aws:sagemaker:eu-west-1:123456789012:training-job/{name}",
        "creation_time": CREATED,
    }
    end = CREATED + timedelta(hours=hours)
    insert(
        connection,
        "training_jobs",
        **key,
        account_id="123456789012",
        region="eu-west-1",
        training_job_name=name,
        training_job_status="Completed",
        training_end_time=end,
        last_modified_time=end,
        warm_pool_status=None if pool is None else "Terminated",
        warm_pool_retained_seconds=pool,
        first_synced_at=end,
        updated_at=end,
        verified_at=end,
        details_due=False,
        job_family=name.partition("-")[0],
        family_rule="token",
    )
    insert(
        connection,
        "training_job_details",
        **key,
        instance_type="ml.m5.xlarge",
        instance_count=1,
        volume_size_gb=30,
        training_start_time=CREATED,
        billable_seconds=hours * 3600,
        fetched_at=end,
        final=True,
    )
