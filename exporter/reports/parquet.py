"""Results as Parquet, which DuckDB writes."""

from __future__ import annotations

from shutil import copyfileobj
from typing import IO

from exporter import files
from exporter.errors import UsageError
from exporter.reports import arrow
from exporter.reports.result import Result


def write(result: Result, out: IO[bytes]) -> None:
    """Write the rows as Parquet with their types: decimals stay decimals, times are UTC.

    Raises:
        UsageError: The result has no columns.
    """
    if not result.columns:
        raise UsageError("The statement returns no columns, so there is nothing to write.")
    with files.temporary() as folder:
        path = folder / "result.parquet"
        with arrow.relation(result) as rows:
            rows.write_parquet(str(path))
        with path.open("rb") as file:
            copyfileobj(file, out)
