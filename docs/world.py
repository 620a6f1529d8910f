"""Make the database behind the examples: the demo's data at a fixed time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from unittest.mock import patch

from exporter.config.model import Source, SyncOptions
from exporter.simulator import Behaviour, Clock, Scope, Simulator, World
from exporter.simulator.job import JobSpec, JobState
from exporter.store.database import Database
from exporter.syncing.run import run_sync

#: The current time in all examples.
NOW: Final = datetime(2026, 11, 25, 15, tzinfo=UTC)
ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
JOBS: Final = 2_000
_LATER: Final = timedelta(hours=6)
#: An instance type whose quota for pools is 0, the default of AWS, so its jobs get none.
_SCARCE: Final = "ml.g4dn.xlarge"

#: Server times that depend on how long a call took. They are rounded to the minute, so that every
#: run writes the same pages.
_ROUNDED: Final = {
    "training_jobs": ("first_synced_at", "updated_at", "verified_at", "seen_until"),
    "training_job_changes": ("observed_at",),
    "training_job_details": ("fetched_at", "seen_until"),
    "sync_scopes": ("watermark", "discovered_to", "last_complete_at"),
}


def make(path: Path) -> Database:
    """Sync one year of jobs into a new file, let six hours pass, and sync again."""
    behaviour = Behaviour(pool_quotas={_SCARCE: 0})
    world = World(Clock(NOW - _LATER), seed=2051, behaviour=behaviour)
    scope = world.scope(ACCOUNT, REGION)
    scope.quotas[f"{_SCARCE} for training warm pool usage"] = 0
    world.generate(jobs=JOBS, scopes=[scope])
    _change_a_keep_alive(scope)
    database = Database(path)
    with Simulator(world) as service, _environment(service.environment(ACCOUNT, REGION)):
        for step in (timedelta(), _LATER):
            world.advance(step)
            report = run_sync(database, [Source("demo")], SyncOptions(max_rps=0))
            if report.error is not None:
                raise report.error
    with database.writing() as connection:
        for table, columns in _ROUNDED.items():
            changes = ", ".join(
                f"{name} = date_trunc('minute', {name} + INTERVAL 30 SECOND)" for name in columns
            )
            connection.execute(f"UPDATE {table} SET {changes}")  # noqa: S608 - names above
    return database


def _change_a_keep_alive(scope: Scope) -> None:
    """Add a nightly job whose keep-alive period somebody shortened, so that a report shows it."""
    for night in range(12):
        keep_alive = 1800 if night < 7 else 600
        created = NOW - timedelta(days=14 - night, hours=14)
        start, end = created + timedelta(minutes=4), created + timedelta(minutes=64)
        spec = JobSpec("ml.g5.2xlarge", keep_alive_seconds=keep_alive)
        state = JobState(
            training_job_status="Completed",
            secondary_status="Completed",
            last_modified_time=end,
            training_start_time=start,
            training_end_time=end,
            warm_pool_status="Terminated",
            warm_pool_retained_seconds=keep_alive,
            warm_pool_changed_at=end + timedelta(seconds=keep_alive),
            billable_seconds=3600,
            training_seconds=3600,
        )
        scope.add(f"nightly-eval-{night + 1}", created, spec, state, lives=False)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    with patch.dict(os.environ, {**values, **nowhere}):
        yield
