"""The program in a minute, against the stand-in service: without an AWS account, at no cost.

The demo writes its own database file, never the user's. Its credentials are made up, and every
call goes to a server of this process on the loopback.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import boto3
import duckdb

from exporter.config.model import Source, SyncOptions
from exporter.errors import DatabaseError
from exporter.reports import periods, running
from exporter.reports.catalogue import find
from exporter.reports.result import Result
from exporter.simulator import Clock, Simulator, World
from exporter.store import migrate
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.syncing.outcome import SyncReport
from exporter.syncing.progress import Progress
from exporter.syncing.run import run_sync
from exporter.text import counted

FILE: Final = "demo.duckdb"
ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
#: The demo uses the shipped prices: they are real, and the reports name their source. Those of the
#: stand-in are made up.
_OPTIONS: Final = SyncOptions(max_rps=0, prices=False)
_MARK: Final = "demo"
_REPORTS: Final = ("warm-pool-cost", "training-cost")


@dataclass(frozen=True)
class Demo:
    """How big the demo is.

    Attributes:
        path: Its database, which it makes new.
        now: When its history ends.
        jobs: How many jobs the year has.
        later: How much time passes between the two syncs.
    """

    path: Path
    now: datetime
    jobs: int = 5_000
    later: timedelta = timedelta(hours=6)


def run(
    demo: Demo,
    *,
    notify: Callable[[str], None],
    show: Callable[[Result], None],
    progress: Progress | None = None,
) -> None:
    """Sync twice, then show what the pools cost, compared with the training.

    Args:
        demo: How big the demo is.
        notify: Receives each line that says what happens.
        show: Receives each report.
        progress: Shows the progress of each sync.

    Raises:
        DatabaseError: The path has a file that no demo wrote.
    """
    _make_room(demo.path)
    database = Database(demo.path)
    _begin(database)
    world = World(Clock(demo.now - demo.later), seed=2026)
    scope = world.scope(ACCOUNT, REGION)
    world.generate(jobs=demo.jobs, scopes=[scope])
    with Simulator(world) as service, _environment(service.environment(ACCOUNT, REGION)):
        jobs = counted(demo.jobs, "job")
        notify(f"A stand-in for SageMaker with {jobs} from one year runs at {service.url}.")
        notify("1. The first sync is a backfill.")
        first = _sync(database, progress)
        notify(f"   {first.summary()}")
        notify(f"2. {demo.later.total_seconds() / 3600:g} hours pass at the service.")
        world.advance(demo.later)
        notify("3. The second sync fetches what changed.")
        second = _sync(database, progress)
        notify(f"   {second.summary()}")
        pages = _calls_by_modification_alone(first)
        calls = second.calls()
        notify(
            f"   It took {counted(sum(calls.values()), 'call')} ({_listed(calls)}) to find "
            f"{counted(second.total('jobs_inserted'), 'new job')} and "
            f"{counted(second.total('jobs_changed'), 'change')}. LastModifiedTimeAfter alone reads "
            f"the whole history: {counted(pages, 'call')}. It misses warm pools that settle "
            "silently."
        )
    notify("4. What the warm pools cost, compared with the training.")
    with database.reading() as connection:
        results = [_report(connection, name, demo.now) for name in _REPORTS]
    for result in results:
        show(result)


def _begin(database: Database) -> None:
    """Make the file and mark it first, so that the next demo may remove it in any case."""
    migrate.upgrade(database)
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO settings (name, value) VALUES (:name, 'yes')", {"name": _MARK}
        )


def _sync(database: Database, progress: Progress | None) -> SyncReport:
    report = run_sync(database, [Source("demo")], _OPTIONS, progress=progress)
    if report.error is not None:
        raise report.error
    return report


def _calls_by_modification_alone(first: SyncReport) -> int:
    """Make a listing by LastModifiedTimeAfter alone, and return how many calls it takes."""
    watermark = first.scopes[0].runs[-1].watermark_after
    client: Any = boto3.client("sagemaker")
    pages = client.get_paginator("list_training_jobs")
    return sum(
        1
        for _ in pages.paginate(LastModifiedTimeAfter=watermark, PaginationConfig={"PageSize": 100})
    )


def _report(connection: Connection, name: str, now: datetime) -> Result:
    period = periods.choose(month=None, since=None, until=None, today=now.date())
    request = running.Request(period=period, by=("instance_type",))
    return running.run(connection, find(name), request)


def _make_room(path: Path) -> None:
    """Remove the file of the last demo, and refuse to remove any other file."""
    if not path.exists():
        return
    try:
        with Database(path, lock_timeout=5).reading(check_schema=False) as connection:
            marks = connection.execute(
                "SELECT value FROM settings WHERE name = :name", {"name": _MARK}
            ).all()
    except (DatabaseError, duckdb.Error):
        marks = []
    if not marks:
        raise DatabaseError(
            f"{path} exists, and no demo wrote it.", "Move it, or run the demo in another folder."
        )
    for name in (path, Path(f"{path}.wal"), Path(f"{path}.lock")):
        name.unlink(missing_ok=True)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Lead boto3 to the stand-in, whatever the user's own environment says."""
    before = dict(os.environ)
    for name in before:
        # A proxy does not reach the loopback of this machine.
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    elsewhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    os.environ.update({**values, **elsewhere})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _listed(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {operation}" for operation, number in sorted(calls.items()))
