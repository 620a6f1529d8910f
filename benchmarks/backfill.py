"""Compare a backfill with a loop that only fetches: time, CPU, memory and the size of the file.

    python -m benchmarks.backfill [--jobs 100000] [--many 1000000] [--rounds 1]

Each pair is the usual boto3 code over the same operations, and a sync, one after the other against
the same service: ListTrainingJobs alone, then ListTrainingJobs and Search. A last pair lists ten
times as many jobs, whose memory has to be that of the first. Everything runs in processes of its
own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import MISSED

ACCOUNT, REGION = "111122223333", "eu-west-1"
#: Most of each figure of a sync; a ratio is against the loop.
GOALS = {"wall": 1.05, "MB": 250, "bytes a job": 250}

_LOOP = """
import sys, time
start = time.perf_counter()
import boto3
client = boto3.client("sagemaker")
for page in client.get_paginator("list_training_jobs").paginate(
    SortBy="CreationTime", SortOrder="Ascending", PaginationConfig={"PageSize": 100}
):
    pass
if sys.argv[1] == "details":
    for page in client.get_paginator("search").paginate(
        Resource="TrainingJob", SortBy="CreationTime", SortOrder="Ascending",
        PaginationConfig={"PageSize": 100},
    ):
        pass
"""
_SYNC = """
import sys, time
start = time.perf_counter()
from exporter.cli import main
arguments = ["--db", sys.argv[2], "-q", "sync", "--max-rps", "0"]
try:
    main(arguments + ([] if sys.argv[1] == "details" else ["--no-details"]))
except SystemExit as end:
    assert not end.code, end.code
"""
_FIGURES = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)
"""


class Figures(NamedTuple):
    """What a process took: seconds by the clock, seconds of CPU, and its peak of memory in MB."""

    wall: float
    cpu: float
    peak: float


def main() -> int:
    """Print both figures of each pair, and their ratios.

    Returns:
        Exit code: `MISSED` if a goal is missed, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--many", type=int, help="jobs of the last pair (default: 10 x --jobs)")
    parser.add_argument("--rounds", type=int, default=1, help="pairs of each kind; medians count")
    options = parser.parse_args()
    many = 10 * options.jobs if options.many is None else options.many
    missed = False
    for jobs, modes in ((options.jobs, ("listing", "details")), (many, ("listing",))):
        with service(jobs) as environment, tempfile.TemporaryDirectory() as folder:
            for mode in modes:
                file = Path(folder) / f"{mode}.duckdb"
                missed |= _compare(environment, mode, jobs, file, options.rounds)
    return MISSED if missed else 0


def _compare(environment: dict[str, str], mode: str, jobs: int, file: Path, rounds: int) -> bool:
    """Measure pairs and print them; return whether a goal is missed."""
    loops, syncs = [], []
    for _ in range(rounds):
        file.unlink(missing_ok=True)
        loops.append(_measure(_LOOP, environment, mode))
        syncs.append(_measure(_SYNC, environment, mode, str(file)))
    loop, sync = _medians(loops), _medians(syncs)
    wall = statistics.median(b.wall / a.wall for a, b in zip(loops, syncs, strict=True))
    cpu = statistics.median(b.cpu / a.cpu for a, b in zip(loops, syncs, strict=True))
    print(
        f"{jobs:,} jobs, {mode}: loop {loop.wall:.1f} s, CPU {loop.cpu:.1f} s, {loop.peak:.0f} MB; "
        f"sync {sync.wall:.1f} s, CPU {sync.cpu:.1f} s, {sync.peak:.0f} MB; "
        f"ratio {wall:.2f} by the clock, {cpu:.2f} of CPU"
    )
    found = {"wall": wall, "MB": sync.peak}
    if mode == "details":
        found["bytes a job"] = file.stat().st_size / jobs
        print(f"  file: {found['bytes a job']:.0f} bytes a job, with details and history")
    over = [name for name, figure in found.items() if figure > GOALS[name]]
    print(f"  goals {GOALS}: {'missed: ' + ', '.join(over) if over else 'met'}", flush=True)
    return bool(over)


def _medians(figures: Sequence[Figures]) -> Figures:
    return Figures(*map(statistics.median, zip(*figures, strict=True)))


def _measure(code: str, environment: dict[str, str], *arguments: str) -> Figures:
    done = subprocess.run(
        [sys.executable, "-c", code + _FIGURES, *arguments],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Figures(*map(float, done.stdout.split()[-3:]))


@contextmanager
def service(jobs: int, *options: str) -> Iterator[dict[str, str]]:
    """Start the stand-in service with so many jobs, and give the environment that leads to it."""
    arguments = ["--jobs", str(jobs), "--account", ACCOUNT, "--region", REGION, *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter.simulator", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the service has no output")
        url = process.stdout.readline().strip()
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": f"AKIA{ACCOUNT}",
            "AWS_SECRET_ACCESS_KEY": "stand-in",
            "AWS_DEFAULT_REGION": REGION,
        }
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
