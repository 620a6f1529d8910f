"""Chooses the prices that the costs of one connection rest on: what was paid, or list prices.

The net basis is what the views give: kept bills, imports and discounts included. For the list basis
temporary tables without all of these hide the stored ones. DuckDB resolves a name to a temporary
table first, also inside the stored views, so every report follows.
"""

from __future__ import annotations

from typing import Final

from exporter.prices.rows import API_SOURCE, IS_SHIPPED
from exporter.store import install
from exporter.store.connections import Connection
from exporter.store.rates import TEMPORARY

NET: Final = "net"
LIST: Final = "list"
BASES: Final = (NET, LIST)

#: SQL that makes a connection use public list prices only.
LIST_PRICES: Final = (
    "CREATE OR REPLACE TEMP TABLE prices AS "  # noqa: S608 - our condition
    f"SELECT * FROM prices WHERE source = '{API_SOURCE}' OR {IS_SHIPPED}",
    "CREATE OR REPLACE TEMP TABLE discounts AS SELECT * FROM discounts WHERE FALSE",
    TEMPORARY,
)


def compute_at_list_prices(connection: Connection) -> None:
    """Make a connection to a lake compute the costs again, at public list prices only.

    The costs in a lake are those of its collectors. So the views of a file are put over its jobs.
    """
    for statement in LIST_PRICES:
        if statement != TEMPORARY:
            connection.execute(statement)
    install.use_temporarily(connection)


def use_list_prices(connection: Connection) -> None:
    """Make the views of a connection, which may be read-only, use public list prices only."""
    for statement in LIST_PRICES:
        connection.execute(statement)
