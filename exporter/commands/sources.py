"""What a command reads: the database file, or a lake in its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from exporter.prices.basis import LIST, NET, use_list_prices

if TYPE_CHECKING:
    from exporter.store.database import Database


@contextmanager
def reading(
    database: Database, lake: str | None, *, basis: str = NET, row_ids: bool = True
) -> Iterator[sa.Connection]:
    """Open a lake for reading if one is named, else the database.

    Args:
        database: The database.
        lake: A folder or a URL; None = none is named.
        basis: The prices of costs: NET, what was paid, or LIST.
        row_ids: See `exporter.publish.reading.Lake`.

    Raises:
        MissingExtra: The extra `lake` is not installed.
        UsageError: No lake can be at such a place.
        CredentialsError, ServiceError: The object store refuses, or fails.
        DatabaseError, BusyError, SchemaNewerError: The file or the lake cannot be read.
    """
    if lake is not None:
        from exporter.publish import reading as lakes

        with lakes.lake(lake, row_ids=row_ids, costs=basis).reading() as connection:
            yield connection
        return
    with database.reading() as connection:
        if basis == LIST:
            use_list_prices(connection)
        yield connection
