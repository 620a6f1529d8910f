"""Every report works with no job and with one job, in every format and in 80 columns."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from exporter.commands import report
from exporter.errors import UsageError
from exporter.reports import output
from exporter.reports.catalogue import catalogue
from exporter.reports.periods import of_month
from exporter.reports.result import Result
from exporter.reports.running import Request
from exporter.store.connections import Connection
from exporter.store.database import Database
from tests.support.rows import CREATED, insert, put_job

if TYPE_CHECKING:
    from pathlib import Path


def nothing(_: Connection) -> None:
    """Put no job and no scope."""


def just_created(connection: Connection) -> None:
    """Put a job that is still running and has no details yet."""
    insert(
        connection,
        "training_jobs",
        training_job_arn="arn:aws:sagemaker:eu-west-1:123456789012:training-job/bert-1",
        creation_time=CREATED,
        account_id="123456789012",
        region="eu-west-1",
        training_job_name="bert-1",
        training_job_status="InProgress",
        first_synced_at=CREATED,
        updated_at=CREATED,
        job_family="bert",
    )


def over(connection: Connection) -> None:
    """Put a job that ended, with a wasted pool."""
    put_job(connection, "bert-1", hours=2, pool=3600)


@pytest.fixture(scope="module", params=[nothing, just_created, over])
def database(
    request: pytest.FixtureRequest, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    database = Database(tmp_path_factory.mktemp("small") / "jobs.duckdb")
    shutil.copyfile(migrated_file, database.path)
    with database.writing() as connection:
        request.param(connection)
    return database.path


def _has_jobs(path: Path) -> bool:
    with Database(path).reading() as connection:
        return bool(connection.execute("FROM training_jobs LIMIT 1").all())


def run(path: Path, name: str, month: date | None, params: dict[str, str]) -> Result:
    chosen = catalogue()[name]
    period = None if month is None else of_month(month)
    return report.run(Database(path), chosen, Request(period=period, params=params), basis="net")


@pytest.mark.parametrize("name", catalogue())
def test_every_format_shows_the_same_rows(database: Path, name: str) -> None:
    month = date(2026, 10, 1) if catalogue()[name].period else None
    needed = {"job": "bert-1", "family": "bert"}
    params = {
        parameter.name: needed[parameter.name]
        for parameter in catalogue()[name].parameters.values()
        if parameter.required
    }
    if params and not _has_jobs(database):
        with pytest.raises(UsageError, match="It has no jobs yet"):
            run(database, name, month, params)
        return
    result = run(database, name, month, params)
    written = {}
    for style in ("table", "csv", "json", "markdown", "parquet"):
        stream = BytesIO()
        output.write(result, style, stream, width=80, colour=False)
        written[style] = stream.getvalue()

    columns = [column.name for column in result.columns]
    rows = [dict(zip(columns, row, strict=True)) for row in result.rows]
    assert max(map(len, written["table"].decode().splitlines())) <= 80
    assert [list(row) for row in json.loads(written["json"])["rows"]] == [columns] * len(rows)
    lines = list(csv.reader(StringIO(written["csv"].decode())))
    assert (lines[0], len(lines) - 1) == (columns, len(rows))
    prose = catalogue()[name].prose
    start = "- **" if prose else "| " + " | ".join(columns) + " |\n"
    assert written["markdown"].decode().startswith(start)
    table = pq.read_table(BytesIO(written["parquet"]))
    assert (table.column_names, table.num_rows) == (columns, len(rows))
    # Nothing has a price here, and an unknown cost is never zero. Only the summary covers the month
    # of yesterday, which has no jobs and so costs nothing.
    money = [column.name for column in result.columns if column.unit in {"money", "rate"}]
    assert {row[name] for row in rows for name in money} <= ({None, 0} if prose else {None})
