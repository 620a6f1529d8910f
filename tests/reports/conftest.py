"""A bench for one report: the tables and views that it reads, all as tables to fill by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exporter.prices.shipped import load_shipped
from exporter.reports import running
from exporter.reports.catalogue import find
from exporter.reports.periods import Period
from exporter.reports.result import Result
from exporter.store import view_files
from exporter.store.connections import Connection, connect
from exporter.store.schema import TABLES, training_jobs
from tests.support.cases import World
from tests.support.rows import taken_back

ACCOUNT = "123456789012"
REGION = "eu-west-1"
CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)

#: The views as tables, so that a test decides every value in them.
VIEWS = {
    "daily_costs": """
        training_job_arn VARCHAR, creation_time TIMESTAMPTZ, usage_date DATE, account_id VARCHAR,
        account_name VARCHAR, region VARCHAR, training_job_name VARCHAR, job_family VARCHAR,
        team VARCHAR, tags JSON, component VARCHAR, instance_type VARCHAR,
        instance_hours DECIMAL(38, 12), gb_months DECIMAL(38, 12), usd_per_unit DECIMAL(38, 12),
        price_source VARCHAR, cost_usd DECIMAL(38, 12), cost_basis VARCHAR,
        currency VARCHAR, cost DECIMAL(38, 12)
    """,
    "warm_pool_costs": """
        training_job_arn VARCHAR, creation_time TIMESTAMPTZ, account_id VARCHAR, region VARCHAR,
        training_job_name VARCHAR, job_family VARCHAR, team VARCHAR, instance_type VARCHAR,
        instance_count BIGINT, retained_seconds BIGINT, instance_hours DECIMAL(38, 12),
        usd_per_hour DECIMAL(38, 12), compute_cost_usd DECIMAL(38, 12),
        storage_cost_usd DECIMAL(38, 12), cost_usd DECIMAL(38, 12), compute_basis VARCHAR,
        storage_basis VARCHAR, cost_basis VARCHAR, warm_pool_status VARCHAR,
        reused_by_job VARCHAR, pool_started_at TIMESTAMPTZ, pool_ended_at TIMESTAMPTZ
    """,
    "internal.cost_bases": "rank TINYINT, cost_basis VARCHAR, meaning VARCHAR",
    "internal.collectors": """
        account_id VARCHAR, region VARCHAR, collector VARCHAR, sequence BIGINT,
        published_at TIMESTAMPTZ, usual_seconds BIGINT
    """,
    "data_as_of": """
        account_id VARCHAR, account_name VARCHAR, region VARCHAR, data_as_of TIMESTAMPTZ,
        discovered_from TIMESTAMPTZ, discovered_to TIMESTAMPTZ, last_complete_at TIMESTAMPTZ,
        last_error VARCHAR
    """,
}


#: A view over these tables: daily_costs with more columns of the job.
COST_LINES = view_files.compose("""
CREATE VIEW internal.cost_lines AS
SELECT
    coalesce(
        job.rowid, -CAST(hash(cost.training_job_arn, cost.creation_time) >> 1 AS BIGINT)
    ) AS job_id,
    job.training_job_status,
    job.warm_pool_status,
    job.warm_pool_retained_seconds AS retained_seconds,
    detail.failure_reason,
    detail.role_arn,
    detail.keep_alive_seconds,
    /*part had_pool*/ AS had_pool,
    FALSE AS is_instant,
    cost.component LIKE 'Training Warm Pool%' AS is_pool,
    cost.component LIKE '%ML storage' AS is_storage,
    NOT is_pool OR coalesce(job.warm_pool_status IN ('Reused', 'Terminated'), FALSE) AS is_over,
    cost.*
