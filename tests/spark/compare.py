"""Compares every report on a Spark Connect server with DuckDB's, whole rows and notes.

`python -m tests.spark.compare spark` starts Spark with two worker processes (`make spark`), and
kills one in the middle of a report. `python -m tests.spark.compare sail` starts Sail as a cluster.
A URI names a server that runs. Each report has its default period, and a second run with three
dimensions if it groups; `--all` adds each dimension and each period.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from exporter.errors import ExporterError
from exporter.publish import reading
from exporter.publish.spark import remote
from exporter.reports import running
from exporter.reports.catalogue import Report, catalogue, find
from exporter.store import migrate
from exporter.store.connections import Connection
from exporter.store.database import Database
from tests.publish.test_reports_over_a_lake_equal_those_of_the_file import found, requests
from tests.spark.cluster import LARGE, SMALL, Cluster, cluster
from tests.spark.sail import sail
from tests.support.published import COLLECTORS, fill, part, publish

#: The report in whose middle a worker is killed: it has many tasks.
_KILLED_IN: str = "keep-alive-results"


def main() -> int:
    """Compare, print a line for each report, and return 1 if one differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.spark.compare", description=__doc__)
    parser.add_argument("server", help="spark, sail or sc://HOST:PORT")
    parser.add_argument("reports", nargs="*", help="only these reports")
    parser.add_argument("--all", action="store_true", help="each dimension and each period")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, lake = _world(folder)
        with server(options.server, folder) as (uri, running):
            compared = _Comparison(file, lake, uri, everything=options.all)
            reports = [find(each) for each in options.reports or catalogue()]
            same = [compared.of(report) for report in reports]
            if running is not None:
                same.append(compared.with_a_killed_worker(running, find(_KILLED_IN)))
    print(f"{sum(same)} of {len(same)} the same")
    return int(not all(same))


def _world(folder: Path) -> tuple[Database, Path]:
    """Make a file, and the lake of two collectors that have a part of it each."""
    file = Database(folder / "whole.duckdb")
    migrate.upgrade(file)
    fill(file)
    lake = folder / "lake"
    for name in COLLECTORS:
        publish(part(folder / "whole.duckdb", folder / f"{name}.duckdb", name), lake, name)
    return file, lake


@contextmanager
def server(name: str, folder: Path, *, large: bool = False) -> Iterator[tuple[str, Cluster | None]]:
    """Start a server by its name, or take a URI; yield the URI, and the cluster if it is Spark.

    Args:
        name: `spark`, `sail` or a URI.
        folder: For the files of the server.
        large: Choose Spark's settings for millions of jobs.
    """
    if name == "spark":
        with cluster(folder / "spark", LARGE if large else SMALL) as running:
            yield running.uri, running
    elif name == "sail":
        with sail() as uri:
            yield uri, None
    else:
        yield name, None


class _Comparison:
    def __init__(self, file: Database, lake: Path, uri: str, *, everything: bool) -> None:
        self._file = file
        self._lake = reading.lake(str(lake))
        self._uri = uri
        self._everything = everything

    def of(self, report: Report) -> bool:
        """Return whether a report is the same with all that is asked of it."""
        with self._file.reading() as file, remote.opened(self._uri, self._lake) as lake:
            return self._is_same(report, file, lake, report.name)

    def with_a_killed_worker(self, running: Cluster, report: Report) -> bool:
        """Return whether a report is the same although a worker dies in the middle of it."""
        with (
            self._file.reading() as file,
            remote.opened(self._uri, self._lake) as lake,
            ThreadPoolExecutor(1) as pool,
        ):
            killed = pool.submit(running.kill_a_busy_worker)
            same = self._is_same(report, file, lake, f"{report.name}, with a worker killed")
            return same and bool(killed.result())

    def _requests(self, report: Report, file: Connection) -> list[running.Request]:
        every = list(requests(report, file))
        if self._everything:
            return every
        return [every[0], *[each for each in every if each.by][:1]]

    def _is_same(self, report: Report, file: Connection, lake: remote.Remote, title: str) -> bool:
        began = time.perf_counter()
        outcome = "the same"
        try:
            for request in self._requests(report, file):
                if found(lake, report, request) != found(file, report, request):
                    outcome = f"DIFFERENT for {request}"
                    break
        except ExporterError as error:
            outcome = str(error)
        print(f"{title:45} {time.perf_counter() - began:7.1f} s  {outcome}", flush=True)
        return outcome == "the same"


if __name__ == "__main__":
    sys.exit(main())
