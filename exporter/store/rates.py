"""Keeps the table `rates` equal to the view `internal.rates_from_prices`.

The rules for prices take many steps, and every report needs their result. Prices change a few times
a month at most, so whatever changes prices or discounts computes the table again, in the same
transaction.
"""

from __future__ import annotations

from typing import Final

from exporter.store.connections import Connection

#: SQL that makes one connection, which may be read-only, use the rates of its own prices.
TEMPORARY: Final = "CREATE OR REPLACE TEMP TABLE rates AS SELECT * FROM internal.rates_from_prices"
_DELETE: Final = "DELETE FROM rates"
_INSERT: Final = "INSERT INTO rates BY NAME SELECT * FROM internal.rates_from_prices"


def refresh(connection: Connection) -> None:
    """Compute the table again, in the caller's transaction."""
    for statement in (_DELETE, _INSERT):
        connection.execute(statement)
