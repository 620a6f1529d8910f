"""The types of columns, as DuckDB itself plans them over empty tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import duckdb

from exporter.sql import identifier

#: Column name -> DuckDB's name of its type.
Columns = Mapping[str, str]


class Planner:
    """An empty database in memory with the relations that a statement can read."""

    def __init__(self, relations: Mapping[str, Columns]) -> None:
        self.tables: dict[str, Columns] = dict(relations)
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'")
        for name, columns in relations.items():
            self._create("TABLE", name, columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def columns_of(self, sql: str) -> Columns:
        """Return the name and type of each column of a query.

        Raises:
            duckdb.Error: DuckDB cannot plan it.
        """
        return dict(self.described(sql))

    def described(self, sql: str) -> list[tuple[str, str]]:
        """Return the same as pairs: names can repeat.

        Raises:
            duckdb.Error: DuckDB cannot plan it.
        """
        rows = self._connection.execute(f"DESCRIBE {sql}").fetchall()
        return [(row[0], row[1]) for row in rows]

    def add(self, name: str, columns: Columns) -> None:
        """Add the result of a CTE; it hides a relation of the same name."""
        self._create("TEMP TABLE", name, columns)
        self.tables[name] = columns

    def _create(self, kind: str, name: str, columns: Columns) -> None:
        described = ", ".join(f"{identifier(column)} {of}" for column, of in columns.items())
        self._connection.execute(f"CREATE {kind} {identifier(name)} ({described})")
