"""An error while rows are read reaches the caller, though DuckDB reads them for Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest

from exporter.errors import UsageError
from exporter.reports import parquet
from exporter.reports.result import Column, Result


@pytest.mark.parametrize("error", [UsageError("in the middle"), KeyboardInterrupt()])
def test_the_error_itself_is_raised_and_nothing_is_written(error: BaseException) -> None:
    def rows() -> Iterator[tuple[int]]:
        for number in range(15_000):
            yield (number,)
        raise error

    out = io.BytesIO()
    with pytest.raises(type(error)) as raised:
        parquet.write(Result((Column("number", "INTEGER"),), rows()), out)
    assert raised.value is error
    assert out.getvalue() == b""


def test_columns_whose_names_differ_by_case_keep_their_values() -> None:
    columns = (Column("a", "VARCHAR[]"), Column("A", "HUGEINT"))
    out = io.BytesIO()
    parquet.write(Result(columns, [(["x", None, 'y"'], 2**70)]), out)
    (row,) = pq.read_table(out).to_pylist()
    assert list(row.values()) == [["x", None, 'y"'], 2**70]


def test_a_result_without_columns_is_refused() -> None:
    with pytest.raises(UsageError, match="returns no columns"):
        parquet.write(Result((), ()), io.BytesIO())
