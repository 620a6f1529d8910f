"""Every report, with every option, gives the same rows and notes on a server as over a file.

The server is Sail as a cluster. Here each report runs with its default period, and once with
several dimensions; `python -m tests.spark.compare sail --all` runs all periods and dimensions. `make
spark` does the same on Spark with two worker processes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from exporter.publish import reading
from exporter.publish.spark import remote
from exporter.reports import running
from exporter.reports.catalogue import Report, catalogue
from tests.support.published import Published
from tests.publish.test_reports_over_a_lake_equal_those_of_the_file import found, requests
from tests.spark.sail import sail

REPORTS = list(catalogue().values())
Both = tuple[sa.Connection, remote.Remote]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with sail() as uri:
        yield uri


@pytest.fixture(scope="module")
def both(published: Published, server: str) -> Iterator[Both]:
    """The file, and the lake on the server."""
    with (
        published.file.reading() as file,
        remote.opened(server, reading.lake(str(published.lake))) as lake,
    ):
        yield file, lake


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_a_report_is_the_same(report: Report, both: Both) -> None:
    file, lake = both
    every = list(requests(report, file))
    grouped = [each for each in every if len(each.by) > 1]
    for request in (every[0], *grouped):
        assert found(lake, report, request) == found(file, report, request), request
