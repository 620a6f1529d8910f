"""Reads tables and views for other programs, as Arrow with the columns' comments.

JSON columns become text, because not every engine has a JSON type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from exporter.store.batches import Stream, fetch_stream

#: What is exported: the tables, then the views over them.
NAMES: Final = (
    "training_jobs",
    "training_job_changes",
    "training_job_details",
    "prices",
    "sync_scopes",
    "sync_runs",
    "daily_costs",
    "warm_pool_costs",
    "training_job_costs",
    "warm_pool_chains",
    "data_as_of",
)


@dataclass(frozen=True)
class Source:
    """A table or view.

    Attributes:
        name: Its name.
        comment: Its COMMENT.
        columns: Name, DuckDB type and COMMENT of each column.
    """

    name: str
    comment: str
    columns: tuple[tuple[str, str, str], ...]

    @property
    def select(self) -> str:
        """The query for all rows."""
        listed = ", ".join(
            f"CAST({name} AS VARCHAR) AS {name}" if kind == "JSON" else name
            for name, kind, _ in self.columns
        )
        return f"SELECT {listed} FROM {self.name}"  # noqa: S608 - names of our own catalogue


@dataclass(frozen=True)
class Content:
    """What a source holds.

    Attributes:
        rows: Number of rows.
        fingerprint: A text that changes when a row or a column changes.
    """

    rows: int
    fingerprint: str


def sources(connection: sa.Connection, names: Sequence[str] = NAMES) -> tuple[Source, ...]:
    """Return the tables and views with these names, in this order."""
    described = connection.exec_driver_sql(
        "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main' "
        "UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main'"
    ).all()
    comments = {name: comment or "" for name, comment in described}
    columns: dict[str, list[tuple[str, str, str]]] = {}
    for table, name, kind, comment in connection.exec_driver_sql(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE NOT internal AND schema_name = 'main' ORDER BY table_name, column_index"
    ).all():
        columns.setdefault(table, []).append((name, kind, comment or ""))
    return tuple(Source(name, comments[name], tuple(columns[name])) for name in names)


def content(connection: sa.Connection, source: Source) -> Content:
    """Read every row, in any order, and return the number and fingerprint of the rows.

    Two versions of DuckDB may give different fingerprints for the same rows. Different rows have
    the same fingerprint with a probability of 1 in 2^64.
    """
    count, total, mixed = connection.exec_driver_sql(
        "SELECT count(*), sum(CAST(hash(each) AS HUGEINT)), bit_xor(hash(each)) "  # noqa: S608
        f"FROM ({source.select}) AS each"  # S608 above: made of names of our own catalogue
    ).one()
    text = repr((source, count, total, mixed))
    return Content(int(count), hashlib.sha256(text.encode()).hexdigest())


@contextmanager
def read(connection: sa.Connection, source: Source) -> Iterator[Stream]:
    """Stream every row; the columns' comments are in the fields' metadata.

    The connection can do nothing else inside the block.
    """
    raw: Any = connection.connection.driver_connection
    comments = [comment for _, _, comment in source.columns]
    with fetch_stream(raw.sql(source.select), comments) as rows:
        yield rows
