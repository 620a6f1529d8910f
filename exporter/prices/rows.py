"""One price as a row, the kinds of source, and writing prices as a set."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from exporter.store.batches import batch, staged
from exporter.store.schema import prices as table

#: A row's source begins with this when the program brought it along.
SHIPPED_PREFIX: Final = "shipped list: "
#: The source of a row that the Price List API gave. Any other source is an import.
API_SOURCE: Final = "Price List API"

HOURS, GB_MONTHS = "Hrs", "GB-Mo"
#: Unit of each component that training is billed by.
UNITS: Final = {
    "Training": HOURS,
    "Training Warm Pool": HOURS,
    "Training ML storage": GB_MONTHS,
    "Training Warm Pool ML storage": GB_MONTHS,
}
#: Prices from here on would pass the 64 bits in which the views multiply them.
LIMIT: Final = Decimal(1_000_000)
_PLACES: Final = Decimal("1e-12")
_STAGED: Final = "staged_prices"


class Price(NamedTuple):
    """Columns of the table `prices`, in its order. `instance_type` is empty for storage."""

    region: str
    component: str
    instance_type: str
    usd_per_unit: Decimal
    unit: str
    effective_from: date
    source: str


#: SQL: whether a price was imported, that is neither shipped nor from the API.
IS_IMPORT: Final = f"(source <> '{API_SOURCE}' AND NOT starts_with(source, '{SHIPPED_PREFIX}'))"


#: SQL: whether a price was shipped.
IS_SHIPPED: Final = f"starts_with(source, '{SHIPPED_PREFIX}')"


def write(
    connection: Connection,
    prices: Iterable[Price],
    *,
    replace_imports: bool = False,
    replace_shipped: bool = False,
) -> None:
    """Insert prices; one with the same key (all but price and unit) replaces the stored one.

    Args:
        connection: In a transaction that the caller commits.
        prices: In any order; of two with the same key the last one stays.
        replace_imports: Imported prices for the same thing and first day go, whatever their
            source is called.
        replace_shipped: Shipped prices that are not among these go.
    """
    found = list({(*price[:3], *price[5:]): price for price in prices}.values())
    if not found:
        return
    columns: dict[str, Any] = {
        name: [getattr(price, name) for price in found] for name in Price._fields
    }
    columns["usd_per_unit"] = [
        price.quantize(_PLACES, ROUND_HALF_UP) for price in columns["usd_per_unit"]
    ]
    with staged(connection, "new_prices", batch(table, columns)):
        connection.exec_driver_sql(_STAGE)
    if replace_imports:
        connection.exec_driver_sql(_DELETE_IMPORTS)
    if replace_shipped:
        connection.exec_driver_sql(_DELETE_SHIPPED)
    connection.exec_driver_sql(_INSERT)
    connection.exec_driver_sql(f"DROP TABLE {_STAGED}")


_STAGE: Final = f"CREATE TEMP TABLE {_STAGED} AS SELECT * FROM new_prices"  # noqa: S608 - our name
_INSERT: Final = f"INSERT OR REPLACE INTO prices SELECT * FROM {_STAGED}"  # noqa: S608 - our name
# Never a key that INSERT OR REPLACE brings back: DuckDB 1.4 takes one that was deleted in the same
# transaction for taken.
_NOT_COMING_BACK: Final = f"""
    (region, component, instance_type, effective_from, source) NOT IN (
        SELECT (region, component, instance_type, effective_from, source) FROM {_STAGED}
    )
"""  # noqa: S608 - our name
_DELETE_SHIPPED: Final = f"DELETE FROM prices WHERE {IS_SHIPPED} AND {_NOT_COMING_BACK}"  # noqa: S608 - ours
_DELETE_IMPORTS: Final = f"""
    DELETE FROM prices
    WHERE {IS_IMPORT} AND {_NOT_COMING_BACK}
        AND (region, component, instance_type, effective_from) IN (
            SELECT (region, component, instance_type, effective_from) FROM {_STAGED}
        )
"""  # noqa: S608 - our names
