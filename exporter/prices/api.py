"""Keeps what the Price List API says."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, text

from exporter.prices import rows
from exporter.prices.rows import API_SOURCE, LIMIT, UNITS, Price
from exporter.sagemaker.price_list import ListedPrice


def store_api_prices(connection: Connection, listed: Iterable[ListedPrice]) -> int:
    """Keep prices of the Price List API that differ from those in force; say how many.

    The API moves its effective date on with every publication, so a price that has not changed
    is not stored again: its first date stays. Of two prices for one thing the higher is kept,
    since an overstated cost is noticed.

    Args:
        connection: In a transaction that the caller commits.
        listed: Prices of today, in any order.
    """
    best: dict[tuple[str, str, str], ListedPrice] = {}
    for price in listed:
        if price.component not in UNITS or not 0 < price.usd_per_unit < LIMIT:
            continue
        key = price.region, price.component, price.instance_type
        if key not in best or price.usd_per_unit > best[key].usd_per_unit:
            best[key] = price
    known = {
        (row.region, row.component, row.instance_type): row
        for row in connection.execute(
            text("""
                SELECT
                    region, component, instance_type,
                    arg_max(usd_per_unit, effective_from) AS usd_per_unit,
                    max(effective_from) AS effective_from
                FROM prices
                WHERE source = :source
                GROUP BY ALL
            """),
            {"source": API_SOURCE},
        )
    }
    changed = [
        Price(*price, source=API_SOURCE)
        for key, price in best.items()
        if key not in known
        or (
            known[key].usd_per_unit != price.usd_per_unit
            and known[key].effective_from <= price.effective_from
        )
    ]
    rows.write(connection, changed)
    return len(changed)
