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

from exporter.publish import layout
from exporter.publish.layout import Table
from exporter.publish.plan import OWNER, PRICES, following
from exporter.sql import literal
from exporter.store.schema import JSON, TABLES
from exporter.store.view_files import INTERNAL

_JSON: Final = frozenset(
    column.name for each in TABLES.values() for column in each.columns if column.type == JSON
)
#: Months with a scan of their own; the years before them have one each, so that plans stay short.
_SINGLE_MONTHS: Final = 15
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
        version: The version of the Delta table with exactly these files; None = there is none.
    """

    table: Table
    types: Mapping[str, str]
    files: Sequence[File]
    version: int | None = None


def schemas() -> Iterator[str]:
    """Yield the SQL that creates the schemas of the relations."""
    yield "CREATE SCHEMA lake"
    yield f"CREATE SCHEMA {INTERNAL}"


def views(*, row_ids: bool) -> Iterator[str]:
    """Yield the SQL that creates the relations of a database file over the tables of the lake.

    Args:
        row_ids: Show `rowid` in `training_jobs`, with which queries of the program join.
    """
    for name, sql in layout.relations().items():
        yield f"CREATE VIEW {name} AS {sql}"
    if not row_ids:
        names = ", ".join(column.name for column in TABLES["training_jobs"].columns)
        select = f"SELECT {names} FROM lake.training_jobs"  # noqa: S608 - our own names
        yield f"CREATE OR REPLACE VIEW training_jobs AS {select}"


def collectors(files: Iterable[File]) -> str:
    """Return the SQL that creates `internal.collectors`, one row per account and region.

    Args:
        files: The files of `_published`.
    """
    paths = ", ".join(literal(SCHEME + file.path) for file in files)
    return f"""
        CREATE TABLE {INTERNAL}.collectors AS
        SELECT account_id, region, collector, sequence, layout, published_at, usual_seconds
        FROM read_parquet([{paths}], hive_partitioning = true, hive_types_autocast = false)
        WHERE table_name = {literal(OWNER)}
    """  # noqa: S608 - quoted


def variables(snapshot: Snapshot, *, by_month: bool = True) -> Iterator[str]:
    """Yield the SQL of what `lake.NAME` reads; each connection needs it, before the view.

    DuckDB would evaluate these long texts again for each use of a view.

    Args:
        snapshot: The table.
        by_month: As in `table`.
    """
    if not snapshot.files:
        return
    name = snapshot.table.name
    yield f"SET VARIABLE {name}_columns = MAP {{{', '.join(_entries(snapshot.types))}}}"
    for number, (files, _) in enumerate(_spans(snapshot, by_month=by_month)):
        paths = ", ".join(literal(SCHEME + file.path) for file in files)
        yield f"SET VARIABLE {name}_files_{number} = [{paths}]"


def table(snapshot: Snapshot, *, by_month: bool = True) -> str:
    """Return the SQL that creates `lake.NAME`, a table of the lake as it is.

    Args:
        snapshot: The table.
        by_month: Let filters by time remove months. It takes longer to plan, once for each use.
    """
    name = snapshot.table.name
    if not snapshot.files:
        types = {**snapshot.types, **dict.fromkeys(snapshot.table.partitions, "VARCHAR")}
        columns = ", ".join(f"CAST(NULL AS {kind}) AS {each}" for each, kind in types.items())
        return f"CREATE VIEW lake.{name} AS SELECT {columns} WHERE FALSE"
    spans = enumerate(_spans(snapshot, by_month=by_month))
    union = "\nUNION ALL\n".join(
        _scan(snapshot, number) + condition for number, (_, condition) in spans
    )
    return f"CREATE VIEW lake.{name} AS\n{union}"


def _scan(snapshot: Snapshot, number: int) -> str:
    """Return SQL for the rows of one list of files."""
    table = snapshot.table
    listed = ", ".join(
        f"CAST({name} AS JSON) AS {name}" if name in _JSON else name
        for name in (*snapshot.types, *table.partitions)
    )
    options = f"schema = getvariable('{table.name}_columns')"
    if table.partitions:
        kinds = ", ".join(f"{name}: VARCHAR" for name in table.partitions)
        options += f", hive_partitioning = true, hive_types = {{{kinds}}}"
    files = f"getvariable('{table.name}_files_{number}')"
    return f"SELECT {listed} FROM read_parquet({files}, {options})"  # noqa: S608 - our own names


def _spans(snapshot: Snapshot, *, by_month: bool) -> Iterator[tuple[list[File], str]]:
    """Yield lists of files, each with the condition that holds for their rows; empty = none.

    The newest months have a list each, the years before them as well.
    """
    column = snapshot.table.dated_by.rpartition(".")[2]
    kind = snapshot.types.get(column)
    midnight = {"DATE": "", "TIMESTAMPTZ": " 00:00:00+00"}.get(kind or "")
    if midnight is None or not by_month:
        yield list(snapshot.files), ""
        return
    months = sorted({file.month for file in snapshot.files}, reverse=True)
    spans: dict[tuple[str, str], list[File]] = defaultdict(list)
    bounds = {
        month: (month, following(month))
        if month in months[:_SINGLE_MONTHS]
        else (f"{month[:4]}-01", min(f"{int(month[:4]) + 1:04}-01", months[_SINGLE_MONTHS - 1]))
        for month in months
    }
    for file in snapshot.files:
        spans[bounds[file.month]].append(file)
    for limits, files in sorted(spans.items()):
        begin, end = (f"{kind} '{month}-01{midnight}'" for month in limits)
        yield files, f" WHERE {column} >= {begin} AND {column} < {end}"


def _entries(types: Mapping[str, str]) -> Iterator[str]:
    """Yield the columns as read_parquet takes them."""
    for name, kind in types.items():
        quoted = literal(name)
        yield f"{quoted}: {{name: {quoted}, type: {literal(kind)}, default_value: NULL}}"
