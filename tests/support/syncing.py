"""Runs the worker of a sync over HTTP; truth.py compares its rows with the service."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import duckdb
from botocore.config import Config

from exporter.config.labels import LabelRules
from exporter.config.model import SyncOptions
from exporter.sagemaker.api import Answer, Api
from exporter.sagemaker.pacing import Pacers
from exporter.simulator import Clock, Job, Scope, Simulator
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.syncing.progress import Clock as SyncClock
from exporter.syncing.progress import Progress, Quiet
from exporter.syncing.records import Commit, Records
from exporter.syncing.sizes import DEFAULT_SIZES, Sizes
from exporter.syncing.stopping import Stop
from exporter.syncing.worker import Worker
from tests.support.truth import COLUMNS, Row

#: Making a session and reading the service model takes longest; all clients share this one.
_session = boto3.Session()

#: Changes at the service.
CHANGES = ("create", "start", "end", "pool", "delete", "again", "quiet secondary")
#: A change that a service only shows if a clock is wrong.
FUTURE = "future"
_QUIET = ("Downloading", "Training", "Uploading", "Pending")


class Killed(BaseException):
    """Raised by a test where a process might die."""


@dataclass
class Hooks:
    """Called before and after each call and commit; they may raise.

    `on_answer` may change an answer, as a service would that answers otherwise.
    """

    before_call: Callable[[str], None] = lambda _: None
    after_call: Callable[[str], None] = lambda _: None
    before_commit: Callable[[Commit], None] = lambda _: None
    after_commit: Callable[[Commit], None] = lambda _: None
    on_answer: Callable[[str, Any], None] = lambda *_: None


def at_once(work: Callable[[], None]) -> None:
    """Send the request of the next page now, so that each example has one order of calls."""
    work()


@dataclass
class Stopwatch:
    """A monotonic clock that only waits and calls move, so that minutes take no time."""

    seconds: float = 0.0
    per_call: float = 0.1

    def __call__(self) -> float:
        """Return the seconds."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.seconds += seconds


class HookedApi(Api):
    hooks: Hooks
    stopwatch: Stopwatch | None = None

    def call(self, operation: str, **parameters: Any) -> Answer:
        self.hooks.before_call(operation)
        answer = super().call(operation, **parameters)
        if self.stopwatch:
            self.stopwatch.sleep(self.stopwatch.per_call)
        self.hooks.on_answer(operation, answer.data)
        self.hooks.after_call(operation)
        return answer


class HookedRecords(Records):
    hooks: Hooks

    def commit(self, commit: Commit) -> None:
        self.hooks.before_commit(commit)
        super().commit(commit)
        self.hooks.after_commit(commit)


