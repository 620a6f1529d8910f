"""Arrow batches carry Python values into DuckDB unchanged."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from exporter.store.batches import Columns, batch, fetch, stream
from exporter.store.connections import in_memory
from exporter.store.schema import prices, training_jobs

VALUES: dict[str, list[Any]] = {
    "VARCHAR": ["text", "", "ü\0'", None],
    "BOOLEAN": [True, False, None],
    "BIGINT": [-(2**63), 2**63 - 1, None],
    "UBIGINT": [0, 2**64 - 1, None],
    "DOUBLE": [1e300, -0.0, None],
    "DECIMAL(38,12)": [Decimal("0E-12"), Decimal("-1E-12"), Decimal(10) ** 25, None],
    "DATE": [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31), None],
    "TIMESTAMP": [datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2400, 1, 1), None],
    "TIMESTAMP WITH TIME ZONE": [datetime(1969, 12, 31, tzinfo=UTC), None],
    "BLOB": [b"\0\xff", b"", None],
}


def read_back(rows: Any) -> list[tuple[Any, ...]]:
    with in_memory() as connection:
        connection.register("given", rows)
        return connection.execute("FROM given").fetchall()


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_of_each_type_is_unchanged(kind: str) -> None:
    found = read_back(stream({"value": kind}, [{"value": VALUES[kind]}]))
    assert [value for (value,) in found] == VALUES[kind]


def test_times_of_other_zones_become_utc() -> None:
    zone = timezone(timedelta(hours=2))
    rows = {"creation_time": [datetime(2026, 11, 1, 1, 30, 0, 5, tzinfo=zone)]}
    assert read_back(batch(training_jobs, rows)) == [
        (datetime(2026, 10, 31, 23, 30, 0, 5, tzinfo=UTC),)
    ]


def test_a_number_that_does_not_fit_is_an_error() -> None:
    columns: Columns = {"usd_per_unit": [Decimal(10) ** 26]}
    with pytest.raises(OverflowError):
        batch(prices, columns)


def test_a_column_of_nulls_has_the_type_of_the_table() -> None:
    rows = batch(training_jobs, {"deleted_at": [None], "team": [None], "details_due": [None]})
    with in_memory() as connection:
        connection.register("given", rows)
        kinds = connection.execute("SELECT column_type FROM (DESCRIBE FROM given)").fetchall()
    assert kinds == [("TIMESTAMP WITH TIME ZONE",), ("VARCHAR",), ("BOOLEAN",)]


def test_fetched_rows_can_be_staged_again() -> None:
    with in_memory() as connection:
        rows = fetch(connection.sql("SELECT range AS number, 'x' || range AS name FROM range(3)"))
    assert read_back(rows) == [(0, "x0"), (1, "x1"), (2, "x2")]
