"""Measure the pages a second of the simulator, and its time and memory for a million jobs.

Run it as `python -m benchmarks.simulator [--jobs 1000000] [--pages 2000]`. A client in another
process, with `http.client` alone and a kept-alive connection, lists pages of 100: first pages
that were never requested before, then the same pages again.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from benchmarks.pages import ask, connection, peak_mb, token_of
from exporter.simulator import Clock, Simulator, World

_NAMES = ["nightly-17930000", *(f"no-such-job-{number}" for number in range(99))]
_LISTING = {"MaxResults": 100, "SortBy": "CreationTime", "SortOrder": "Ascending"}


def main() -> int:
    """Generate, serve, list, print."""
    options = _parser().parse_args()
    if options.client:
        return _client(options.client, options.pages, options.repeats)
    if options.one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    world = World(Clock(datetime(2026, 11, 2, 12, tzinfo=UTC)), seed=7)
    scope = world.scope("111122223333", "eu-west-1")
    began = time.perf_counter()
    world.generate(jobs=options.jobs, scopes=[scope])
    took = time.perf_counter() - began
    gc.freeze()  # as `python -m exporter.simulator` does
    print(f"generated {options.jobs:,} jobs in {took:.1f} s, peak {peak_mb():,.0f} MB")
    with Simulator(world, record=False) as simulator:
        _time_orders(simulator.url)
        _time_searches(simulator.url)
        command = [sys.executable, "-m", "benchmarks.simulator", "--client", simulator.url]
        command += ["--pages", str(options.pages), "--repeats", str(options.repeats)]
        code = subprocess.run(command, check=False).returncode
    cores = "one core, client and server" if options.one_core else "a core each"
    print(f"measured on {cores}; peak {peak_mb():,.0f} MB")
    return code


def _client(url: str, pages: int, repeats: int) -> int:
    for number in range(1, repeats + 1):
        began = time.perf_counter()
        rows = read = 0
        for page in _pages(url, pages):
            read += 1
            rows += page.count(b'"TrainingJobName":')
        took = time.perf_counter() - began
        kind = "new pages" if number == 1 else "the same pages again"
        print(f"{kind}: {read:,} pages, {rows:,} rows in {took:.2f} s = {read / took:,.0f} pages/s")
    return 0


def _pages(url: str, pages: int) -> Iterator[bytes]:
    to = connection(url)
    token = None
    for _ in range(pages):
        params = _LISTING if token is None else {**_LISTING, "NextToken": token}
        body = ask(to, params)
        yield body
        token = token_of(body)
        if token is None:
            break
    to.close()


def _time_orders(url: str) -> None:
    """Print the time of a first page in each order, and deep in the history."""
    to = connection(url)
    requests: dict[str, dict[str, object]] = {
        "newest first": {"SortOrder": "Descending"},
        "a month's range": {"CreationTimeAfter": 1759276800, "CreationTimeBefore": 1761955200},
        "by name, sorted for the first time": {"SortBy": "Name"},
        "by name": {"SortBy": "Name"},
        "by status, sorted for the first time": {"SortBy": "Status"},
        "by status": {"SortBy": "Status"},
    }
    for title, params in requests.items():
        began = time.perf_counter()
        ask(to, {**_LISTING, **params})
        print(f"first page, {title}: {1000 * (time.perf_counter() - began):,.1f} ms")
    to.close()


def _time_searches(url: str) -> None:
    """Print the time of a Search page of 100 complete records."""
    to = connection(url)
    by_name = [
        {"Name": "TrainingJobName", "Operator": "In", "Value": ",".join(_NAMES[first : first + 16])}
        for first in range(0, 100, 16)
    ]
    in_range = {"Name": "CreationTime", "Operator": "GreaterThan", "Value": "2026-10-01T00:00:00"}
    requests: dict[str, dict[str, object]] = {
        "a range by creation time": {"Filters": [in_range]},
        "100 names": {"Filters": by_name, "Operator": "Or"},
    }
    for title, expression in requests.items():
        params = {
            "Resource": "TrainingJob",
            "MaxResults": 100,
            "SortBy": "CreationTime",
            "SearchExpression": expression,
        }
        began = time.perf_counter()
        for _ in range(20):
            ask(to, params, "Search")
        print(f"search, {title}: {50 * (time.perf_counter() - began):,.1f} ms a page")
    to.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--one-core", action="store_true", help="Linux: pin both to one core")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
