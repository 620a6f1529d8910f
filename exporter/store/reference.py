"""Describes the tables and views of the database without opening one.

The names and comments come from the schema and from the headers of the views. The types come from
an empty database in memory, because only DuckDB knows the type of a view's column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from exporter.errors import UsageError
from exporter.store import view_files
from exporter.store.connections import in_memory
from exporter.store.schema import TABLES
from exporter.text import did_you_mean

_TYPES: Final = """
SELECT column_name, data_type FROM duckdb_columns()
WHERE ? IN (table_name, schema_name || '.' || table_name) AND NOT internal
"""


@dataclass(frozen=True)
class Relation:
    """A table or a view.

    Attributes:
        name: Its name in SQL; that of an internal view has its schema, `internal.cost_lines`.
        kind: `view`, `table` or `internal view`.
        comment: What a row of it is.
        columns: A pair of name and comment for each column.
        key: The columns of its primary key; empty for a view.
    """

    name: str
    kind: str
    comment: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...] = ()


def relations() -> tuple[Relation, ...]:
    """Return the public views, then the tables, then the internal views, each sorted by name."""
    ordered = sorted(view_files.views(), key=lambda view: view.name)
    public = [_view(each, "view") for each in ordered if not each.is_internal]
    internal = [_view(each, "internal view") for each in ordered if each.is_internal]
    return (*public, *_tables(), *internal)


def find(name: str) -> Relation:
    """Return the table or view of a name, in any case.

    Raises:
        UsageError: There is none; the message names the nearest one.
    """
    known = {each.name: each for each in relations()}
    if name.lower() not in known:
        raise UsageError(
            f"There is no table or view {name!r}.{did_you_mean(name.lower(), known)}",
            "`sagemaker-exporter tables` lists them.",
        )
    return known[name.lower()]


def types(relation: Relation) -> dict[str, str]:
    """Return the type of each column of a table or view, as DuckDB names it."""
    with in_memory() as connection:
        for table in TABLES.values():
            connection.execute(table.ddl)
        connection.execute(f"CREATE SCHEMA {view_files.INTERNAL}")
        for view in view_files.views():
            connection.execute(f"CREATE VIEW {view.name} AS {view.sql}")
        found = connection.execute(_TYPES, [relation.name]).fetchall()
    return {name: kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") for name, kind in found}


def _view(view: view_files.View, kind: str) -> Relation:
    return Relation(view.name, kind, view.comment, view.columns)


def _tables() -> Iterator[Relation]:
    for table in sorted(TABLES.values(), key=lambda each: each.name):
        yield Relation(
            table.name,
            "table",
            table.comment,
            tuple((column.name, column.comment) for column in table.columns),
            table.key,
        )
