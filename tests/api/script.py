"""A script as a user writes it, with types: `make lint` checks it with mypy --strict."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

import duckdb
import polars

from exporter import client, connect, dashboard, job, jobs, reconcile, report, status, sync
from exporter.api.table import Job, Table
from exporter.reports.status import Status
from exporter.syncing.outcome import SyncReport


def main(db: Path, bill: Path, page: str) -> tuple[Decimal, list[str]]:
    """Call every function, and return a total and some names."""
    done = sync(db, regions=["eu-west-1"], since=timedelta(days=90), max_rps=0, full=True)
    assert_type(done, SyncReport)
    assert_type(done.total("jobs_inserted"), int)

    costs = report(db, "training-cost", since=date(2026, 10, 1), by="family", fail_over="1000")
    assert_type(costs, Table)
    assert_type(costs.rows, list[dict[str, Any]])
    assert_type(costs.pl(), polars.DataFrame)
    assert_type(costs.to_arrow().num_rows, int)
    total: Decimal = costs.totals["cost_usd"] if costs.totals else Decimal()
    codes = [note.code for note in costs.notes]

    names: list[str] = [row["training_job_name"] for row in jobs(db, status="Completed")]
    assert_type(job(db, names[0], region="eu-west-1"), list[Job])
    assert_type(job(db, names[0])[0].cost_usd, Decimal | None)

    fresh = status(db, max_age="7d", runs=1)
    assert_type(fresh, Status)
    assert_type([scope.age(datetime.now(UTC)) for scope in fresh.scopes], list[timedelta | None])

    assert_type(reconcile(str(db), bill, all=True), Table)
    assert_type(dashboard(db, page, minute_usd=0.5), Path)
    with connect(db) as opened:
        assert_type(opened, duckdb.DuckDBPyConnection)
    client(db).list_training_jobs(MaxResults=1)
    return total, [*names, *codes]
