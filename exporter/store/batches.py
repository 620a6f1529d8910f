"""Arrow batches between Python and DuckDB; the only module that knows the Arrow library.

DuckDB reads any Arrow C stream, so the small arro3-core takes the place of pyarrow. Its
constructors know no times, dates or decimals: these pass through integers and text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import duckdb
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema, Table

from exporter.store.connections import Connection
from exporter.store.schema import Table as Described

#: Rows in memory; DuckDB can read them.
Batch = Table
#: Rows that are converted while a reader reads them; readable once.
Stream = RecordBatchReader
#: Values by column; all columns have the same length.
Columns = Mapping[str, Sequence[Any]]

_DECIMAL: Final = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_DAY: Final = date(1970, 1, 1)

#: Types whose Python values the library takes as they are.
PLAIN_TYPES: Final[dict[str, Callable[[], DataType]]] = {
    "BOOLEAN": DataType.bool,
    "TINYINT": DataType.int8,
    "SMALLINT": DataType.int16,
    "INTEGER": DataType.int32,
    "BIGINT": DataType.int64,
    "UTINYINT": DataType.uint8,
    "USMALLINT": DataType.uint16,
    "UINTEGER": DataType.uint32,
    "UBIGINT": DataType.uint64,
    "FLOAT": DataType.float32,
    "DOUBLE": DataType.float64,
    "VARCHAR": DataType.string,
    "BLOB": DataType.binary,
}


def batch(table: Described, columns: Columns) -> Batch:
    """Return rows for a table as Arrow.

    Convert rows before you open the file for writing: DuckDB locks the file while it is open.

    Args:
        table: Its columns give the types. A column of NULLs alone would have none.
        columns: Values by column name.
    """
    types = {name: table.types[name] for name in columns}
    arrays = [_array(columns[name], kind) for name, kind in types.items()]
    return Table.from_arrays(arrays, schema=_schema(types))


def stream(types: Mapping[str, str], chunks: Iterable[Columns]) -> Stream:
    """Return an Arrow stream that converts one chunk of rows at a time.

    Args:
        types: DuckDB types by column name: numbers, texts, dates, times, BOOLEAN and BLOB.
        chunks: Values by column name, with the columns of `types`.
    """
    schema = _schema(types)
    found = (
        RecordBatch.from_arrays(
            [_array(chunk[name], kind) for name, kind in types.items()], schema=schema
        )
        for chunk in chunks
    )
    return RecordBatchReader.from_batches(schema, found)


def collected(rows: Stream) -> Batch:
    """Return the rows of a stream, all in memory."""
    return Table.from_arrow(rows)


def fetch(relation: duckdb.DuckDBPyRelation) -> Batch:
    """Return all rows of a DuckDB relation as Arrow."""
    return Table.from_arrow(relation)


@contextmanager
def fetch_stream(relation: duckdb.DuckDBPyRelation, comments: Sequence[str]) -> Iterator[Stream]:
    """Stream the rows of a DuckDB relation.

    Args:
        relation: Its connection can do nothing else inside the block.
        comments: One for each column; the stream's fields carry them as metadata `comment`.
    """
    found = Stream.from_stream(relation)
    schema = Schema(
        [
            found.schema.field(index).with_metadata({"comment": comment})
            for index, comment in enumerate(comments)
        ]
    )
    commented = (rows.with_schema(schema) for rows in found)
    try:
        yield Stream.from_batches(schema, commented)
    finally:
        # Drop the result: one that is half read would block the connection.
        commented.close()
        del found


@contextmanager
def staged(connection: Connection, name: str, rows: Batch) -> Iterator[None]:
    """Make a batch readable under a name, for one statement that reads it once.

    DuckDB 1.4 cannot read a batch a second time. Copy it to a temporary table for more.
    """
    raw = connection.raw
    raw.register(name, rows)
    try:
        yield
    finally:
        # After a full disk or Ctrl-C the connection is lost; the caller needs that first error.
        with suppress(duckdb.Error):
            raw.unregister(name)


def _schema(types: Mapping[str, str]) -> Schema:
    return Schema([Field(name, _arrow_type(kind)) for name, kind in types.items()])


def _arrow_type(kind: str) -> DataType:
    if match := _DECIMAL.fullmatch(kind):
        return DataType.decimal128(int(match[1]), int(match[2]))
    if kind.startswith("TIMESTAMP"):
        return DataType.timestamp("us", tz="UTC" if "TIME ZONE" in kind else None)
    if kind == "DATE":
        return DataType.date32()
    return DataType.string() if kind == "JSON" else PLAIN_TYPES[kind]()


def _array(values: Sequence[Any], kind: str) -> Array:
    type_ = _arrow_type(kind)
    if _DECIMAL.fullmatch(kind):
        return _decimals(values, type_)
    if kind.startswith("TIMESTAMP"):
        return Array(_microseconds(values, kind), DataType.int64()).cast(type_)
    if kind == "DATE":
        return Array([_days(value) for value in values], DataType.int32()).cast(type_)
    return Array(values, type_)


def _decimals(values: Sequence[Decimal | None], type_: DataType) -> Array:
    # "f" because the library reads no exponents.
    texts = [None if value is None else format(value, "f") for value in values]
    array = Array(texts, DataType.string()).cast(type_)
    if array.null_count != texts.count(None):
        raise OverflowError(f"a number does not fit {type_}")  # the cast makes it NULL
    return array


def _microseconds(values: Sequence[datetime | None], kind: str) -> list[int | None]:
    """Return times as microseconds since the epoch; aware ones if the type has a time zone."""
    epoch = _EPOCH if "TIME ZONE" in kind else _EPOCH.replace(tzinfo=None)
    return [None if value is None else (value - epoch) // _MICROSECOND for value in values]


def _days(value: date | None) -> int | None:
    return None if value is None else (value - _FIRST_DAY).days
