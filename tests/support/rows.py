"""Rows that tests write into a database by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import sqlalchemy as sa

from exporter.store import rates

CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)


def insert(connection: sa.Connection, table: str, **row: Any) -> None:
    """Insert a row; what it leaves out is NULL. The costs use prices and discounts at once."""
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(
        sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"),
        row,
    )
    if table in ("prices", "discounts"):
        rates.refresh(connection)


def insert_all(connection: sa.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have the same columns, many at a time: each statement takes 5 ms."""
    for start in range(0, len(rows), 100):
        some = rows[start : start + 100]
        marks = ", ".join(["(" + ", ".join("?" * len(some[0])) + ")"] * len(some))
        connection.exec_driver_sql(
            f"INSERT INTO {table} ({', '.join(some[0])}) VALUES {marks}",
            tuple(chain.from_iterable(row.values() for row in some)),
        )


def put_job(connection: sa.Connection, name: str, hours: int, pool: int | None) -> None:
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
