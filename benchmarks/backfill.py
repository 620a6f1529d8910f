"""Compare a backfill with a loop that only fetches: wall time and peak memory.

    python -m benchmarks.backfill [--jobs 100000]

It measures two pairs: a boto3 loop over ListTrainingJobs and a sync without details, then a loop
over ListTrainingJobs and Search and a sync with details. The service and each of the four run in
separate processes. The loops are the usual boto3 code.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCOUNT, REGION = "111122223333", "eu-west-1"

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
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(time.perf_counter() - start, peak)
"""


def main() -> None:
    """Print wall time and peak memory of all four, and the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100_000)
    jobs = parser.parse_args().jobs
    with _service(jobs) as environment, tempfile.TemporaryDirectory() as folder:
        for mode in ("listing", "details"):
            loop, loop_peak = _measure(_LOOP, environment, mode)
            sync, sync_peak = _measure(
                _SYNC, environment, mode, str(Path(folder) / f"{mode}.duckdb")
            )
            print(
                f"{jobs:,} jobs, {mode}: loop {loop:.1f} s {loop_peak} MB, sync {sync:.1f} s "
                f"{sync_peak} MB, ratio {sync / loop:.2f}"
            )


def _measure(code: str, environment: dict[str, str], *arguments: str) -> tuple[float, int]:
    done = subprocess.run(
        [sys.executable, "-c", code + _FIGURES, *arguments],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds, peak = done.stdout.split()[-2:]
    return float(seconds), int(peak)


@contextmanager
def _service(jobs: int) -> Iterator[dict[str, str]]:
    arguments = ["--jobs", str(jobs), "--account", ACCOUNT, "--region", REGION]
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
    main()
