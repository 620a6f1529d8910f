"""Every report, with every option, gives the same rows and notes over a lake as over a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from exporter.prices.basis import use_list_prices
from exporter.publish import reading
from exporter.reports import running
from exporter.reports.catalogue import Report, catalogue
from exporter.reports.periods import Period
from exporter.reports.result import Result
from exporter.reports.source import Source
from exporter.store.connections import Connection
from tests.support.published import NOW, Published

REPORTS = list(catalogue().values())
PERIODS = (
    Period(date(2026, 10, 1), date(2026, 12, 1)),
    Period(date(2026, 11, 2), date(2026, 11, 9)),
    Period(date(2026, 7, 1), date(2026, 9, 1)),
)
#: Every dimension.
BY = (("day", "instance_type", "region"), ("month", "account", "team"), ("family", "tag:Project"))
Both = tuple[Connection, Connection]


@pytest.fixture(scope="module")
def both(published: Published) -> Iterator[Both]:
    """The file and the lake, open."""
    with (
        published.file.reading() as file,
        reading.lake(str(published.lake)).reading() as lake,
    ):
        yield on_one_thread(file, lake)


@pytest.fixture(scope="module")
def both_at_list_prices(published: Published) -> Iterator[Both]:
    """The file and the lake at public list prices."""
    with (
        published.file.reading() as file,
        reading.lake(str(published.lake), costs="list").reading() as lake,
    ):
        use_list_prices(file)
        yield on_one_thread(file, lake)


def on_one_thread(*both: Connection) -> Both:
    """Of few rows, a second thread costs more than it saves."""
    for each in both:
        each.execute("SET threads = 1")
    file, lake = both
    return file, lake


def requests(report: Report, connection: Connection) -> Iterator[running.Request]:
    """Yield requests with every period, and with every dimension."""
    argument = None
    if report.argument:
        argument = connection.execute(
            f"SELECT {'job_family' if report.argument == 'family' else 'training_job_name'} "
            "FROM training_jobs WHERE warm_pool_status = 'Terminated' "
            "ORDER BY training_end_time DESC, training_job_arn LIMIT 1"
        ).scalar()
    first = running.Request(
        period=PERIODS[0] if report.period else None, argument=argument, now=NOW
    )
    yield first
    if report.period:
        yield from (replace(first, period=each) for each in PERIODS[1:])
    if report.by:
        yield from (replace(first, by=names) for names in BY)
    if "top" in report.parameters:
        yield replace(first, params={"top": "2"})


def found(connection: Source, report: Report, request: running.Request) -> Result:
    result = running.run(connection, report, request)
    return replace(result, rows=[tuple(row) for row in result.rows])


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_a_report_is_the_same(report: Report, both: Both) -> None:
    file, lake = both
    seen = 0
    for request in requests(report, file):
        expected = found(file, report, request)
        assert found(lake, report, request) == expected, request
        seen += len(list(expected.rows))
    assert seen > 0


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_a_report_is_the_same_at_list_prices(report: Report, both_at_list_prices: Both) -> None:
    file, lake = both_at_list_prices
    request = next(requests(report, file))
    assert found(lake, report, request) == found(file, report, request)
