"""A database that two syncs filled."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.simulator import Clock, Simulator, World
from exporter.store.database import Database
from tests.conftest import ACCOUNT, REGION
from tests.support.syncing import Syncer


@pytest.fixture(scope="session")
def filled_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six jobs, one of them deleted, after two syncs. Tests copy this file."""
    path = tmp_path_factory.mktemp("filled") / "filled.duckdb"
    shutil.copyfile(migrated_file, path)
    clock = Clock(datetime(2026, 11, 1, 12, tzinfo=UTC))
    world = World(clock, seed=7)
    scope = world.scope(ACCOUNT, REGION)
    with Simulator(world) as simulator:
        syncer = Syncer(Database(path), scope, simulator)
        for number in range(6):
            clock.advance(60)
            scope.create_job(f"job-{number}", keep_alive_seconds=600, tags={"n": str(number)})
        scope.finish(scope.start(scope.job("job-1")))
        syncer.sync()
        clock.advance(4_000)
        scope.delete_job("job-0")
        scope.settle_pool(scope.job("job-1"))
        syncer.sync()
    return path


@pytest.fixture
def filled(filled_file: Path, tmp_path: Path) -> Database:
    """A copy of the filled file."""
    path = tmp_path / "jobs.duckdb"
    shutil.copyfile(filled_file, path)
    return Database(path, lock_timeout=5)
