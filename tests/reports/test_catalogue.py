"""The header of every report fits its SQL, and the printed SQL gives the same rows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import UsageError
from exporter.reports import running
from exporter.reports.catalogue import Report, catalogue, find, parse
from exporter.reports.periods import Period
from exporter.store.connections import Connection
from exporter.store.database import Database
from tests.support.cases import World, job

if TYPE_CHECKING:
    from tests.reports.conftest import Bench


@pytest.fixture(scope="module")
def connection(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    """Give a database whose one job is `a-1`, which reports with an argument are asked about."""
    path = tmp_path_factory.mktemp("one-job") / "one.duckdb"
    shutil.copy(migrated_file, path)
    with Database(path).writing() as opened:
        World(opened).put([job("a-1", datetime(2026, 10, 3, tzinfo=UTC))])
    with Database(path).reading() as opened:
        yield opened


REPORTS = list(catalogue().values())
EXPECTED = {
    "warm-pool-cost",
    "warm-pool-jobs",
    "warm-pool-live",
    "warm-pool-waste",
    "warm-pool-reuse",
    "warm-pool-chains",
    "running-now",
    "keep-alive-results",
    "warm-pool-missing",
    "keep-alive-advice",
    "keep-alive-curve",
    "why-not-reused",
    "startup-time",
    "training-cost",
    "cost-change",
    "spot-savings",
    "failed-jobs",
    "job-history",
    "untagged",
    "coverage",
    "summary",
}


def request(report: Report, **more: object) -> running.Request:
    period = Period(date(2026, 10, 1), date(2026, 11, 1)) if report.period else None
    kind = report.parameters[report.argument].kind if report.argument else None
    return running.Request(
        period=period,
        argument={"job": "a-1", "family": "a"}.get(kind or ""),
        **more,  # type: ignore[arg-type]  # by or params
    )


def test_the_catalogue_holds_exactly_these_reports() -> None:
    assert set(catalogue()) == EXPECTED


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_the_header_describes_the_columns_in_their_order(
    report: Report, connection: Connection
) -> None:
    result = running.run(connection, report, request(report))
    dimensions = {"month", "instance_type", "family", "account", "account_name"}
    named = [column.name for column in result.columns]
    described = [name for name in named if name in report.columns]
    assert described == list(report.columns)
    assert set(named) - set(described) <= (dimensions if report.by else set())
    assert report.title
    assert report.description
    for column in (report.bar, report.limit_column):
        assert not column or column in named
    assert result.totals is not None or report.name in ("job-history", "summary")


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_printed_sql_returns_the_same_rows(report: Report, connection: Connection) -> None:
    sql = running.statement(report, request(report)).with_literals()
    assert not re.search(r"(?<![:\w]):[a-z]\w*", re.sub(r"'[^']*'|--.*", "", sql))
    rows = connection.execute(sql).all()
    result = running.run(connection, report, request(report))
    if not report.replay:  # its SQL returns what the program replays
        assert len(rows) == len(list(result.rows)) + (result.totals is not None)


@pytest.mark.parametrize("report", [r for r in REPORTS if r.by], ids=lambda report: report.name)
@pytest.mark.parametrize(
    "by", [["day", "month"], ["region", "account", "team"], ["tag:it's", "tag:$.x[0]"], ["family"]]
)
def test_every_dimension_works_in_every_report(
    report: Report, connection: Connection, by: list[str]
) -> None:
    running.run(connection, report, request(report, by=by))


@pytest.mark.parametrize("report", [r for r in REPORTS if r.by], ids=lambda report: report.name)
def test_a_file_without_changes_is_the_report_with_its_default_dimensions(report: Report) -> None:
    filled = running.statement(report, request(report, by=report.by)).sql
    assert _without_spaces(filled) == _without_spaces(
        re.sub(r"/\*(by|names|order|notes|end)\*/", "", report.sql)
    )


def _without_spaces(sql: str) -> str:
    return re.sub(r"\s", "", sql)


def test_unknown_options_and_wrong_values_are_usage_errors(bench: Bench) -> None:
    wrong: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("coverage", "takes no --by", {"by": ["month"]}),
        ("coverage", "takes no argument: 'x'", {"argument": "x"}),
        (
            "job-history",
            "needs JOB: Name or ARN of the job. Use `sagemaker-exporter report job-history JOB`.",
            {},
        ),
        (
            "warm-pool-jobs",
            r"--param top='many': expected a whole number",
            {"params": {"top": "many"}},
        ),
        ("warm-pool-jobs", "expected a whole number of at least 0", {"params": {"top": "-1"}}),
        ("warm-pool-jobs", "expected a whole number", {"params": {"top": "9" * 20}}),
        ("keep-alive-advice", "expected a number", {"params": {"minute_usd": "NaN"}}),
        ("keep-alive-advice", "expected a number", {"params": {"minute_usd": "1e12"}}),
        ("warm-pool-jobs", "no parameter 'tpo'. Did you mean 'top'", {"params": {"tpo": "3"}}),
    )
    for name, said, more in wrong:
        with pytest.raises(UsageError, match=said):
            bench.run(name, **more)
    with pytest.raises(UsageError, match="takes no period"):
        running.statement(
            find("warm-pool-live"),
            running.Request(period=Period(date(2026, 10, 1), date(2026, 11, 1))),
        )


def test_parameters_are_bound_and_never_part_of_the_sql(bench: Bench) -> None:
    bench.job("it's-1")
    for value in ("'; DROP TABLE training_jobs; --", "%", ":job", "$1", "?", "\x1b[31m"):
        with pytest.raises(UsageError, match=r"has no job .*Nearest: it's-1"):
            bench.run("job-history", argument=value)
    assert bench.connection.execute("SELECT count(*) FROM training_jobs").scalar() == 1


@pytest.mark.parametrize(
    "text",
    ["SELECT 1", "-- titel: x\nSELECT 1", "-- title: x\n-- nonsense\nSELECT 1",
     "-- title: x\n-- param: top number\nSELECT 1", "-- title: x\n-- column: x\nSELECT 1"],
)  # fmt: skip
def test_a_wrong_header_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"x\.sql|cannot read"):
        parse("x", text)


def test_a_header_has_continued_lines_and_defaults() -> None:
    report = parse(
        "x",
        "-- title: T\n-- description: one\n--   two\n-- param: a integer = 3: An a\n"
        "-- param: b text = : A b\n-- param: c number: A c\n-- column: d money wide: A d\n"
        "\nSELECT 1;\n",
    )
    assert report.description == "one two"
    assert [(p.default, p.required) for p in report.parameters.values()] == [
        (3, False),
        (None, False),
        (None, True),
    ]
    assert report.columns["d"].wide
    assert report.sql == "SELECT 1"
