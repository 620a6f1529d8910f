"""Serve jobs that ended long ago, so that every sync after the first finds nothing new.

    python -m benchmarks.closed --jobs 1000 --accounts 1 --regions 1

The history of `python -m exporter.simulator` ends now, and has running jobs. The first line of
output is the URL.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import boto3

from exporter.simulator import Clock, Scope, Simulator, World

FIRST, LAST = timedelta(days=400), timedelta(days=40)


def main() -> int:
    """Serve until standard input is closed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.closed", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000, help="jobs in each account and region")
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--regions", type=int, default=1)
    options = parser.parse_args()
    world = World(Clock.real())
    for account in account_ids(options.accounts):
        for region in region_names(options.regions):
            fill(world.scope(account, region), options.jobs)
    gc.freeze()
    with Simulator(world, record=False) as service:
        print(service.url, flush=True)
        sys.stdin.read()
    return 0


def account_ids(number: int) -> list[str]:
    """Return the first account ids."""
    return [f"{each:012}" for each in range(1, number + 1)]


def region_names(number: int) -> Sequence[str]:
    """Return the first regions of SageMaker, eu-west-1 before the others."""
    names = boto3.Session().get_available_regions("sagemaker")
    return sorted(names, key=lambda name: (name != "eu-west-1", name))[:number]


def fill(scope: Scope, jobs: int) -> None:
    """Add jobs that ran for ten minutes each, evenly between `FIRST` and `LAST` before now."""
    now = datetime.now(UTC)
    for number in range(jobs):
        created = now - FIRST + (FIRST - LAST) * number / jobs
        job = scope.create_job(f"nightly-{number}", created_at=created, lives=False)
        scope.update(
            job,
            at=created + timedelta(minutes=10),
            training_job_status="Completed",
            secondary_status="Completed",
            training_start_time=created + timedelta(minutes=2),
            training_end_time=created + timedelta(minutes=10),
            billable_seconds=480,
            training_seconds=480,
        )


if __name__ == "__main__":
    sys.exit(main())
