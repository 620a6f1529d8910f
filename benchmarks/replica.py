"""Measure ListTrainingJobs from the database: first pages in a process, pages over HTTP.

Run it as `python -m benchmarks.replica [--jobs 1000000] [--seconds 20] [--rounds 2]`. It makes a
file, times `exporter.client` on first pages of 100, and starts `serve` as a process. A third
process asks `serve` while this one commits a batch of jobs every `--every` seconds, as a sync does.
After each commit it asks for a new job: an answer without it counts as stale. The floor is the same
HTTP server with one finished page, in a process of its own: the rounds of both alternate.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import MISSED
from benchmarks.pages import ask, connection, peak_mb, token_of
from exporter import client
from exporter.store import jobs, migrate
from exporter.store.batches import batch
from exporter.store.database import Database
from exporter.store.schema import training_jobs
from exporter.wire import Request, Response, Server

_ACCOUNT, _REGION = "111122223333", "eu-west-1"
_ARN = f"arn:aws:sagemaker:{_REGION}:{_ACCOUNT}:training-job/"
_START = datetime(2025, 11, 1, tzinfo=UTC)
_YEAR = 31_536_000_000
#: The requests, from the most common to the most expensive.
_FIRST_PAGES: dict[str, dict[str, Any]] = {
    "newest": {},
    "oldest": {"SortOrder": "Ascending"},
    "created in a month": {
        "CreationTimeAfter": _START + timedelta(days=150),
        "CreationTimeBefore": _START + timedelta(days=180),
    },
    "modified in the last day": {"LastModifiedTimeAfter": _START + timedelta(days=364)},
    "in progress": {"StatusEquals": "InProgress"},
    "pools that were reused": {"WarmPoolStatusEquals": "Reused"},
    "by name": {"SortBy": "Name", "SortOrder": "Ascending"},
    "by name, from the end": {"SortBy": "Name", "SortOrder": "Descending"},
    "by status": {"SortBy": "Status", "SortOrder": "Ascending"},
    "by status, from the end": {"SortBy": "Status", "SortOrder": "Descending"},
    "a name that is rare": {"NameContains": "99999"},
    "an unknown name": {"NameContains": "no-such-job"},
    "failed, by name": {"SortBy": "Name", "StatusEquals": "Failed"},
}


def main() -> int:
    """Make the file, time the client, time the server, print.

    Returns:
        Exit code: `MISSED` if a goal is missed, else 0.
    """
    options = _parser().parse_args()
    if options.ask:
        return _ask_for(options.ask, options.seconds, options.threads)
    if options.floor:
        return _serve_one_page(options.floor)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.duckdb"
        began = time.perf_counter()
        _fill(path, options.jobs)
        size = path.stat().st_size / 1e6
        print(f"{options.jobs:,} jobs: {size:,.0f} MB in {time.perf_counter() - began:.1f} s")
        _time_client(path, options.repeats)
        return _time_server(path, options)


def _fill(path: Path, count: int) -> None:
    database = Database(path)
    migrate.upgrade(database)
    with database.writing() as connection:
        connection.execute(
            _FILL, {"count": count, "step": _YEAR // count, "start": _START, "arn": _ARN}
        )
        connection.execute(
            "INSERT INTO sync_scopes (account_id, region) VALUES (:account, :region)",
            {"account": _ACCOUNT, "region": _REGION},
        )


def _time_client(path: Path, repeats: int) -> None:
    began = time.perf_counter()
    sagemaker = client(path)
    print(f"client: made in {time.perf_counter() - began:.2f} s, peak {peak_mb():,.0f} MB")
    worst = 0.0
    for title, params in _FIRST_PAGES.items():
        first_page = partial(sagemaker.list_training_jobs, MaxResults=100, **params)
        *took, used = _times(first_page, repeats)
        middle = statistics.median(took)
        worst = max(worst, middle)
        print(f"  first page, {title}: {middle:.1f} ms (least {min(took):.1f}, CPU {used:.1f})")
    print(f"  the slowest median: {worst:.1f} ms")
    _commit(path, 0)
    first, used = _times(partial(sagemaker.list_training_jobs, MaxResults=100), 1)
    print(f"  the first after a commit: {first:.1f} ms (CPU {used:.1f})")


def _times(call: Callable[[], object], repeats: int) -> list[float]:
    """Return the milliseconds of each call, then the mean CPU time of a call in all threads."""
    found = []
    used = time.process_time()
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - began))
    return [*found, 1000 * (time.process_time() - used) / repeats]


def _time_server(path: Path, options: argparse.Namespace) -> int:
    alone = statistics.median(_times(lambda: _commit(path, 0), 5)[:-1])
    print(f"a commit alone: {alone:.0f} ms")
    command = [sys.executable, "-m", "exporter", "--db", str(path), "serve", "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip() if server.stdout else ""
        print(f"serve: answers after {time.perf_counter() - began:.1f} s")
        page = path.with_suffix(".json")
        page.write_bytes(ask(connection(url), {"MaxResults": 100}))
        command = [sys.executable, "-m", "benchmarks.replica", "--floor", str(page)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as floor:
            floor_url = floor.stdout.readline().strip() if floor.stdout else ""
            rounds = []
            for _ in range(options.rounds):
                served = _ask_meanwhile(path, url, options)
                rounds.append((served, _ask_meanwhile(path, floor_url, options, checked=False)))
            floor.terminate()
        server.terminate()
        print(f"  serve ended with {server.wait()}, peak of all children {peak_mb(True):,.0f} MB")
    pages, slowest = (
        statistics.median(figure) for figure in zip(*(served for served, _ in rounds), strict=True)
    )
    ratio = statistics.median(served[0] / floor[0] for served, floor in rounds)
    met = pages >= _GOAL_PAGES and slowest <= _GOAL_MS
    print(
        f"serve: {pages:,.0f} pages of 100 a second, 99 % within {slowest:.1f} ms; "
        f"{ratio:.2f} of one finished page again and again"
    )
    print(f"goal: {_GOAL_PAGES:,} a second within {_GOAL_MS} ms: {'met' if met else 'missed'}")
    return 0 if met else MISSED


def _ask_meanwhile(
    path: Path, url: str, options: argparse.Namespace, *, checked: bool = True
) -> tuple[float, float]:
    """Ask in a process of its own while commits come; return its pages a second and 99 % in ms."""
    print("serve" if checked else "the floor")
    asker = [sys.executable, "-m", "benchmarks.replica", "--ask", url]
    asker += ["--seconds", str(options.seconds), "--threads", str(options.threads)]
    with subprocess.Popen(asker, stdout=subprocess.PIPE, text=True) as asking:
        waits, stale = _commit_meanwhile(path, url, options.every, asking, checked=checked)
        lines = asking.stdout.read().splitlines() if asking.stdout else []
    print("\n".join(lines[:-1]))
    print(
        f"  meanwhile: {len(waits)} commits, median {statistics.median(waits):.0f} ms, "
        f"slowest {max(waits):.0f} ms, waiting for the reader included; {stale} stale answers"
    )
    pages, slowest = map(float, lines[-1].split())
    return pages, slowest


def _serve_one_page(page: str) -> int:
    """Answer each request with the same page, and print the URL first."""
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    body = Path(page).read_bytes()

    def handle(_: Request) -> Response:
        return Response(200, headers, body)

    with Server(handle) as server:
        print(server.url, flush=True)
        threading.Event().wait()
    return 0


def _commit_meanwhile(
    path: Path, url: str, every: float, asking: subprocess.Popen[str], *, checked: bool
) -> tuple[list[float], int]:
    waits, stale = [], 0
    to = connection(url)
    while asking.poll() is None:
        number = next(_numbers)
        began = time.perf_counter()
        name = _commit(path, number)
        waits.append(1000 * (time.perf_counter() - began))
        if checked:
            stale += name.encode() not in ask(to, {"NameContains": name, "MaxResults": 1})
        time.sleep(every)
    return waits, stale


def _commit(path: Path, number: int) -> str:
    """Write a batch as a sync does, 20 new and 80 changed jobs; return the name of a new one."""
    now = datetime.now(UTC)
    database = Database(path)
    with database.reading() as connection:
        found = connection.execute("FROM training_jobs ORDER BY creation_time DESC LIMIT 80")
        changed = [
            {**row, "last_modified_time": now, "updated_at": now} for row in found.mappings()
        ]
    fresh = []
    for index in range(20):
        name = f"fresh-{number}-{index}"
        key = {"training_job_arn": _ARN + name, "training_job_name": name, "creation_time": now}
        fresh.append({**changed[index], **key, "training_job_status": "InProgress"})
    rows = [*changed, *fresh]
    names = training_jobs.names
    rows_given = batch(training_jobs, {name: [row[name] for row in rows] for name in names})
    with database.writing() as connection:
        jobs.write_jobs(connection, rows_given)
    return f"fresh-{number}-0"


def _ask_for(url: str, seconds: float, threads: int) -> int:
    """Ask from several connections at once: dispatchers, paginators and first pages.

    The last line has the pages a second, and the milliseconds within which 99 % of them came.
    """
    counts: dict[str, int] = {}
    took: list[float] = []
    failures: list[str] = []
    until = time.perf_counter() + seconds

    def work(kind: str) -> None:
        to = connection(url)
        for params in _requests(kind):
            if time.perf_counter() >= until:
                return
            began = time.perf_counter()
            try:
                body = ask(to, params | _next(kind))
            except (OSError, http.client.HTTPException, RuntimeError) as error:
                failures.append(f"{kind}: {error}")
                to = connection(url)
                continue
            _tokens[kind] = token_of(body)
            took.append(1000 * (time.perf_counter() - began))
            counts[kind] = counts.get(kind, 0) + 1

    kinds = [f"{_KINDS[number % len(_KINDS)]} {number}" for number in range(threads)]
    workers = [threading.Thread(target=work, args=(kind,)) for kind in kinds]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for kind, count in sorted(counts.items()):
        print(f"  {kind}: {count / seconds:,.0f} pages/s")
    total = sum(counts.values()) / seconds
    print(f"  together {total:,.0f} pages of 100 a second, {len(failures)} failed {failures[:2]}")
    print(total, statistics.quantiles(took, n=100)[98])
    return 0


_GOAL_PAGES, _GOAL_MS = 1_000, 50
_numbers = itertools.count(1)
_KINDS = ("dispatcher", "paginator", "by name", "first pages")
_tokens: dict[str, str | None] = {}


def _requests(kind: str) -> Iterator[dict[str, Any]]:
    number = 0
    while True:
        number += 1
        if kind.startswith("dispatcher"):
            yield {"StatusEquals": "InProgress", "MaxResults": 100}
        elif kind.startswith("by name"):
            yield {"SortBy": "Name", "MaxResults": 100}
        elif kind.startswith("paginator"):
            yield {"SortOrder": "Ascending", "MaxResults": 100}
        else:
            # Never the same twice, so no kept page is an answer.
            before = _START + timedelta(seconds=(number * 7919 * 3600) % (_YEAR // 1000))
            yield {"CreationTimeBefore": before.timestamp(), "MaxResults": 100}


def _next(kind: str) -> dict[str, str]:
    token = _tokens.get(kind) if kind.startswith(("paginator", "by name")) else None
    return {"NextToken": token} if token else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replica", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two commits")
    parser.add_argument("--threads", type=int, default=4, help="connections that ask")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=2, help="pairs of serve and the floor")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--floor", help=argparse.SUPPRESS)
    return parser


_FILL = """
INSERT INTO training_jobs (
    training_job_arn, creation_time, account_id, region, training_job_name, training_job_status,
    secondary_status, training_end_time, last_modified_time, warm_pool_status,
    warm_pool_retained_seconds, first_synced_at, updated_at, verified_at
)
WITH numbers AS (
    SELECT
        i,
        hash(i) % 300 AS die,
        CAST(:start AS TIMESTAMPTZ) + to_milliseconds(i * CAST(:step AS BIGINT)) AS created
    FROM range(:count) AS r (i)
),
named AS (
    SELECT
        *,
        list_extract(
            ['nightly', 'resnet', 'pipelines-ctd6lgoe9v02-Preprocess', 'bert-ft', 'hpo'],
            CAST(1 + die % 5 AS BIGINT)
        ) || strftime(created AT TIME ZONE 'UTC', '-%Y-%m-%d-%H-%M-%S-') || i AS name,
        CASE
            WHEN i >= CAST(:count AS BIGINT) - 200 THEN 'InProgress'
            WHEN die % 20 = 0 THEN 'Failed'
            WHEN die % 50 = 1 THEN 'Stopped'
            ELSE 'Completed'
        END AS status,
        created + INTERVAL 1 HOUR AS ended
    FROM numbers
)
SELECT
    :arn || name, created, '111122223333', 'eu-west-1', name, status,
    if(status = 'InProgress', 'Training', status), if(status = 'InProgress', NULL, ended), ended,
    CASE die % 3 WHEN 0 THEN 'Terminated' WHEN 1 THEN 'Reused' END,
    if(die % 3 < 2, CAST(die AS BIGINT), NULL), created, ended, ended
FROM named
ORDER BY i
"""

if __name__ == "__main__":
    sys.exit(main())
