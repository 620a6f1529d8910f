"""Compare a sync with nothing new with boto3 alone: CPU and wall time of the whole process.

    python -m benchmarks.nothing_new [--jobs 1000] [--pairs 9]

The floor is a fresh process that makes a session of boto3, asks STS for the account, and lists
one page of jobs modified since the watermark: what no sync can do without. The service runs in a
process of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import MISSED
from benchmarks.closed import account_ids, region_names
from benchmarks.processes import aws_environment, compare, run, service

GOAL = 1.5

_FLOOR = """
from datetime import UTC, datetime, timedelta

import boto3

session = boto3.Session()
session.client("sts").get_caller_identity()
session.client("sagemaker").list_training_jobs(
    LastModifiedTimeAfter=datetime.now(UTC) - timedelta(minutes=5),
    CreationTimeAfter=datetime.now(UTC) - timedelta(days=30),
    SortBy="CreationTime",
    SortOrder="Ascending",
    MaxResults=100,
)
"""


def main() -> int:
    """Print both sides and their ratios.

    Returns:
        Exit code: 3 if a ratio misses the goal, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nothing_new", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000, help="jobs in the history")
    parser.add_argument("--pairs", type=int, default=9, help="runs of each side")
    options = parser.parse_args()
    with service(options.jobs) as url, tempfile.TemporaryDirectory() as folder:
        environment = aws_environment(url, account_ids(1)[0], region_names(1)[0])
        database = str(Path(folder) / "jobs.duckdb")
        sync = [sys.executable, "-m", "exporter", "--db", database, "sync", "--max-rps", "0"]
        run(sync, environment)
        found = compare(sync, [sys.executable, "-c", _FLOOR], environment, pairs=options.pairs)
    print(found.ours.output.strip())
    for name, usage in (("sync", found.ours), ("floor", found.floor)):
        print(
            f"{name:6} {usage.cpu:6.2f} s of CPU {usage.wall:6.2f} s by the clock "
            f"{usage.megabytes:5.0f} MB"
        )
    print(f"ratio  {found.cpu:6.2f} of CPU   {found.wall:6.2f} by the clock")
    met = max(found.cpu, found.wall) <= GOAL
    print(f"goal: at most {GOAL} times: {'met' if met else 'missed'}")
    return 0 if met else MISSED


if __name__ == "__main__":
    sys.exit(main())
