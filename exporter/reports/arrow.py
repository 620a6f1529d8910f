"""Results in DuckDB, which turns them into Arrow, a DataFrame of pandas, or Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import duckdb

from exporter.reports.result import Column, Result
from exporter.reports.values import plain
from exporter.sql import identifier
from exporter.store.batches import PLAIN_TYPES, Batch, fetch, stream
from exporter.store.connections import in_memory

_CHUNK: Final = 10_000
_TIMES: Final = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})


def table(result: Result) -> Batch:
    """Return all rows as Arrow with their types: decimals stay decimals, times are UTC."""
    with _registered(result) as memory:
        # A table first: reading the stream as Arrow in one step kills the process (DuckDB 2.0).
        selected = ", ".join(f"{_value(*each)} AS {each[0]}" for each in _numbered(result))
        memory.execute(f"CREATE TABLE kept AS SELECT {selected} FROM rows_of_result")  # noqa: S608 - numbered names
        return fetch(memory.table("kept")).rename_columns([each.name for each in result.columns])


@contextmanager
def relation(result: Result) -> Iterator[duckdb.DuckDBPyRelation]:
    """Give the rows with their types; they are converted while they are read, once.

    Args:
        result: A result with at least one column.
    """
    with _registered(result) as memory:
        selected = ", ".join(
            f"{_value(*each)} AS {identifier(each[1].name)}" for each in _numbered(result)
        )
        yield memory.sql(f"SELECT {selected} FROM rows_of_result")  # noqa: S608 - quoted names


@contextmanager
def _registered(result: Result) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a database in memory that reads the rows as `rows_of_result`, once."""
    chunks = _Chunks(result)
    types = {name: _stored_type(column.type) for name, column in _numbered(result)}
    with in_memory() as memory:
        # One thread: the rows may come from another connection, which this thread is reading.
        memory.execute("SET threads = 1")
        memory.register("rows_of_result", stream(types, chunks))
        try:
            yield memory
        except duckdb.Error:
            if chunks.error is not None:
                raise chunks.error from None
            raise


def _numbered(result: Result) -> list[tuple[str, Column]]:
    """Return the columns with numbered names: to DuckDB, those that differ by case are the same."""
    return [(f"c{index}", column) for index, column in enumerate(result.columns)]


def _value(name: str, column: Column) -> str:
    # Lists come as JSON: the Arrow library builds none from Python values.
    return f"from_json({name}, '[\"VARCHAR\"]')" if column.type == "VARCHAR[]" else name


class _Chunks:
    """Rows in chunks, by column. `error` is what reading them raised: DuckDB passes only text."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[dict[str, list[Any]]]:
        rows = iter(self._result.rows)
        try:
            while chunk := list(islice(rows, _CHUNK)):
                yield {
                    f"c{index}": [_stored(row[index], column.type) for row in chunk]
                    for index, column in enumerate(self._result.columns)
                }
        except BaseException as error:
            self.error = error
            raise


def _stored(value: Any, kind: str) -> Any:  # noqa: ANN401 - whatever the database holds
    """Return the value as its column takes it."""
    if value is None:
        return None
    stored = _stored_type(kind)
    if stored == "VARCHAR":
        return json.dumps(value) if kind == "VARCHAR[]" else plain(value)
    return Decimal(value) if stored.startswith("DECIMAL") else value


def _stored_type(kind: str) -> str:
    """Return the type of a column; rare ones become text."""
    if kind == "HUGEINT":  # sums of BIGINT
        return "DECIMAL(38,0)"
    is_decimal = kind.startswith("DECIMAL") and kind.endswith(")")  # no list of decimals
    return kind if is_decimal or kind in _TIMES or kind in PLAIN_TYPES else "VARCHAR"