class KeptDatabase(Database):
    """A database whose one connection stays open, so that thousands of examples are fast.

    Other tests cover that a file is opened for each read and commit, and closed again.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._kept = self._open(read_only=False)

    @contextmanager
    def _connection(self, *, read_only: bool) -> Iterator[Connection]:
        try:
            yield self._kept
        finally:
            self._roll_back()
            # DuckDB 1.4 rolls back the removal of a batch. Other connections are closed, which
            # removes their batches.
            self._kept.execute("DROP VIEW IF EXISTS staged_rows")

    def empty(self) -> None:
        """Delete every row that a sync writes."""
        self._roll_back()
        with self.writing() as connection:
            for table in ("training_jobs", "training_job_changes", "training_job_details"):
                connection.execute(f"DELETE FROM {table}")
            connection.execute("DELETE FROM sync_scopes")
            connection.execute("DELETE FROM sync_runs")

    def _roll_back(self) -> None:
        with suppress(duckdb.Error):  # usually no transaction is left
            self._kept.raw.rollback()

    def close(self) -> None:
        """Close the file."""
        self._kept.close()


@dataclass
class Syncer:
    """Syncs one scope any number of times with one client, which takes longest to make."""

    database: Database
    scope: Scope
    simulator: Simulator
    sizes: Sizes = DEFAULT_SIZES
    notices: list[str] = field(default_factory=list)
    read_timeout: float = 5
    stopwatch: Stopwatch | None = None
    progress: Progress = field(default_factory=Quiet)
    stop: Stop = field(default_factory=Stop)
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        keys = self.simulator.environment(self.scope.account_id, self.scope.region)
        self._client = _session.client(
            "sagemaker",
            region_name=self.scope.region,
            endpoint_url=self.simulator.url,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                read_timeout=self.read_timeout,
            ),
        )

    def sync(self, hooks: Hooks | None = None, **options: Any) -> Worker:
        """Run one sync and return its worker, which has the rows of the ledger."""
        given = SyncOptions(**{"max_rps": 0, **options})
        watch = self.stopwatch
        sleep: Callable[[float], None] = watch.sleep if watch else lambda _: None
        monotonic: Callable[[], float] = watch or time.monotonic
        api = HookedApi(
            self._client,
            self.scope.account_id,
            self.scope.region,
            Pacers(given.max_rps, sleep=sleep, monotonic=monotonic),
            sleep=sleep,
            monotonic=monotonic,
            now=self.simulator.world.clock.now,
            uniform=random.Random(7).uniform,
            check=self.stop.check,
        )
        records = HookedRecords(self.database)
        api.hooks = records.hooks = hooks or Hooks()
        worker = Worker(
            api=api,
            records=records,
            options=given,
            rules=LabelRules(),
            run_ids=lambda: f"run-{next(self._numbers):04}",
            notify=self.notices.append,
            sizes=self.sizes,
            clock=SyncClock(monotonic=monotonic),
            progress=self.progress,
            stop=self.stop,
            spawn=at_once,
        )
        api.stopwatch = watch
        worker.run()
        return worker

    def stored(self, where: str = "deleted_at IS NULL") -> dict[tuple[str, datetime], Row]:
        """Return the `COLUMNS` of rows of training_jobs, by key."""
        rows = self.query(f"SELECT {COLUMNS} FROM training_jobs WHERE {where}")
        return {(row[0], row[1]): row for row in rows}

    def query(self, statement: str) -> list[Row]:
        """Return the rows of a statement."""
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.execute(statement).all()]


class Life:
    """The jobs of a scope, changed by drawn numbers."""

    def __init__(self, scope: Scope, clock: Clock) -> None:
        self.scope, self.clock = scope, clock
        self.names = 0

    def happen(self, what: str, number: int) -> None:
        jobs = self.scope.jobs()
        chosen = jobs[number % len(jobs)] if jobs else None
        if what == "create" or chosen is None:
            self._create(f"job-{self.names}", number)
            self.names += 1
        elif what == "again":
            free = [job.name for job, _ in self.scope.deleted if not self.scope.find(job.name)]
            if free:
                # Deleting a job and using its name again takes longer than a second.
                self.clock.advance(1)
                self._create(free[number % len(free)], number)
        elif what == FUTURE:
            # Somebody's clock was ahead: an hour, a day, or more than a year.
            ahead = timedelta(hours=(1, 24, 10_000)[number % 3])
            self._create(f"job-{self.names}", number, self.clock.now() + ahead)
            self.names += 1
        else:
            self._change(what, chosen, number)

    def _create(self, name: str, number: int, created_at: datetime | None = None) -> None:
        keep_alive = (None, 600, 3_600)[number % 3]
        # Several within one second, as a pipeline creates them.
        self.clock.advance(number % 2)
        self.scope.create_job(
            name, created_at=created_at, keep_alive_seconds=keep_alive, lives=False
        )

    def _change(self, what: str, job: Job, number: int) -> None:
        status = job.state.training_job_status
        if what == "delete":
            if status != "Deleting":
                self.scope.delete_job(job.name)
        elif what == "start" and status == "InProgress" and job.state.training_start_time is None:
            self.scope.start(job)
        elif what == "quiet secondary" and status == "InProgress":
            self.scope.update(job, silent=True, secondary_status=_QUIET[number % len(_QUIET)])
        elif what == "end" and status == "InProgress":
            self.scope.finish(job, ("Completed", "Failed", "Stopped")[number % 3])
        elif what == "pool" and job.state.warm_pool_status == "Available":
            self.scope.settle_pool(job, ("Terminated", "Reused")[number % 2], silent=number % 4 < 2)
