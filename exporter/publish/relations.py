"""The relations that queries read, as views in DuckDB over the files of a lake. Pure.

A query reads what it needs, although it does not know of partitions:

- Of a filter by account or region, DuckDB opens the files of these partitions alone.
- Of a filter by time, too. A table is the union of its months, each with the condition that its
  rows lie in that month. A filter that contradicts it removes the month while DuckDB plans, before
  it opens any file.
- The names and types of the columns come from the table's log. So planning opens no file, and where
  a file lacks a column, because an older program wrote it, the column is NULL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from exporter.publish import layout
from exporter.publish.layout import Table
from exporter.publish.plan import OWNER, PRICES
from exporter.sql import literal
from exporter.store.schema import metadata

_JSON: Final = frozenset(
    column.name
    for each in metadata.tables.values()
    for column in each.columns
    if isinstance(column.type, sa.JSON)
)
#: The prefix of paths in the file system that DuckDB reads (objects.py).
SCHEME: Final = "lake://"


@dataclass(frozen=True)
class File:
    """A file of a table.

    Attributes:
        path: Its path below the lake.
        size: Its bytes.
        partition: The values of the partition columns, in the order of the layout.
    """

    path: str
    size: int
    partition: tuple[str, ...]

    @property
    def scope(self) -> tuple[str, ...]:
        """The account and the region; those of the prices if the table has no scopes."""
        return self.partition[:2] or PRICES

    @property
    def key(self) -> tuple[str, ...]:
        """The partition as commits name it: account, region and month."""
        return (*self.scope, self.month)

    @property
    def month(self) -> str:
        """The month, YYYY-MM; empty = the table has no months."""
        return self.partition[2] if len(self.partition) > 2 else ""


@dataclass(frozen=True)
class Snapshot:
    """What a reader sees of a table.

    Attributes:
        table: What the layout says of it.
        types: Column name -> DuckDB type, without the partition columns.
        files: Its files.
    """

    table: Table
    types: Mapping[str, str]
    files: Sequence[File]


def views(*, row_ids: bool) -> Iterator[str]:
    """Yield the SQL that creates the relations of a database file over the tables of the lake.

    Args:
        row_ids: Show `rowid` in `training_jobs`, with which queries of the program join.
    """
    for name, sql in layout.relations().items():
        yield f"CREATE VIEW {name} AS {sql}"
    if not row_ids:
        names = ", ".join(column.name for column in metadata.tables["training_jobs"].columns)
        yield f"CREATE OR REPLACE VIEW training_jobs AS SELECT {names} FROM lake.training_jobs"


def collectors(files: Iterable[File]) -> str:
    """Return the SQL that creates `collectors`, one row per account and region.

    Args:
        files: The files of `_published`.
    """
    paths = ", ".join(literal(SCHEME + file.path) for file in files)
    return f"""
        CREATE TABLE collectors AS
        SELECT account_id, region, collector, sequence, layout, published_at, usual_seconds
        FROM read_parquet([{paths}], hive_partitioning = true, union_by_name = true)
        WHERE table_name = {literal(OWNER)}
    """


def table(snapshot: Snapshot) -> Iterator[str]:
    """Yield the SQL that creates `lake.NAME`, a table of the lake as it is."""
    yield "CREATE SCHEMA IF NOT EXISTS lake"
    name = snapshot.table.name
    types = {**snapshot.types, **dict.fromkeys(snapshot.table.partitions, "VARCHAR")}
    if not snapshot.files:
        columns = ", ".join(f"CAST(NULL AS {kind}) AS {each}" for each, kind in types.items())
        yield f"CREATE VIEW lake.{name} AS SELECT {columns} WHERE FALSE"
        return
    months: dict[str, list[File]] = defaultdict(list)
    for file in snapshot.files:
        months[file.month].append(file)
    # In variables, because DuckDB would evaluate the long texts again for each use of a view.
    yield f"SET VARIABLE {_schema(name)} = MAP {{{', '.join(_entries(snapshot.types))}}}"
    for month, files in months.items():
        paths = ", ".join(literal(SCHEME + file.path) for file in files)
        yield f"SET VARIABLE {_files(name, month)} = [{paths}]"
    union = "\nUNION ALL\n".join(_month(snapshot, month) for month in sorted(months))
    yield f"CREATE VIEW lake.{name} AS\n{union}"


def _month(snapshot: Snapshot, month: str) -> str:
    """Return SQL for the rows of a month."""
    table = snapshot.table
    listed = ", ".join(
        f"CAST({name} AS JSON) AS {name}" if name in _JSON else name
        for name in (*snapshot.types, *table.partitions)
    )
    options = f"schema = getvariable('{_schema(table.name)}')"
    if table.partitions:
        kinds = ", ".join(f"{name}: VARCHAR" for name in table.partitions)
        options += f", hive_partitioning = true, hive_types = {{{kinds}}}"
    files = f"getvariable('{_files(table.name, month)}')"
    guard = _guard(snapshot, month)
    return f"SELECT {listed} FROM read_parquet({files}, {options}){guard and f' WHERE {guard}'}"  # noqa: S608 - our own names


def _guard(snapshot: Snapshot, month: str) -> str:
    """Return the condition that rows lie in their month; empty = no column tells."""
    column = snapshot.table.dated_by.rpartition(".")[2]
    kind = snapshot.types.get(column)
    midnight = {"DATE": "", "TIMESTAMPTZ": " 00:00:00+00"}.get(kind or "")
    if not month or midnight is None:
        return ""
    first, following = (f"{kind} '{each}-01{midnight}'" for each in (month, _following(month)))
    return f"{column} >= {first} AND {column} < {following}"


def _following(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def _entries(types: Mapping[str, str]) -> Iterator[str]:
    """Yield the columns as read_parquet takes them."""
    for name, kind in types.items():
        quoted = literal(name)
        yield f"{quoted}: {{name: {quoted}, type: {literal(kind)}, default_value: NULL}}"


def _schema(name: str) -> str:
    return f"{name}_columns"


def _files(name: str, month: str) -> str:
    return f"{name}_files_{month.replace('-', '_')}"
