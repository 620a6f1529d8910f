"""The data that comes with the program: list prices, and instance families with local storage.

Shipped prices are a default that every report announces. Any other source beats them. Their
`effective_from` is only the day on which somebody saw the price.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Final

from exporter.prices import rows
from exporter.prices.rows import SHIPPED_PREFIX, Price
from exporter.store.connections import Connection
from exporter.text import short_hash

_SETTING: Final = "shipped_prices"


@cache
def shipped_prices() -> tuple[Price, ...]:
    """Return the prices of `list_prices.csv`; each source names the original list."""
    return tuple(
        rows.from_line(line | {"source": SHIPPED_PREFIX + line["source"]})
        for line in _lines("list_prices.csv")
    )


@cache
def shipped_families() -> tuple[str, ...]:
    """Return the instance families (`g5` of ml.g5.xlarge) without a charge for ML storage."""
    return tuple(line["family"] for line in _lines("local_storage_families.csv"))


def fingerprint(families: Iterable[str] | None = None) -> str:
    """Return a short hash of the data that `load_shipped` stores."""
    wanted = sorted(set(shipped_families() if families is None else families))
    return short_hash(repr((shipped_prices(), wanted)))


def load_shipped(connection: Connection, families: Iterable[str] | None = None) -> bool:
    """Store the shipped prices and the families, and return whether they changed.

    Prices of other sources stay. Nothing is written if nothing changed.

    Args:
        connection: A connection in a transaction that the caller commits.
        families: The families with local storage from the configuration; None = the shipped list.
    """
    wanted = sorted(set(shipped_families() if families is None else families))
    mark = fingerprint(wanted)
    # The result is read to its end: DuckDB 2 refuses other statements before.
    stored = connection.execute(
        "SELECT value FROM settings WHERE name = :name", {"name": _SETTING}
    ).scalars()
    if stored == [mark]:
        return False
    rows.write(connection, shipped_prices(), replace_shipped=True)
    families_text = {"all": ",".join(wanted)}
    connection.execute(
        """
            DELETE FROM local_storage_families
            WHERE family NOT IN (SELECT unnest(string_split(:all, ',')))
        """,
        families_text,
    )
    connection.execute(
        """
            INSERT OR IGNORE INTO local_storage_families
            SELECT unnest(string_split(:all, ',')) WHERE :all <> ''
        """,
        families_text,
    )
    connection.execute(
        "INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)",
        {"name": _SETTING, "value": mark},
    )
    return True


def _lines(name: str) -> Iterator[dict[str, str]]:
    source = resources.files(__package__).joinpath(name)
    yield from csv.DictReader(source.read_text(encoding="utf-8").splitlines())
