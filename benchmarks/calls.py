"""Count the calls of an incremental sync, at the service, as the history grows.

    python -m benchmarks.calls [--jobs 1000 10000 100000 1000000]

Every history gets the same 60 changes. 20 jobs are new. 30 of the 45 open jobs end. 10 more end,
and their pool is terminated silently (LastModifiedTime does not change). 40 open jobs are from
the last day; 5 are three weeks old.

The last column counts a listing that sends LastModifiedTimeAfter alone. Without Search, sync
reads the tags of each ended job with one ListTags call. A separate column counts these calls.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from exporter.config.labels import LabelRules
from exporter.config.model import SyncOptions
from exporter.sagemaker.api import Api
from exporter.sagemaker.pacing import Pacers
from exporter.sagemaker.rows import DetailRow, JobRow, read
from exporter.simulator import Behaviour, Clock, Job, Scope, Simulator, World
from exporter.store import migrate
from exporter.store.database import Database
from exporter.store.scopes import Run, ScopeState
from exporter.syncing.merge import MergePolicy, Observed, observe
from exporter.syncing.records import Commit, Records
from exporter.syncing.worker import Worker

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"
SEARCH_DENIED = frozenset({(None, None, "Search")})


def main() -> None:
    """Print one line per history."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    print("  history   with Search   without Search    + tags   LastModifiedTimeAfter alone")
    for jobs in parser.parse_args().jobs:
        with_search, without, naive = measure(jobs)
        print(
            f"{jobs:>9,}   {sum(with_search.values()):>11}   "
            f"{sum(without.values()) - without['ListTags']:>14}   {without['ListTags']:>7}   "
            f"{naive:>27,}   {dict(with_search)} {dict(without)}"
        )


def measure(jobs: int) -> tuple[Counter[str], Counter[str], int]:
    """Count the calls of one incremental sync.

    Returns:
        Calls by operation with Search, calls by operation without it, and the pages of a listing
        that sends LastModifiedTimeAfter alone.
    """
    with_search, _ = _sync(jobs, Behaviour(), naive=False)
    without, naive = _sync(jobs, Behaviour(denied=SEARCH_DENIED), naive=True)
    return with_search, without, naive


def _sync(jobs: int, behaviour: Behaviour, *, naive: bool) -> tuple[Counter[str], int]:
    world = World(Clock(NOW), seed=7, behaviour=replace(behaviour, denied=frozenset()))
    scope = world.scope(ACCOUNT, REGION)
    _history(scope, jobs)
    with Simulator(world) as service, tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "jobs.duckdb")
        migrate.upgrade(database)
        _store(scope, database)
        world.clock.advance(900)
        _change(scope)
        world.clock.advance(900)
        world.behaviour = behaviour
        client = _client(service)
        service.calls.clear()
        _worker(client, database).run()
        ours = Counter(call.operation for call in service.calls)
        return ours, _naive(client) if naive else 0


def _history(scope: Scope, jobs: int) -> None:
    """Create closed jobs over a year, 40 open jobs from the last day, and 5 older open jobs."""
    created = NOW - timedelta(days=365)
    step = timedelta(days=364, hours=23) / jobs
    for number in range(jobs - 45):
        job = scope.create_job(f"nightly-{number}", created_at=created + number * step, lives=False)
        scope.update(
            job,
            at=job.creation_time + timedelta(minutes=10),
            training_job_status="Completed",
            secondary_status="Completed",
            training_start_time=job.creation_time + timedelta(minutes=2),
            training_end_time=job.creation_time + timedelta(minutes=10),
            billable_seconds=480,
            training_seconds=480,
        )
    for number in range(45):
        age = timedelta(days=21) if number >= 40 else timedelta(hours=20) * (number + 1) / 40
        scope.create_job(
            f"open-{number}", created_at=NOW - age, keep_alive_seconds=3600, lives=False
        )


def _store(scope: Scope, database: Database) -> None:
    """Store what a complete sync at noon stores, without fetching pages."""
    policy = MergePolicy(ACCOUNT, LabelRules())
    jobs = scope.jobs()
    run = Run("run-0", ACCOUNT, REGION, "backfill", NOW, NOW, "complete", watermark_after=NOW)
    last = max(job.creation_time for job in jobs)
    state = ScopeState(ACCOUNT, REGION, NOW, last, None, NOW, failing_runs=0)
    records = Records(database)
    # In groups, because a million job objects take gigabytes.
    for start in range(0, len(jobs), 50_000):
        group = jobs[start : start + 50_000]
        merged = [observe(None, _answer(scope, job), policy) for job in group]
        records.commit(Commit(run, state, merged))


def _answer(scope: Scope, job: Job) -> Observed:
    # Open jobs as Describe leaves them: without tags.
    record = scope.describe(job) | ({} if job.name.startswith("open-") else {"Tags": []})
    return Observed(
        read(JobRow, scope.summary(job), "ListTrainingJobs"),
        NOW,
        NOW,
        read(DetailRow, record, "DescribeTrainingJob"),
    )


def _change(scope: Scope) -> None:
    """Create 20 jobs, end 30, and end 10 more whose pool is terminated silently."""
    for number in range(40):
        job = scope.job(f"open-{number + 5}")
        scope.start(job)
        scope.finish(job)
        if number < 10:
            scope.settle_pool(job, "Terminated", silent=True)
    for number in range(20):
        scope.create_job(f"new-{number}", lives=False)


def _worker(client: object, database: Database) -> Worker:
    return Worker(
        api=Api(client, ACCOUNT, REGION, Pacers(0)),
        records=Records(database),
        options=SyncOptions(max_rps=0),
        rules=LabelRules(),
        run_ids=lambda: f"run-{time.time_ns()}",
        notify=print,
    )


def _naive(client: Any) -> int:  # noqa: ANN401 - boto3 makes its clients at run time
    pages = client.get_paginator("list_training_jobs")
    watermark = NOW - timedelta(seconds=300)
    return sum(
        1
        for _ in pages.paginate(LastModifiedTimeAfter=watermark, PaginationConfig={"PageSize": 100})
    )


def _client(service: Simulator) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    keys = service.environment(ACCOUNT, REGION)
    return boto3.client(
        "sagemaker",
        region_name=REGION,
        endpoint_url=service.url,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


if __name__ == "__main__":
    main()
