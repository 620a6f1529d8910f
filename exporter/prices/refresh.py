"""Refreshes the prices of the instance types in use from the Price List API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from exporter.prices import rows
from exporter.prices.listing import used_types
from exporter.prices.rows import API_SOURCE, LIMIT, UNITS, Price
from exporter.sagemaker.price_list import ListedPrice, endpoint_for, training_prices
from exporter.store.connections import Connection
from exporter.store.database import Database

#: `sync` refreshes prices at most this often: AWS changes them a few times a year.
DAILY: Final = timedelta(days=1)
_SETTING: Final = "price list asked"


class Refreshed(NamedTuple):
    """The result of a refresh: the number of regions, and of new or changed prices."""

    regions: int
    changed: int


def is_due(connection: Connection, now: datetime) -> bool:
    """Return whether the last refresh, successful or not, is at least a day old.

    A refresh in the future comes from a clock that was ahead, and counts as none.
    """
    found = connection.execute(
        "SELECT value FROM settings WHERE name = :name", {"name": _SETTING}
    ).all()
    try:
        asked = [datetime.fromisoformat(row.value) for row in found]
        return not any(timedelta(0) <= now - each < DAILY for each in asked)
    except (TypeError, ValueError):  # somebody wrote another text into the settings
        return True


def refresh(database: Database, make_client: Callable[[str], Any], now: datetime) -> Refreshed:
    """Fetch and store the prices of the instance types that the database uses.

    The caller holds the sync lock. The attempt is recorded first, so that a sync without the
    permission waits a day before the next attempt.

    Args:
        database: The database.
        make_client: Returns a boto3 `pricing` client for a region of the Price List API.
        now: The time by this machine's clock.

    Raises:
        ExporterError: AWS denied the request, or the request failed.
    """
    with database.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)",
            {"name": _SETTING, "value": now.isoformat()},
        )
    with database.reading() as connection:
        used = {(each.region, each.instance_type) for each in used_types(connection)}
    regions = sorted({region for region, _ in used})
    listed = [
        price
        for region in regions
        for price in training_prices(make_client(endpoint_for(region)), region)
        # A storage price has no instance type; any job may need it.
        if not price.instance_type or (region, price.instance_type) in used
    ]
    with database.writing() as connection:
        return Refreshed(len(regions), store_api_prices(connection, listed))


def store_api_prices(connection: Connection, listed: Iterable[ListedPrice]) -> int:
    """Store the prices that differ from the latest stored ones, and return their number.

    The API moves its effective date with every publication. An unchanged price is therefore not
    stored again and keeps its first date. Of two prices for one item the higher one is stored,
    because a user notices an overstated cost.

    Args:
        connection: A connection in a transaction that the caller commits.
        listed: The current prices, in any order.
    """
    highest: dict[tuple[str, str, str], Price] = {}
    for each in listed:
        price = Price(**asdict(each), source=API_SOURCE)
        if price.component not in UNITS or not 0 < price.usd_per_unit < LIMIT:
            continue
        known = highest.setdefault(price.item, price)
        if price.usd_per_unit > known.usd_per_unit:
            highest[price.item] = price
    latest = _latest(connection)
    changed = [price for price in highest.values() if _is_news(price, latest.get(price.item))]
    rows.write(connection, changed)
    return len(changed)


def _is_news(price: Price, stored: Any) -> bool:  # noqa: ANN401 - a row of _LATEST, or None
    """Return whether the price is not in the database, or follows a different one."""
    return stored is None or (
        (stored.usd_per_unit, stored.currency) != (price.usd_per_unit, price.currency)
        and stored.effective_from <= price.effective_from
    )


def _latest(connection: Connection) -> dict[tuple[str, str, str], Any]:
    """Return the latest price of the API for each item: usd_per_unit and effective_from."""
    found = connection.execute(_LATEST, {"source": API_SOURCE})
    return {(row.region, row.component, row.instance_type): row for row in found}


_LATEST: Final = """
SELECT
    region, component, instance_type,
    arg_max(usd_per_unit, effective_from) AS usd_per_unit,
    arg_max(currency, effective_from) AS currency,
    max(effective_from) AS effective_from
FROM prices
WHERE source = :source
GROUP BY ALL
"""
