"""What the program brings along: public list prices, and the families with local storage.

The price list is a default that announces itself: its sources begin with `shipped list: `, any
other source beats it, and `effective_from` is only the day on which a price was seen.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final

from sqlalchemy import Connection, text

from exporter.prices import rows
from exporter.prices.rows import SHIPPED_PREFIX, Price
from exporter.text import short_hash

_SETTING: Final = "shipped_prices"


@cache
def shipped_prices() -> tuple[Price, ...]:
    """The price list of `list_prices.csv`; which lists it was taken from is in each source."""
    return tuple(
        Price(
            region=line["region"],
            component=line["component"],
            instance_type=line["instance_type"],
            usd_per_unit=Decimal(line["usd_per_unit"]),
            unit=line["unit"],
            effective_from=date.fromisoformat(line["effective_from"]),
            source=SHIPPED_PREFIX + line["source"],
        )
        for line in _lines("list_prices.csv")
    )


@cache
def shipped_families() -> tuple[str, ...]:
    """Instance families (`g5` of ml.g5.xlarge) whose jobs are not charged for ML storage."""
    return tuple(line["family"] for line in _lines("local_storage_families.csv"))


def fingerprint(families: Iterable[str] | None = None) -> str:
    """Short hash of what `load_shipped` brings."""
    wanted = sorted(set(shipped_families() if families is None else families))
    return short_hash(repr((shipped_prices(), wanted)))


def load_shipped(connection: Connection, families: Iterable[str] | None = None) -> bool:
    """Bring the shipped prices and the list of families up to date; say whether they changed.

    Prices of other sources are not touched. Nothing is written where nothing is new.

    Args:
        connection: In a transaction that the caller commits.
        families: Families with local storage by the configuration; None = the shipped list.
    """
    wanted = sorted(set(shipped_families() if families is None else families))
    mark = fingerprint(wanted)
    # All of the result: DuckDB 2 refuses other work while one is not read to its end.
    stored = connection.execute(
        text("SELECT value FROM settings WHERE name = :name"), {"name": _SETTING}
    ).scalars()
    if stored.all() == [mark]:
        return False
    rows.write(connection, shipped_prices(), replace_shipped=True)
    families_text = {"all": ",".join(wanted)}
    connection.execute(
        text("""
            DELETE FROM local_storage_families
            WHERE family NOT IN (SELECT unnest(string_split(:all, ',')))
        """),
        families_text,
    )
    connection.execute(
        text("""
            INSERT OR IGNORE INTO local_storage_families
            SELECT unnest(string_split(:all, ',')) WHERE :all <> ''
        """),
        families_text,
    )
    connection.execute(
        text("INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)"),
        {"name": _SETTING, "value": mark},
    )
    return True


def _lines(name: str) -> Iterator[dict[str, str]]:
    source = resources.files(__package__).joinpath(name)
    yield from csv.DictReader(source.read_text(encoding="utf-8").splitlines())
