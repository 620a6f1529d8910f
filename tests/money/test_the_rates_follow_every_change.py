"""The table `rates`, which the costs read, is computed again by whatever changes prices."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.config import stored
from exporter.config.model import Configuration, Discount
from exporter.prices import imports
from exporter.prices.refresh import store_api_prices
from exporter.prices.shipped import load_shipped
from exporter.sagemaker.price_list import ListedPrice
from exporter.store.check import check
from exporter.store.database import Database
from exporter.store.migrate import upgrade

NOW = datetime(2026, 11, 5, tzinfo=UTC)
ITEM = "region = 'eu-west-1' AND instance_type = 'ml.m5.xlarge' AND component = 'Training'"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    found = Database(tmp_path / "jobs.duckdb")
    upgrade(found)
    return found


def in_force(database: Database) -> list[Any]:
    """Return price and source on a day of November; the table is what its view computes."""
    assert check(database).remarks == []
    with database.reading() as connection:
        rows = connection.execute(
            f"SELECT usd_per_unit, price_source FROM rates WHERE {ITEM} "
            "AND valid_from <= '2026-11-04' AND valid_to > '2026-11-04' ORDER BY ALL"
        ).all()
    return [tuple(row) for row in rows]


def test_each_writer_computes_them_in_its_transaction(database: Database, tmp_path: Path) -> None:
    assert in_force(database) == []
    with database.writing() as connection:
        load_shipped(connection)
    ((usd, source),) = in_force(database)
    assert (usd, source.partition(":")[0]) == (Decimal("0.257"), "shipped list")

    listed = ListedPrice(
        "eu-west-1", "Training", "ml.m5.xlarge", Decimal("0.2"), "Hrs", date(2026, 1, 1), "USD"
    )
    with database.writing() as connection:
        assert store_api_prices(connection, [listed]) == 1
    assert in_force(database) == [(Decimal("0.2"), "Price List API")]

    stored.apply(database, Configuration(discounts=(Discount(Decimal(10)),)), {})
    assert in_force(database) == [(Decimal("0.18"), "Price List API, less 10 %")]

    file = tmp_path / "own.csv"
    file.write_text(
        "region,component,instance_type,usd_per_unit,unit,effective_from\n"
        "eu-west-1,Training,ml.m5.xlarge,0.1,Hrs,2026-01-01\n"
    )
    with database.writing() as connection:
        imports.import_csv(connection, file, NOW)
    assert in_force(database) == [(Decimal("0.1"), "import: own.csv")]

    with database.writing() as connection:
        imports.remove(connection, 1, NOW)
    assert in_force(database) == [(Decimal("0.18"), "Price List API, less 10 %")]

    stored.clear(database, timeout=1, notify=lambda _: None)
    assert in_force(database) == [(Decimal("0.2"), "Price List API")]


def change_and_fail(database: Database) -> None:
    with database.writing() as connection:
        connection.execute("DELETE FROM prices")
        load_shipped(connection, ["g5"])
        raise ZeroDivisionError


def test_a_change_that_fails_leaves_them_as_they_were(database: Database) -> None:
    with database.writing() as connection:
        load_shipped(connection)
    before = in_force(database)
    with pytest.raises(ZeroDivisionError):
        change_and_fail(database)
    assert in_force(database) == before
