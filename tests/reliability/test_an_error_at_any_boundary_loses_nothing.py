"""An error ends a sync at each call and each commit in turn, and the next sync loses nothing.

The world stands still meanwhile. So every disturbed sync, after a clean one, has to equal an
undisturbed sync of the same world: jobs, details, history and scope.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.sagemaker import service
from exporter.simulator import Behaviour, Scope, Simulator
from exporter.store.database import Database
from exporter.syncing.sizes import Sizes
from tests.support.syncing import Hooks, Killed, Syncer
from tests.support.truth import Row, differences

#: The suite takes every seventh boundary, the release all of them:
#: EXPORTER_EVERY=1 pytest tests/reliability -k any_boundary
EVERY = int(os.environ.get("EXPORTER_EVERY", "7"))
NO_SEARCH = Behaviour(denied=frozenset({(None, None, "Search")}))


#: Pages of two and commits every three rows: a handful of jobs has all the borders.
SMALL = Sizes(page=2, batch_rows=3, lookup_rows=3)


def first_days(scope: Scope) -> None:
    """Create five jobs: failed, with a reused pool, with a waiting pool, and two in progress."""
    clock = scope.clock
    for number in range(5):
        # Two in the same second, where pages are cut.
        clock.advance(number % 2)
        pool = 3_600 if number in (1, 2) else None
        scope.create_job(f"job-{number}", keep_alive_seconds=pool, tags={"n": str(number)})
    clock.advance(600)
    for number, status in ((0, "Failed"), (1, "Completed"), (2, "Completed")):
        scope.finish(scope.start(scope.job(f"job-{number}")), status)
    clock.advance(60)
    scope.settle_pool(scope.job("job-1"), "Reused", reused_by="job-2")
    clock.advance(60)


def another_day(scope: Scope) -> None:
    """Create a job, reuse a name, settle a pool silently, end a job."""
    clock = scope.clock
    clock.advance(7_200)
    scope.finish(scope.start(scope.job("job-3")))
    scope.settle_pool(scope.job("job-2"), "Terminated", silent=True)
    scope.update(scope.job("job-4"), silent=True, secondary_status="Downloading")
    scope.delete_job("job-0")
    clock.advance(2)
    scope.create_job("job-0", tags={"n": "again"})
    scope.create_job("job-5", keep_alive_seconds=600)
    clock.advance(1_000)
    # Later than the lag of Search.
    clock.advance(service.SEARCH_LAG + timedelta(seconds=1))


@dataclass
class Boundaries:
    """Counts the boundaries of a sync, and raises at one of them."""

    at: int | None = None
    passed: int = 0

    def place(self, *_: object) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Killed

    def hooks(self) -> Hooks:
        return Hooks(self.place, self.place, self.place, self.place)


#: Everything except observation times, which depend on how long a call took, and which of two
#: operations returned the details.
CONTENTS = {
    "jobs": "SELECT * EXCLUDE (first_synced_at, updated_at, verified_at, seen_until) "
    "REPLACE (deleted_at IS NOT NULL AS deleted_at) FROM training_jobs ORDER BY ALL",
    "details": "SELECT * EXCLUDE (fetched_at, seen_until, serverless) FROM training_job_details "
    "ORDER BY ALL",
    "history": "SELECT * EXCLUDE (observed_at, run_id) FROM training_job_changes ORDER BY ALL",
    "scopes": "SELECT account_id, region, discovered_to, discovered_from, listing_mode, "
    "last_error, failing_runs FROM sync_scopes ORDER BY ALL",
    "running": "SELECT run_id FROM sync_runs WHERE outcome = 'running'",
}
WATERMARK = "SELECT watermark FROM sync_scopes"


def snapshot(database: Database) -> dict[str, list[Row]]:
    with database.reading() as connection:
        return {
            name: [tuple(row) for row in connection.execute(statement).all()]
            for name, statement in {**CONTENTS, "watermark": WATERMARK}.items()
        }


@dataclass
class Bench:
    """Copies of one file, each synced from the same world."""

    syncer: Syncer
    template: Path
    folder: Path
    options: dict[str, Any]

    def copy(self, name: str) -> Syncer:
        path = self.folder / f"{name}.duckdb"
        shutil.copyfile(self.template, path)
        self.syncer.database = Database(path)
        return self.syncer

    def differences(self) -> list[str]:
        return differences(self.syncer.query, self.syncer.scope)

    def raise_at(self, at: int) -> dict[str, list[Row]]:
        """Return what is stored after a sync that failed there and a clean one."""
        syncer = self.copy(f"raised-{at}")
        boundaries = Boundaries(at)
        with suppress(Killed):
            syncer.sync(boundaries.hooks(), **self.options)
        # A call more or less depends on the seconds that the others took.
        assert boundaries.passed > at - 3
        cut = snapshot(syncer.database)
        assert cut["running"] == []
        # The watermark moves with the last commit or not at all.
        if cut["watermark"] not in (self.watermark, [], [(None,)]):
            assert self.differences() == []
        syncer.sync(**self.options)
        return snapshot(syncer.database)

    def raise_everywhere(self) -> int:
        """Fail a sync at each boundary in turn, and return the number of boundaries."""
        self.watermark = snapshot(Database(self.template))["watermark"]
        counting = Boundaries()
        syncer = self.copy("undisturbed")
        syncer.sync(counting.hooks(), **self.options)
        # A second sync, as after the disturbed ones.
        syncer.sync(**self.options)
        wanted = snapshot(syncer.database)
        assert self.differences() == []
        for at in range(1, counting.passed + 1, EVERY):
            found = self.raise_at(at)
            for name in CONTENTS:
                assert found[name] == wanted[name], f"{name}, raised at place {at}"
        return counting.passed


@pytest.fixture
def prepare(
    simulator: Simulator, scope: Scope, migrated_file: Path, tmp_path: Path
) -> Callable[..., Bench]:
    def prepare(*, increment: bool, behaviour: Behaviour | None = None, **options: Any) -> Bench:
        simulator.world.behaviour = behaviour or simulator.world.behaviour
        first_days(scope)
        syncer = Syncer(Database(migrated_file), scope, simulator, SMALL)
        bench = Bench(syncer, migrated_file, tmp_path, options)
        if increment:
            bench.copy("before").sync()
            bench.template = tmp_path / "before.duckdb"
            another_day(scope)
        return bench

    return prepare


def test_a_backfill_loses_nothing(prepare: Callable[..., Bench]) -> None:
    assert prepare(increment=False).raise_everywhere() >= 20


def test_an_incremental_sync_loses_nothing(prepare: Callable[..., Bench]) -> None:
    assert prepare(increment=True).raise_everywhere() >= 20


def test_a_full_listing_that_finds_deletions_loses_nothing(prepare: Callable[..., Bench]) -> None:
    assert prepare(increment=True, full=True).raise_everywhere() >= 20


def test_a_sync_without_search_loses_nothing(prepare: Callable[..., Bench]) -> None:
    assert prepare(increment=True, behaviour=NO_SEARCH).raise_everywhere() >= 20
