"""Measures `web`: `python -m benchmarks.web [--jobs 1000000] [--readers 50] [--seconds 60]`.

The benchmark builds the file of `benchmarks.reports` and starts `web` as a process. It prints the
time to the first page and the peak memory, then the latencies of filters, alone and with 50 readers
beside a sync. Each reader asks for a page every few seconds, as people do. The sync is a backfill
of the simulator at the default rate of one list call a second. It runs alone, into a copy of the
file, and right after that beside the readers: a ratio needs both in the same minute.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import MISSED
from benchmarks.pages import connection
from benchmarks.reports import COMMAND
from exporter.simulator import Clock, Simulator, World

#: Milliseconds of a filter by the number of jobs, and the ratio of the sync's times.
GOALS = {1_000_000: 100.0, 10_000_000: 500.0}
RATIO = 1.1
#: Seconds that a reader looks at a page.
_LOOKS = 5.0
#: Jobs that the sync finds, and so its list calls.
_SYNCED = 800
_ACCOUNT = "999988887777"
#: The region that readies the file, and a region for each pair of syncs.
_FIRST, *_FURTHER = ("us-east-2", "us-west-2", "ap-south-1", "ca-central-1")
_FILTERS = (
    "/jobs",
    "/jobs?status=Failed",
    "/jobs?status=Failed&status=Completed&team=vision&team=(none)",
    "/jobs?name_contains={number}",
    "/jobs?warm_pool_status=Terminated&sort_by=PoolCost",
    "/jobs?instance_type=ml.m5.xlarge&sort_by=Name&sort_order=Ascending",
    "/jobs?created_after=30d&min_cost={number}",
    "/jobs?sort_by=Cost&max_results=100",
)


def main() -> int:
    """Build, measure and print; return 3 if a goal is missed or an answer failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="number of jobs in the file")
    parser.add_argument("--readers", type=int, default=50, help="readers at once")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they read")
    parser.add_argument(
        "--pairs", type=int, default=3, choices=(1, 2, 3), help="syncs alone and beside the readers"
    )
    parser.add_argument("--keep", type=Path, help="keep the file here, and use it if it exists")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = options.keep or Path(folder) / "jobs.duckdb"
        if not kept.exists():
            build = [*COMMAND, "--build", "--keep", str(kept), "--jobs", str(options.jobs)]
            subprocess.run(build, check=True)
        path, apart = Path(folder) / "web.duckdb", Path(folder) / "alone.duckdb"
        shutil.copyfile(kept, path)
        _sync(path, _FIRST)  # labels all jobs, as the first sync of an account does
        shutil.copyfile(path, apart)
        ratios, failed = [], 0
        began = time.perf_counter()
        with _serving(path) as (process, url):
            print(f"{options.jobs:,} jobs: ready after {time.perf_counter() - began:.1f} s")
            slowest = _filters(url, process.pid)
            for region in _FURTHER[: options.pairs]:
                alone, cpu = _sync(apart, region)
                (beside, cpu_beside), failures = _beside(
                    url, path, region, options.readers, options.seconds
                )
                print(
                    f"  sync: {alone:.1f} s alone ({cpu:.1f} s CPU), "
                    f"{beside:.1f} s beside ({cpu_beside:.1f} s CPU)",
                    flush=True,
                )
                ratios.append(beside / alone)
                failed += failures
            memory = _peak_mb(process)
        print(f"peak memory of web: {memory:,.0f} MB")
    ratio = statistics.median(ratios)
    goal = GOALS.get(options.jobs, float("inf"))
    print(f"slowest filter: {slowest:.0f} ms (goal {goal:g}); answers that failed: {failed}")
    print(f"sync beside the readers: {ratio:.2f} times (goal {RATIO})")
    if failed:
        return 1
    return MISSED if slowest > goal or ratio > RATIO else 0


@contextmanager
def _serving(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "exporter", "--db", str(path), "web", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()


def _filters(url: str, pid: int) -> float:
    """Print the median latency of each filter without other readers; return the largest."""
    worst = 0.0
    to = connection(url)
    for form in _FILTERS:
        # Another number each time, so that no result is there already.
        used = _cpu_seconds(pid)
        took = [_get(to, form.format(number=number) + _unlike(form, number)) for number in range(7)]
        middle = statistics.median(took)
        worst = max(worst, middle)
        used = 1000 * (_cpu_seconds(pid) - used) / len(took)
        spread = f"least {min(took):.0f}, most {max(took):.0f}, CPU {used:.0f}"
        print(f"  {form}: {middle:.0f} ms ({spread})", flush=True)
    return worst


def _unlike(form: str, number: int) -> str:
    return f"{'&' if '?' in form else '?'}max_cost={10**6 + number}"


def _get(to: http.client.HTTPConnection, path: str) -> float:
    """Return the milliseconds of an answer.

    Raises:
        RuntimeError: It is an error.
    """
    began = time.perf_counter()
    to.request("GET", path)
    answer = to.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return 1000 * (time.perf_counter() - began)


def _beside(
    url: str, path: Path, region: str, readers: int, seconds: float
) -> tuple[tuple[float, float], int]:
    """Print the latencies of readers beside a sync; return what it took and their failures."""
    took: list[float] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def read(reader: int) -> None:
        rng = random.Random(reader)  # noqa: S311 - repeatable, not secret
        stop.wait(rng.uniform(0, _LOOKS))
        to = connection(url)
        while not stop.is_set():
            form = rng.choice(_FILTERS)
            try:
                took.append(_get(to, form.format(number=rng.randrange(1000))))
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                failures.append(error)
                to = connection(url)
            stop.wait(rng.uniform(0, 2 * _LOOKS))

    threads = [threading.Thread(target=read, args=(reader,)) for reader in range(readers)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    synced = _sync(path, region)
    stop.wait(max(0.0, seconds - (time.perf_counter() - began)))
    stop.set()
    for thread in threads:
        thread.join()
    took.sort()
    middle, late = statistics.median(took), took[int(len(took) * 0.95)]
    print(
        f"  {readers} readers beside a sync: {len(took)} answers, median {middle:.0f} ms, "
        f"95 % below {late:.0f} ms, most {took[-1]:.0f} ms"
    )
    return synced, len(failures)


def _sync(path: Path, region: str) -> tuple[float, float]:
    """Return the seconds and CPU seconds of a backfill of a region into the file.

    The simulator has a process of its own, because AWS is not slower for the readers either.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        return apart.submit(_backfill, path, region).result()


def _backfill(path: Path, region: str) -> tuple[float, float]:
    world = World(Clock.real(), seed=7)
    scope = world.scope(_ACCOUNT, region)
    world.generate(jobs=_SYNCED, scopes=[scope])
    with Simulator(world) as service:
        env = os.environ | service.environment(_ACCOUNT, region)
        command = [sys.executable, "-m", "exporter", "--db", str(path), "sync"]
        began = time.perf_counter()
        # In a session of its own, as cron starts it: Linux shares the CPU between sessions.
        subprocess.run([*command, "--region", region], env=env, check=True, start_new_session=True)
        seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, used.ru_utime + used.ru_stime


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a running process; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(process: subprocess.Popen[str]) -> float:
    """Return the peak memory of a running process; Linux only."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
