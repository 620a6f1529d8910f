"""Inserts staged rows, or updates those whose primary key is there already."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from exporter.store.alchemy import attached
from exporter.store.connections import Connection
from exporter.store.schema import Table


def upsert(connection: Connection, table: Table, source: str) -> None:
    """Insert all rows of `source`; a row whose key exists takes the place of the stored one.

    Args:
        connection: A connection in a transaction.
        table: The table. Without a primary key, rows are only added.
        source: What has the rows, with all columns of the table.
    """
    rows = sa.table(source, *map(sa.column, table.names))
    target = sa.table(table.name, *map(sa.column, table.names))
    statement = insert(target).from_select(list(table.names), sa.select(*rows.c))
    if table.key:
        statement = statement.on_conflict_do_update(
            index_elements=list(table.key),
            set_={name: statement.excluded[name] for name in table.names if name not in table.key},
        )
    with attached(connection) as alchemy:
        alchemy.execute(statement)
