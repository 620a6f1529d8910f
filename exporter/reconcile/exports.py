"""Reads a bill export, CUR 2.0 or FOCUS, Parquet or CSV, into the table `billed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from exporter.errors import UsageError
from exporter.reconcile.classify import classify
from exporter.reconcile.formats import OPTIONAL, Format, format_of, line_sql

_SUFFIXES: Final = {".parquet": "parquet", ".csv": "csv", ".csv.gz": "csv"}


@dataclass(frozen=True)
class Export:
    """What an export holds.

    Attributes:
        kind: `CUR 2.0` or `FOCUS`.
        files: The files, sorted.
        since, until: The first UTC day, and the day after the last.
        monthly: Whether the lines are months, so that days cannot be compared.
        accounts: Accounts with a line of any service.
        resources: Whether lines name the job.
        lines: The number of lines of training and warm pools.
        unclear: The number of SageMaker lines that mention training but fit no component.
    """

    kind: str
    files: tuple[str, ...]
    since: date
    until: date
    monthly: bool
    accounts: tuple[str, ...]
    resources: bool
    lines: int
    unclear: int


def read_export(workspace: duckdb.DuckDBPyConnection, path: Path) -> Export:
    """Read an export into the table `billed` of an in-memory workspace.

    `billed` has one row per day (or month), account, region, component, instance type (empty for
    storage) and resource: `quantity` in hours or GB-months, `usd`, and the number of `lines`.
    `rounding` and `usd_rounding` are the largest rounding errors of the two sums: per line half a
    unit of the last decimal place that the export uses, or that a printed bill uses if coarser.

    Args:
        workspace: A fresh in-memory connection.
        path: A file, or a folder with the parts of one export.

    Raises:
        UsageError: The file does not exist, is not an export of a known format, or is not in USD.
    """
    files = _files(path)
    try:
        columns = _open(workspace, files)
        fmt = format_of(str(path), columns)
        workspace.execute(f"CREATE TABLE bill_lines AS {line_sql(fmt, columns)}")
        _classify(workspace)
        workspace.execute(f"CREATE TABLE billed AS {_BILLED}")
        return _summary(workspace, fmt, files)
    except duckdb.ConversionException as error:
        raise UsageError(f"{path} has a value of the wrong type: {_first_line(error)}") from error
    except duckdb.Error as error:
        raise UsageError(f"Cannot read {path}: {_first_line(error)}") from error


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]


def _files(path: Path) -> tuple[str, ...]:
    if path.is_dir():
        files = sorted(str(file) for file in path.rglob("*") if _file_format(file))
        if not files:
            raise UsageError(f"{path} holds no .parquet, .csv or .csv.gz file.")
        return tuple(files)
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    if not _file_format(path):
        raise UsageError(f"{path} is not named .parquet, .csv or .csv.gz.")
    return (str(path),)


def _file_format(path: Path) -> str | None:
    name = path.name.lower()
    return next((kind for end, kind in _SUFFIXES.items() if name.endswith(end)), None)


def _open(workspace: duckdb.DuckDBPyConnection, files: Sequence[str]) -> list[str]:
    """Create the view `raw_lines` over the files, and return its columns in lower case.

    The values of a CSV stay texts.
    """
    formats = {_file_format(Path(file)) for file in files}
    if len(formats) > 1:
        raise UsageError("The folder holds Parquet and CSV files, but an export has one format.")
    names: Any = list(files)  # the stub of read_csv lacks lists
    lines = (
        workspace.read_parquet(names, union_by_name=True)
        if formats == {"parquet"}
        else workspace.read_csv(names, all_varchar=True, header=True, union_by_name=True)
    )
    columns = [name.lower() for name in lines.columns]
    missing = [f"NULL::VARCHAR AS {name}" for name in OPTIONAL if name not in columns]
    lines.project(", ".join(["*", *missing])).create_view("raw_lines")
    return columns


def _classify(workspace: duckdb.DuckDBPyConnection) -> None:
    """Create the table `line_kinds`: what the lines with the same texts and unit bill."""
    workspace.execute(
        "CREATE TABLE line_kinds "
        "(texts VARCHAR[], unit VARCHAR, component VARCHAR, instance_type VARCHAR)"
    )
    found = workspace.execute("SELECT DISTINCT texts, unit FROM bill_lines WHERE counts").fetchall()
    kinds = [
        [texts, unit, *kind] for texts, unit in found if (kind := classify(texts, unit)) is not None
    ]
    if kinds:
        workspace.executemany("INSERT INTO line_kinds VALUES (?, ?, ?, ?)", kinds)


_BILLED: Final = """
    WITH places AS (
        -- The number of decimal places that the export uses.
        SELECT
            greatest(
                3, max(length(rtrim(split_part(CAST(quantity AS VARCHAR), '.', 2), '0')))
            ) AS quantity,
            greatest(2, max(length(rtrim(split_part(CAST(usd AS VARCHAR), '.', 2), '0')))) AS usd
        FROM bill_lines
        WHERE counts
    )

    SELECT
        CASE
            WHEN (SELECT max(ended - started) > INTERVAL 25 HOURS FROM bill_lines)
                THEN CAST(date_trunc('month', line.started) AS DATE)
            ELSE CAST(line.started AS DATE)
        END AS period,
        line.account_id, line.region, kind.component, kind.instance_type,
        lower(line.resource) AS resource,
        sum(line.quantity) AS quantity, sum(line.usd) AS usd, count(*) AS lines,
        count(*) * 0.5 / pow(10, any_value(places.quantity)) AS rounding,
        count(*) * 0.5 / pow(10, any_value(places.usd)) AS usd_rounding
    FROM bill_lines AS line
    CROSS JOIN places
    INNER JOIN line_kinds AS kind
        ON line.texts = kind.texts AND line.unit IS NOT DISTINCT FROM kind.unit
    WHERE line.counts AND line.quantity IS NOT NULL
    GROUP BY ALL
"""


def _summary(workspace: duckdb.DuckDBPyConnection, fmt: Format, files: tuple[str, ...]) -> Export:
    # Results are read to their end: DuckDB 2 refuses to register a table before.
    [(since, until, monthly, accounts, currencies)] = workspace.execute("""
        SELECT
            CAST(min(started) AS DATE), CAST(max(ended - INTERVAL 1 MICROSECOND) AS DATE) + 1,
            max(ended - started) > INTERVAL 25 HOURS,
            list(DISTINCT account_id ORDER BY account_id),
            list(DISTINCT currency) FILTER (WHERE counts AND currency <> 'USD')
        FROM bill_lines
    """).fetchall()
    if since is None:
        raise UsageError(f"{files[0]} holds no line.")
    if currencies:
        raise UsageError(f"{files[0]} is in {', '.join(currencies)}, but prices are in USD.")
    [(lines, resources, unclear)] = workspace.execute("""
        SELECT
            (SELECT coalesce(sum(lines), 0) FROM billed),
            (SELECT coalesce(bool_or(resource <> ''), FALSE) FROM billed),
            (
                SELECT count(*)
                FROM bill_lines AS line
                ANTI JOIN line_kinds AS kind
                    ON line.texts = kind.texts AND line.unit IS NOT DISTINCT FROM kind.unit
                WHERE line.counts AND len(list_filter(
                    line.texts, lambda text: regexp_matches(text, '[Tt]rain')
                )) > 0
            )
    """).fetchall()
    return Export(
        kind=fmt.name,
        files=files,
        since=since,
        until=until,
        monthly=monthly,
        accounts=tuple(accounts),
        resources=resources,
        lines=int(lines),
        unclear=unclear,
    )
