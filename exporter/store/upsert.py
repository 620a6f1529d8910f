"""Inserts rows, or updates those whose primary key is there already."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    statement: Insert,
    columns: Collection[str],
) -> None:
    """Execute an insert that updates the rows whose primary key exists.

    Args:
        connection: A connection that may write.
        table: The table.
        statement: The insert, with its values or its SELECT.
        columns: Columns that the insert fills.
    """
    key = [column.name for column in table.primary_key]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=key,
            set_={name: statement.excluded[name] for name in columns if name not in key},
        )
    )
