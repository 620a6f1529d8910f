"""The record of a price, the kinds of origin, and the writing of a set of prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from exporter.store import rates
from exporter.store.batches import Batch, batch, staged
from exporter.store.connections import Connection
from exporter.store.schema import prices as table

#: The source of a price that comes with the program begins with this.
SHIPPED_PREFIX: Final = "shipped list: "
#: The source of a price from the Price List API. Every other source is an import.
API_SOURCE: Final = "Price List API"
#: SQL: whether a price comes with the program.
IS_SHIPPED: Final = f"starts_with(source, '{SHIPPED_PREFIX}')"
#: SQL: whether a price was imported.
IS_IMPORT: Final = f"(source <> '{API_SOURCE}' AND NOT {IS_SHIPPED} AND effective_until IS NULL)"

#: The unit in which AWS bills each component of training.
UNITS: Final = {
    "Training": "Hrs",
    "Training Warm Pool": "Hrs",
    "Training ML storage": "GB-Mo",
    "Training Warm Pool ML storage": "GB-Mo",
}
#: Every price is below this: the views multiply prices as 64-bit integers.
LIMIT: Final = Decimal(1_000_000)
_PLACES: Final = Decimal("1e-12")
_STAGED: Final = "staged_prices"


@dataclass(frozen=True)
class Price:
    """A price: the columns of the table `prices` that a CSV file has, in their order.

    Attributes:
        region: AWS region.
        component: A key of `UNITS`.
        instance_type: The instance type; empty for storage.
        usd_per_unit: The price of one unit in `currency`.
        unit: Hrs or GB-Mo.
        effective_from: The first UTC day.
        source: The origin: `Price List API`, `shipped list: …`, or the source of an import.
        account_id: The account that pays this price; empty = all accounts.
        currency: USD, CNY or EUR.
    """

    region: str
    component: str
    instance_type: str
    usd_per_unit: Decimal
    unit: str
    effective_from: date
    source: str
    account_id: str = ""
    currency: str = "USD"

    @property
    def item(self) -> tuple[str, str, str]:
        """What the price is for: region, component and instance type."""
        return self.region, self.component, self.instance_type


#: Columns of a CSV file of prices.
COLUMNS: Final = tuple(field.name for field in fields(Price))


def from_line(line: Mapping[str, str]) -> Price:
    """Return the price of one line of a CSV file.

    Args:
        line: The text of each column; `account_id` and `currency` may be missing.
    """
    values: dict[str, Any] = {name: line[name] for name in COLUMNS if name in line}
    values["usd_per_unit"] = Decimal(line["usd_per_unit"])
    values["effective_from"] = date.fromisoformat(line["effective_from"])
    return Price(**values)


def write(
    connection: Connection,
    prices: Iterable[Price],
    *,
    import_id: int = 0,
    one_day: bool = False,
    replace_shipped: bool = False,
) -> None:
    """Insert prices, and compute the rates.

    A price replaces one of the same import, account, item, day and source.

    Args:
        connection: A connection in a transaction that the caller commits.
        prices: Prices in any order; of two with the same key the last one wins.
        import_id: The import; 0 = the prices are not imported.
        one_day: Whether each price is in force on its first day only, as those of a bill.
        replace_shipped: Also delete the shipped prices that are not in `prices`.
    """
    found = list({_key(price): price for price in prices}.values())
    if not found:
        return
    columns: dict[str, Any] = {name: [getattr(price, name) for price in found] for name in COLUMNS}
    columns["usd_per_unit"] = [
        price.quantize(_PLACES, ROUND_HALF_UP) for price in columns["usd_per_unit"]
    ]
    columns["effective_until"] = [
        price.effective_from + timedelta(days=1) if one_day else None for price in found
    ]
    columns["import_id"] = [import_id] * len(found)
    columns["training_job_arn"] = [""] * len(found)
    with staged(connection, "new_prices", batch(table, columns)):
        connection.execute(_STAGE)
    if replace_shipped:
        connection.execute(_DELETE_SHIPPED)
    connection.execute(_INSERT)
    connection.execute(f"DROP TABLE {_STAGED}")
    rates.refresh(connection)


def write_kept(connection: Connection, prices: Batch, *, source: str, import_id: int) -> None:
    """Insert the rates of a kept bill, each in force on its first day only.

    Args:
        connection: A connection in a transaction that the caller commits.
        prices: Columns of the table `prices` but the source, the end and the import. A rate
            without a job is in force for all jobs of its account without a rate of their own.
        source: The source of the rates.
        import_id: The import.
    """
    with staged(connection, "new_prices", prices):
        connection.execute(_KEEP, {"source": source, "import_id": import_id})
    connection.execute(_END_JOB_RATES, {"import_id": import_id})
    rates.refresh(connection)


def _key(price: Price) -> tuple[Any, ...]:
    return price.account_id, *price.item, price.effective_from, price.source


_STAGE: Final = f"CREATE TEMP TABLE {_STAGED} AS SELECT * FROM new_prices"  # noqa: S608 - our name
_INSERT: Final = f"INSERT OR REPLACE INTO prices BY NAME SELECT * FROM {_STAGED}"  # noqa: S608 - our name
_KEEP: Final = """
    INSERT INTO prices BY NAME
    SELECT
        *, :source AS source, CAST(effective_from + INTERVAL 1 DAY AS DATE) AS effective_until,
        :import_id AS import_id
    FROM new_prices
"""
#: A job may have a rate of its own from an earlier bill. If the new bill gives the day a rate and
#: the job none of its own, that of the day is written for the job, so that the new bill counts.
_END_JOB_RATES: Final = """
    WITH of_day AS (
        SELECT * FROM prices WHERE import_id = :import_id AND training_job_arn = ''
    ),

    earlier AS (
        SELECT DISTINCT
            region, component, instance_type, account_id, effective_from, training_job_arn
        FROM prices
        WHERE training_job_arn <> '' AND import_id < :import_id
    )

    INSERT INTO prices BY NAME
    SELECT of_day.* REPLACE (
        earlier.training_job_arn AS training_job_arn, earlier.account_id AS account_id
    )
    FROM earlier
    INNER JOIN of_day
        ON
            earlier.region = of_day.region
            AND earlier.component = of_day.component
            AND earlier.instance_type = of_day.instance_type
            AND earlier.effective_from = of_day.effective_from
            AND of_day.account_id IN ('', earlier.account_id)
    ANTI JOIN (
        SELECT * FROM prices WHERE import_id = :import_id AND training_job_arn <> ''
    ) AS own
        ON
            earlier.training_job_arn = own.training_job_arn
            AND earlier.component = own.component
            AND earlier.instance_type = own.instance_type
            AND earlier.effective_from = own.effective_from
"""
# A key that INSERT OR REPLACE inserts again must not be deleted first: DuckDB 1.4 still reports it
# as a duplicate within the same transaction.
_DELETE_SHIPPED: Final = f"""
    DELETE FROM prices
    WHERE {IS_SHIPPED}
        AND (region, component, instance_type, effective_from, source) NOT IN (
            SELECT (region, component, instance_type, effective_from, source) FROM {_STAGED}
        )
"""  # noqa: S608 - our names
