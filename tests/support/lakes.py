"""Writes the lake of one database to a folder, and reads lakes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from exporter.publish import layout
from exporter.store.database import Database

Rows = list[tuple[Any, ...]]


def write(database: Database, folder: Path) -> None:
    """Write every table of the lake anew, as a first publish does."""
    with database.reading() as connection:
        raw: Any = connection.connection.driver_connection
        for table in layout.tables():
            rows = raw.sql(table.sql).to_arrow_table()
            write_deltalake(
                folder / table.name,
                rows,
                mode="overwrite",
                partition_by=list(table.partitions),
                name=f"sagemaker_exporter.{table.name}",
            )


def expected(database: Database) -> dict[str, tuple[pa.Schema, Rows]]:
    """Return the schema and the rows that each table of the database's lake must have."""
    with database.reading() as connection:
        raw: Any = connection.connection.driver_connection
        return {
            table.name: _content(raw.sql(table.sql).to_arrow_table()) for table in layout.tables()
        }


def found(lake: str | Path, options: dict[str, str] | None = None) -> dict[str, tuple[Any, Rows]]:
    """Return the schema and the rows of each table of a lake."""
    done = {}
    for table in layout.tables():
        opened = DeltaTable(f"{lake}/{table.name}", storage_options=options)
        done[table.name] = _content(opened.to_pyarrow_table())
    return done


def _content(rows: pa.Table) -> tuple[Any, Rows]:
    """Return names and types as DuckDB sees them, and the rows in any one order."""
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        relation = engine.from_arrow(rows)
        kinds = list(zip(relation.columns, map(str, relation.types), strict=True))
        return kinds, sorted(relation.fetchall(), key=repr)
