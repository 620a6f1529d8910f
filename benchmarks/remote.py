"""Measures reports on a Spark Connect server: `python -m benchmarks.remote --keep FOLDER sail`.

The lake is made as that of `benchmarks.lake`, of `--jobs` jobs and `--copies` copies, each with
identities of its own in all months. `sail` starts Sail as a cluster, `spark`
starts Spark with two worker processes (after `make .venv-spark/installed`), and a URI names a
server that runs. Each report runs with its default period by DuckDB over the lake, then on the
server. The benchmark prints the seconds of both, and whether rows and notes are the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from benchmarks.lake import build, show_size
from benchmarks.reports import argument_of
from exporter.errors import ExporterError
from exporter.publish import reading
from exporter.publish.spark import remote
from exporter.reports import periods, running
from exporter.reports.catalogue import Report, catalogue, find
from exporter.reports.result import Result
from exporter.reports.source import Source
from tests.spark.compare import server


def main() -> int:
    """Build what is missing, run the reports, and return 1 if one differs or fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote", description=__doc__)
    parser.add_argument("server", help="spark, sail or sc://HOST:PORT")
    parser.add_argument("reports", nargs="*", help="run only these reports")
    parser.add_argument("--keep", type=Path, required=True, help="folder for the file and the lake")
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs in the file")
    parser.add_argument("--copies", type=int, default=1, help="copies of the tables")
    options = parser.parse_args()
    folder = options.keep / "lake"
    if not folder.exists():
        options.keep.mkdir(parents=True, exist_ok=True)
        file, copies = options.keep / "jobs.duckdb", options.copies
        build(file, folder, options.jobs, copies, copies, recent=None)
    show_size(folder)
    lake = reading.lake(str(folder))
    now = datetime.now(UTC)
    failed = 0
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uri, _ = stack.enter_context(server(options.server, logs, large=True))
        duckdb = stack.enter_context(lake.reading())
        engine = stack.enter_context(remote.opened(uri, lake))
        for name in options.reports or catalogue():
            failed += not compare(find(name), duckdb, engine, now)
    return int(failed > 0)


def compare(report: Report, duckdb: Source, engine: Source, now: datetime) -> bool:
    """Run a report twice, print its figures, and return whether the results are the same."""
    expected, local = timed(report, duckdb, now)
    began = time.perf_counter()
    try:
        found, distributed = timed(report, engine, now)
        outcome = "the same" if found == expected else "DIFFERENT" + difference(expected, found)
    except ExporterError as error:
        distributed, outcome = time.perf_counter() - began, str(error)
    print(
        f"{report.name:20} {len(list(expected.rows)):6,} rows {local:7.2f} s by DuckDB "
        f"{distributed:7.2f} s on the server  {outcome}",
        flush=True,
    )
    return outcome == "the same"


def difference(expected: Result, found: Result) -> str:
    """Return lines with the first differing value, and the number of differing rows."""
    pairs = list(zip_longest(expected.rows, found.rows))
    differing = [(number, *pair) for number, pair in enumerate(pairs) if pair[0] != pair[1]]
    lines = [f"{len(differing):,} of {len(pairs):,} rows differ"]
    if differing:
        number, one, other = differing[0]
        lines += [
            f"row {number}, {column.name}: {value!r} by DuckDB, {remote_value!r} on the server"
            for column, value, remote_value in zip_longest(expected.columns, one or (), other or ())
            if value != remote_value
        ]
    if expected.notes != found.notes:
        lines += [f"notes: {expected.notes!r} by DuckDB, {found.notes!r} on the server"]
    return "".join(f"\n    {line}" for line in lines)


def timed(report: Report, source: Source, now: datetime) -> tuple[Result, float]:
    """Return the result of a report with its default period, and its seconds."""
    period = None
    if report.period:
        period = periods.choose(
            month=None, since=None, until=None, today=now.date(), kind=report.period
        )
    request = running.Request(period=period, argument=argument_of(report), now=now)
    began = time.perf_counter()
    result = running.run(source, report, request)
    rows = [tuple(row) for row in result.rows]
    return dataclasses.replace(result, rows=rows), time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
