"""The whole of it in a minute, against the stand-in service: no AWS account, nobody's money.

Its database is a file of its own, never the user's; its credentials are made up, and every call
goes to a server of this process on the loopback.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import sqlalchemy as sa

from exporter.config.model import Source, SyncOptions
from exporter.errors import DatabaseError
from exporter.simulator import Clock, Simulator, World
from exporter.store import migrate
from exporter.store.database import Database
from exporter.syncing.run import run_sync
from exporter.text import counted

if TYPE_CHECKING:
    from exporter.reports.result import Result
    from exporter.syncing.outcome import SyncReport
    from exporter.syncing.progress import Progress

FILE: Final = "demo.duckdb"
ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
#: The stand-in's prices are made up; the shipped ones are not, and say what they are.
_OPTIONS: Final = SyncOptions(max_rps=0, prices=False)
_MARK: Final = "demo"
_REPORTS: Final = ("warm-pool-cost", "training-cost")


@dataclass(frozen=True)
class Demo:
    """How big the demo is.

    Attributes:
        path: Its database; made anew.
        now: Where its history ends.
        jobs: Jobs of a year.
        later: How much time passes between the two syncs.
    """

    path: Path
    now: datetime
    jobs: int = 5_000
    later: timedelta = timedelta(hours=6)


def run(
    demo: Demo,
    *,
    say: Callable[[str], None],
    show: Callable[[Result], None],
    progress: Progress | None = None,
) -> None:
    """Sync twice, then show what the pools cost beside the training.

    Raises:
        DatabaseError: There is a file of that name that is not a demo's.
    """
    _make_room(demo.path)
    database = Database(demo.path)
    _begin(database)
    world = World(Clock(demo.now - demo.later), seed=2026)
    scope = world.scope(ACCOUNT, REGION)
    world.generate(jobs=demo.jobs, scopes=[scope])
    with Simulator(world) as service, _environment(service.environment(ACCOUNT, REGION)):
        jobs = counted(demo.jobs, "job")
        say(f"A stand-in for SageMaker, with {jobs} of a year, runs at {service.url}.")
        say("1. The first sync is a backfill.")
        first = _sync(database, progress)
        say(f"   {first.summary()}")
        say(f"2. {demo.later.total_seconds() / 3600:g} hours later, at the service.")
        world.advance(demo.later)
        say("3. The second sync asks for what changed.")
        second = _sync(database, progress)
        say(f"   {second.summary()}")
        pages = _pages_of_the_naive_way(first)
        calls = second.calls()
        say(
            f"   It took {counted(sum(calls.values()), 'call')} ({_listed(calls)}) to find "
            f"{counted(second.total('jobs_inserted'), 'new job')} and "
            f"{counted(second.total('jobs_changed'), 'change')}. "
            f"LastModifiedTimeAfter alone walks the whole history: "
            f"{counted(pages, 'call')}, and it sees no warm pool that settles in silence."
        )
    say("4. What the warm pools cost, beside the training.")
    with database.reading() as connection:
        results = [
            _report(connection, name, demo.now) for name in ("warm-pool-cost", "training-cost")
        ]
    for result in results:
        show(result)


def _begin(database: Database) -> None:
    """Make the file and mark it a demo's, so that the next demo may remove it, come what may."""
    migrate.upgrade(database)
    with database.writing() as connection:
        connection.execute(
            sa.text("INSERT INTO settings (name, value) VALUES (:name, 'yes')"), {"name": _MARK}
        )


def _sync(database: Database, progress: Progress | None) -> SyncReport:
    report = run_sync(database, [Source("demo")], _OPTIONS, progress=progress)
    if report.error is not None:
        raise report.error
    return report


def _pages_of_the_naive_way(first: SyncReport) -> int:
    """Calls that a listing by LastModifiedTimeAfter alone takes, counted by making them."""
    watermark = first.scopes[0].runs[-1].watermark_after
    client: Any = boto3.client("sagemaker")
    pages = client.get_paginator("list_training_jobs")
    return sum(
        1
        for _ in pages.paginate(LastModifiedTimeAfter=watermark, PaginationConfig={"PageSize": 100})
    )


def _report(connection: sa.Connection, name: str, now: datetime) -> Result:
    from exporter.reports import periods, running
    from exporter.reports.catalogue import find

    period = periods.choose(month=None, since=None, until=None, today=now.date())
    request = running.Request(period=period, by=("instance_type",))
    return running.run(connection, find(name), request)


def _make_room(path: Path) -> None:
    """Remove the last demo's file; anything else of that name is not ours to remove."""
    if not path.exists():
        return
    try:
        with Database(path, lock_timeout=5).reading(check_schema=False) as connection:
            marks = connection.execute(
                sa.text("SELECT value FROM settings WHERE name = :name"), {"name": _MARK}
            ).all()
    except (DatabaseError, sa.exc.DBAPIError):
        marks = []
    if not marks:
        raise DatabaseError(
            f"{path} is there and is not a demo's.", "Move it away, or run the demo elsewhere."
        )
    for name in (path, Path(f"{path}.wal"), Path(f"{path}.lock")):
        name.unlink(missing_ok=True)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """An environment that leads boto3 to the stand-in, whatever the user's own says."""
    before = dict(os.environ)
    for name in before:
        # A proxy does not reach this machine's loopback.
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
