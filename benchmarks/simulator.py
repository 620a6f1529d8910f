"""How many pages a second the stand-in service answers, and what a million jobs cost it.

Run it as ``python -m benchmarks.simulator [--jobs 1000000] [--pages 2000]``. A client
written with ``http.client`` alone, its connection kept alive, lists pages of 100 from a
process of its own, first pages nobody asked for before, then the same ones again.
"""

import argparse
import gc
import http.client
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from exporter.simulator import Clock, Simulator, World

_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIA111122223333/20261101/eu-west-1/sagemaker/aws4_request, "
    "SignedHeaders=host, Signature=0"
)
_HEADERS = {
    "Authorization": _AUTHORIZATION,
    "Content-Type": "application/x-amz-json-1.1",
}
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
    gc.freeze()  # as ``python -m exporter.simulator`` does
    print(f"generated {options.jobs:,} jobs in {took:.1f} s, peak {_peak_mb():,.0f} MB")
    with Simulator(world, record=False) as simulator:
        _time_orders(simulator.url)
        _time_searches(simulator.url)
        command = [sys.executable, "-m", "benchmarks.simulator", "--client", simulator.url]
        command += ["--pages", str(options.pages), "--repeats", str(options.repeats)]
        code = subprocess.run(command, check=False).returncode
    cores = "one core, client and server" if options.one_core else "a core each"
    print(f"measured on {cores}; peak {_peak_mb():,.0f} MB")
    return code


def _client(url: str, pages: int, repeats: int) -> int:
    for number in range(1, repeats + 1):
        began = time.perf_counter()
        rows = read = 0
        for page in _pages(url, pages):
            read += 1
            rows += page.count(b'"TrainingJobName":')
        took = time.perf_counter() - began
        kind = "pages never asked for before" if number == 1 else "the same pages again"
        print(f"{kind}: {read:,} pages, {rows:,} rows in {took:.2f} s = {read / took:,.0f} pages/s")
    return 0


def _pages(url: str, pages: int) -> Iterator[bytes]:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    token = None
    for _ in range(pages):
        params = _LISTING if token is None else {**_LISTING, "NextToken": token}
        body = _ask(connection, params)
        yield body
        # The token ends the body; to parse 100 rows for it would measure json, not us.
        head, _, tail = body.rpartition(b'"NextToken":"')
        if not head:
            break
        token = tail.partition(b'"')[0].decode()
    connection.close()


def _time_orders(url: str) -> None:
    """Print what a first page costs in each order, and deep in the history."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    asked: dict[str, dict[str, object]] = {
        "newest first": {"SortOrder": "Descending"},
        "a month's range": {"CreationTimeAfter": 1759276800, "CreationTimeBefore": 1761955200},
        "by name, sorted for the first time": {"SortBy": "Name"},
        "by name": {"SortBy": "Name"},
        "by status, sorted for the first time": {"SortBy": "Status"},
        "by status": {"SortBy": "Status"},
    }
    for title, params in asked.items():
        began = time.perf_counter()
        _ask(connection, {**_LISTING, **params})
        print(f"first page, {title}: {1000 * (time.perf_counter() - began):,.1f} ms")
    connection.close()


def _time_searches(url: str) -> None:
    """Print what a Search page of 100 whole records costs."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    by_name = [
        {"Name": "TrainingJobName", "Operator": "In", "Value": ",".join(_NAMES[first : first + 16])}
        for first in range(0, 100, 16)
    ]
    in_range = {"Name": "CreationTime", "Operator": "GreaterThan", "Value": "2026-10-01T00:00:00"}
    asked: dict[str, dict[str, object]] = {
        "a range by creation time": {"Filters": [in_range]},
        "100 names": {"Filters": by_name, "Operator": "Or"},
    }
    for title, expression in asked.items():
        params = {
            "Resource": "TrainingJob",
            "MaxResults": 100,
            "SortBy": "CreationTime",
            "SearchExpression": expression,
        }
        began = time.perf_counter()
        for _ in range(20):
            _ask(connection, params, "Search")
        print(f"search, {title}: {50 * (time.perf_counter() - began):,.1f} ms a page")
    connection.close()


def _ask(
    connection: http.client.HTTPConnection,
    params: Mapping[str, object],
    operation: str = "ListTrainingJobs",
) -> bytes:
    headers = {**_HEADERS, "X-Amz-Target": f"SageMaker.{operation}"}
    connection.request("POST", "/", json.dumps(params), headers)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(body.decode())
    return body


def _peak_mb() -> float:
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


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