FROM daily_costs AS cost
LEFT JOIN training_jobs AS job USING (training_job_arn, creation_time)
LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
""")


class Bench:
    """An empty database in memory: tests put rows into it and run reports."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def put(self, table: str, *rows: dict[str, Any]) -> None:
        """Insert rows; missing columns are NULL."""
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            self.connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",
                row,
            )

    def cost(self, job: str, component: str, usd: str | None, **more: object) -> None:
        """Put a row of daily_costs: a settled component on 2026-10-03 for ml.m5.xlarge."""
        row: dict[str, Any] = {
            "training_job_arn": f"arn:{job}",
            "creation_time": CREATED,
            "usage_date": date(2026, 10, 3),
            "account_id": ACCOUNT,
            "region": REGION,
            "training_job_name": job,
            "job_family": job.partition("-")[0],
            "component": component,
            "instance_type": "ml.m5.xlarge",
            "instance_hours": None if component.endswith("storage") else Decimal(1),
            "price_source": "import",
            "cost_usd": None if usd is None else Decimal(usd),
            "cost_basis": "settled",
        }
        self.put("daily_costs", row | more)

    def job(self, name: str, **more: object) -> None:
        """Put a completed job on one ml.m5.xlarge, with its details.

        `more` gives columns of either table by name.
        """
        key = {"training_job_arn": f"arn:{name}", "creation_time": more.pop("created", CREATED)}
        job: dict[str, Any] = {
            "account_id": ACCOUNT,
            "region": REGION,
            "training_job_name": name,
            "training_job_status": "Completed",
            "first_synced_at": CREATED,
            "updated_at": CREATED,
            "verified_at": CREATED,
            "details_due": False,
            "job_family": name.partition("-")[0],
            "family_rule": "token",
        }
        detail: dict[str, Any] = {
            "instance_type": "ml.m5.xlarge",
            "instance_count": 1,
            "volume_size_gb": 30,
            "role_arn": "arn:aws:iam::123456789012:role/trainer",
            "fetched_at": CREATED,
            "final": True,
        }
        for column, value in more.items():
            (job if column in training_jobs.names else detail)[column] = value
        self.put("training_jobs", key | job)
        if detail.get("fetched_at") is not None:
            self.put("training_job_details", key | detail)

    def pool(self, name: str, usd: str | None, **more: object) -> None:
        """Put a row of warm_pool_costs: a wasted hour of one ml.m5.xlarge from CREATED on."""
        row: dict[str, Any] = {
            "training_job_arn": f"arn:{name}",
            "creation_time": CREATED,
            "account_id": ACCOUNT,
            "region": REGION,
            "training_job_name": name,
            "job_family": name.partition("-")[0],
            "instance_type": "ml.m5.xlarge",
            "instance_count": 1,
            "usd_per_hour": Decimal(1),
            "cost_usd": None if usd is None else Decimal(usd),
            "cost_basis": "settled",
            "warm_pool_status": "Terminated",
            "pool_started_at": CREATED,
            "pool_ended_at": later(60),
        }
        self.put("warm_pool_costs", row | more)

    def scope(self, known_to: datetime = datetime(2027, 1, 1, tzinfo=UTC), **more: object) -> None:
        """Put a scope that is known up to a time, without an error."""
        row: dict[str, Any] = {"account_id": ACCOUNT, "region": REGION, "failing_runs": 0}
        row |= {"watermark": known_to} | more
        self.put("sync_scopes", row)
        fresh = {"account_id": row["account_id"], "region": row["region"]}
        self.put("data_as_of", fresh | {"data_as_of": row["watermark"]})

    def run(
        self,
        name: str,
        *,
        by: Sequence[str] = (),
        since: date = date(2026, 10, 1),
        until: date = date(2026, 11, 1),
        argument: str | None = None,
        params: Mapping[str, str] | None = None,
        now: datetime = datetime(2026, 11, 1, tzinfo=UTC),
    ) -> Result:
        """Run a report, by default for October 2026."""
        report = find(name)
        period = Period(since, until) if report.period else None
        request = running.Request(
            period=period, by=by, params=params or {}, argument=argument, now=now
        )
        return running.run(self.connection, report, request)

    @staticmethod
    def rows(result: Result) -> list[dict[str, Any]]:
        """Return the rows as dicts with every column."""
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.rows]

    @staticmethod
    def total(result: Result) -> dict[str, Any]:
        """Return the total as a dict."""
        assert result.totals is not None
        names = [column.name for column in result.columns]
        return dict(zip(names, result.totals, strict=True))


def later(minutes: float) -> datetime:
    """Return the time that many minutes after CREATED."""
    return CREATED + timedelta(minutes=minutes)


@pytest.fixture(scope="session")
def empty_database() -> Iterator[Connection]:
    with closing(connect()) as connection:
        for table in TABLES.values():
            connection.execute(table.ddl)
        connection.execute("CREATE SCHEMA internal")
        for name, columns in VIEWS.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
        connection.execute(COST_LINES)
        yield connection


@pytest.fixture
def bench(empty_database: Connection) -> Iterator[Bench]:
    with taken_back(empty_database):
        yield Bench(empty_database)


@pytest.fixture(scope="session")
def real_database() -> Iterator[Connection]:
    with closing(connect()) as connection:
        for table in TABLES.values():
            connection.execute(table.ddl)
        view_files.create_views(connection)
        load_shipped(connection)
        yield connection


@pytest.fixture
def world(real_database: Connection) -> Iterator[World]:
    """Yield an empty database with the real views and the shipped prices."""
    with taken_back(real_database):
        yield World(real_database)
    # With DuckDB 1.4, a rollback brings back the name of a batch that was registered and removed.
    real_database.execute("DROP VIEW IF EXISTS new_prices")
