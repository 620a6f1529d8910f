"""What a command reads: the database file, or a lake in its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from exporter.prices.basis import LIST, NET, use_list_prices
from exporter.store.connections import Connection
from exporter.store.database import Database


@contextmanager
def reading(
    database: Database, lake: str | None, *, row_ids: bool = True, basis: str = NET
) -> Iterator[Connection]:
    """Open a lake if there is one, else the database file.

    Args:
        database: The file; with a lake, it is not opened.
        lake: The URI of the lake; None = the file.
        row_ids: See `exporter.publish.reading.Lake`.
        basis: Costs at what was paid (`net`), or at public list prices (`list`).

    Raises:
        UsageError: The URI is of another kind, or the extra `lake` is missing.
        StoreError, CredentialsError, ServiceError: The lake or file cannot be read.
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
