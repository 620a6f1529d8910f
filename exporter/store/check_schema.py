"""Compares DuckDB's own catalogue with the schema and the views of this program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb

from exporter.store import view_files
from exporter.store.connections import Connection
from exporter.store.schema import TABLES, Column, Table


def schema_faults(connection: Connection, *, comments: bool) -> Iterator[str]:
    """Yield one sentence for each difference in tables, columns, keys and comments.

    Args:
        connection: The database.
        comments: Whether this version installed the comments.
    """
    tables = {str(name): comment for name, comment in _rows(connection, _TABLES)}
    columns = {
        (table, name): rest
        for table, name, *rest in _rows(connection, _COLUMNS)
        if table in TABLES  # and not a table of the user
    }
    keys = {table: list(names) for table, names in _rows(connection, _KEYS)}
    known = {(table.name, each.name) for table in TABLES.values() for each in table.columns}
    for table in TABLES.values():
        if table.name not in tables:
            yield f"The table {table.name} is missing."
            continue
        if comments and tables[table.name] != table.comment:
            yield f"The comment of {table.name} differs from the schema."
        yield from _key_faults(table, keys.get(table.name, []))
        for column in table.columns:
            name = f"{table.name}.{column.name}"
            found = columns.get((table.name, column.name))
            yield from _column_faults(name, column, found, comments=comments)
    for table_name, name in sorted(columns.keys() - known):
        yield f"The column {table_name}.{name} is not in the schema."


def _key_faults(table: Table, found: list[str]) -> Iterator[str]:
    key = list(table.key)
    if found != key:
        yield f"The primary key of {table.name} is {found}, not {key}."


def _column_faults(
    name: str, column: Column, found: Sequence[Any] | None, *, comments: bool
) -> Iterator[str]:
    if found is None:
        yield f"The column {name} is missing."
        return
    kind, is_nullable, comment = found
    has = _described(kind, nullable=is_nullable)
    expected = _described(column.type, nullable=column.nullable)
    if has != expected:
        yield f"The column {name} is {has}, not {expected}."
    if comments and comment != column.comment:
        yield f"The comment of {name} differs from the schema."


def _described(kind: str, *, nullable: bool) -> str:
    return kind if nullable else f"{kind} NOT NULL"


def view_faults(connection: Connection) -> Iterator[str]:
    """Yield one sentence for each view that is missing or cannot be read."""
    existing = {name for (name,) in _rows(connection, _VIEWS)}
    for view in view_files.views():
        if view.name not in existing:
            yield f"The view {view.name} is missing."
            continue
        try:
            connection.execute(f"SELECT * FROM {view.name} LIMIT 0").all()  # noqa: S608 - our name
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            yield f"The view {view.name} cannot be read: {reason}"


def _rows(connection: Connection, statement: str) -> Sequence[Sequence[Any]]:
    return [tuple(row) for row in connection.execute(statement).all()]


_OURS: Final = "database_name = current_database() AND schema_name = 'main'"
_TABLES: Final = f"SELECT table_name, comment FROM duckdb_tables() WHERE {_OURS}"  # noqa: S608
_COLUMNS: Final = (
    "SELECT table_name, column_name, data_type, is_nullable, comment "  # noqa: S608 - our words
    f"FROM duckdb_columns() WHERE {_OURS}"
)
_KEYS: Final = (
    "SELECT table_name, constraint_column_names FROM duckdb_constraints() "  # noqa: S608
    f"WHERE constraint_type = 'PRIMARY KEY' AND {_OURS}"
)
_VIEWS: Final = (
    "SELECT if(schema_name = 'main', '', schema_name || '.') || view_name FROM duckdb_views() "
    "WHERE database_name = current_database() AND NOT internal"
)
