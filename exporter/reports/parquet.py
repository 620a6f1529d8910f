"""Results as Parquet, which DuckDB writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from shutil import copyfileobj
from typing import IO, Any, Final

import duckdb

from exporter import files
from exporter.errors import UsageError
from exporter.reports.result import Column, Result
from exporter.reports.values import plain
from exporter.sql import identifier, literal
from exporter.store.batches import PLAIN_TYPES, stream
from exporter.store.connections import in_memory

_CHUNK: Final = 10_000
_TIMES: Final = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})


def write(result: Result, out: IO[bytes]) -> None:
    """Write the rows as Parquet with their types: decimals stay decimals, times are UTC.

    Raises:
        UsageError: The result has no columns.
    """
    if not result.columns:
        raise UsageError("The statement returns no columns, so there is nothing to write.")
    # Numbered: to DuckDB, names that differ by case alone are the same.
    types = {f"c{index}": _stored_type(each.type) for index, each in enumerate(result.columns)}
    selected = ", ".join(map(_selected, types, result.columns))
    chunks = _Chunks(result)
    with in_memory() as memory, files.temporary() as folder:
        path = folder / "result.parquet"
        # One thread: the rows may come from another connection, which this thread is reading.
        memory.execute("SET threads = 1")
        memory.register("rows_of_result", stream(types, chunks))
        try:
            memory.execute(
                f"COPY (SELECT {selected} FROM rows_of_result) "  # noqa: S608 - quoted names
                f"TO {literal(str(path))} (FORMAT parquet)"
            )
        except duckdb.Error:
            if chunks.error is not None:
                raise chunks.error from None
            raise
        with path.open("rb") as file:
            copyfileobj(file, out)


def _selected(source: str, column: Column) -> str:
    # Lists come as JSON: the Arrow library builds none from Python values.
    value = f"from_json({source}, '[\"VARCHAR\"]')" if column.type == "VARCHAR[]" else source
    return f"{value} AS {identifier(column.name)}"


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
    """Return the value as its column in Parquet takes it."""
    if value is None:
        return None
    stored = _stored_type(kind)
    if stored == "VARCHAR":
        return json.dumps(value) if kind == "VARCHAR[]" else plain(value)
    return Decimal(value) if stored.startswith("DECIMAL") else value


def _stored_type(kind: str) -> str:
    """Return the type of a column in Parquet; rare ones become text."""
    if kind == "HUGEINT":  # sums of BIGINT
        return "DECIMAL(38,0)"
    is_decimal = kind.startswith("DECIMAL") and kind.endswith(")")  # no list of decimals
    return kind if is_decimal or kind in _TIMES or kind in PLAIN_TYPES else "VARCHAR"
