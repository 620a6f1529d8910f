"""One price as a row, the kinds of source, and writing prices as a set."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

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


def write(connection: Connection, prices: Iterable[Price]) -> None:
    """Insert prices; one with the same key (all but price and unit) replaces the stored one."""
    import pyarrow as pa

    rows = list(prices)
    if not rows:
        return
    schema = pa.schema(
        [
            ("region", pa.string()),
            ("component", pa.string()),
            ("instance_type", pa.string()),
            ("usd_per_unit", pa.decimal128(38, 12)),
            ("unit", pa.string()),
            ("effective_from", pa.date32()),
            ("source", pa.string()),
        ]
    )
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in Price._fields}
    columns["usd_per_unit"] = [
        price.quantize(_PLACES, ROUND_HALF_UP) for price in columns["usd_per_unit"]
    ]
    raw: Any = connection.connection.driver_connection
    raw.register(_STAGED, pa.table(columns, schema=schema))
    try:
        connection.exec_driver_sql(f"INSERT OR REPLACE INTO prices SELECT * FROM {_STAGED}")  # noqa: S608 - our name
    finally:
        raw.unregister(_STAGED)
