"""A database that tests fill with jobs, details and prices, and whose views they read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.prices import rows
from exporter.prices.rows import Price
from exporter.prices.shipped import load_shipped
from exporter.store import rates, view_files
from exporter.store.connections import Connection, connect
from exporter.store.schema import TABLES
from tests.money.known_jobs import put_october, put_six_jobs
from tests.support.rows import taken_back

ACCOUNT, REGION = "111122223333", "eu-west-1"
#: Creation time of every job unless a test gives another.
CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)


def arn(name: str, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:sagemaker:{region}:{account}:training-job/{name}"


class Ledger:
    """A database with our schema: tests put rows into it and read its views."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def put(self, table: str, **row: object) -> None:
        """Insert a row; missing columns are NULL."""
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row)
        if table == "discounts":
            rates.refresh(self.connection)

    def job(
        self,
        name: str,
        *,
        created: datetime = CREATED,
        region: str = REGION,
        account: str = ACCOUNT,
        details: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Put a Completed job, with final details if any are given."""
        key = {"training_job_arn": arn(name, region, account), "creation_time": created}
        job: dict[str, Any] = {
            **key,
            "account_id": account,
            "region": region,
            "training_job_name": name,
            "training_job_status": "Completed",
            "first_synced_at": created,
            "updated_at": created,
            "job_family": name.partition("-")[0],
            "family_rule": "name",
        }
        self.put("training_jobs", **(job | more))
        if details is not None:
            self.put(
                "training_job_details", **({**key, "fetched_at": created, "final": True} | details)
            )

    def price(
        self,
        usd: str,
        instance_type: str = "ml.m5.xlarge",
        *,
        component: str = "Training",
        region: str = REGION,
        since: date = date(2020, 1, 1),
        source: str = "import",
        account: str = "",
        currency: str = "USD",
        import_id: int = 0,
    ) -> None:
        """Put a price; a source that begins with `bill` is in force on its first day only."""
        unit = rows.UNITS[component]
        price = Price(
            region, component, instance_type, Decimal(usd), unit, since, source, account, currency
        )
        one_day = source.startswith("bill")
        rows.write(self.connection, [price], import_id=import_id, one_day=one_day)

    def read(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        result = self.connection.execute(sql, parameters)
        return list(result.mappings())

    def row(self, view: str, name: str) -> dict[str, Any]:
        """Return the only row of a view for a job of that name."""
        (row,) = self.read(f"SELECT * FROM {view} WHERE training_job_name = :name", name=name)
        return row


def after(hours: float = 0, seconds: float = 0) -> datetime:
    """Return the time that long after CREATED."""
    return CREATED + timedelta(hours=hours, seconds=seconds)


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty database to copy, because creating one takes a second."""
    path = tmp_path_factory.mktemp("money") / "empty.duckdb"
    with closing(connect(path)) as connection:
        for table in TABLES.values():
            connection.execute(table.ddl)
        view_files.create_views(connection)
    return path


@pytest.fixture
def ledger(empty_file: Path, tmp_path: Path) -> Iterator[Ledger]:
    """Yield a database without prices and without local storage families."""
    path = tmp_path / "ledger.duckdb"
    shutil.copyfile(empty_file, path)
    with closing(connect(path)) as connection, taken_back(connection):
        yield Ledger(connection)


@pytest.fixture
def shipped(ledger: Ledger) -> Ledger:
    """Return a database with the prices and families that the program ships."""
    load_shipped(ledger.connection)
    return ledger


@pytest.fixture
def priced(ledger: Ledger) -> Ledger:
    """A database with six priced jobs that run past midnight."""
    put_six_jobs(ledger)
    return ledger


@pytest.fixture
def october(ledger: Ledger) -> Ledger:
    """A database with a priced job on each of six days of October, and one in September."""
    put_october(ledger)
    return ledger
