"""Fills a database with a sync, and runs commands in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.config.model import Configuration, Source, SyncOptions
from exporter.simulator import Behaviour, Clock, Simulator, World
from exporter.store.database import Database
from exporter.syncing.run import run_sync
from tests.conftest import ACCOUNT, NOON, REGION
from tests.support import lakes
from tests.support.lakes import Collectors

#: Enough for most tests, because every table is published in the same way.
FEW = ("training_jobs", "prices", "sync_scopes")


def filled(database: Database, world: World) -> None:
    """Sync some jobs with pools and tags from the simulator."""
    world.generate(jobs=60)
    done = run_sync(database, [Source()], SyncOptions(max_rps=0), Configuration())
    assert done.exit_code == 0


def three_collectors(migrated: Path, folder: Path) -> Collectors:
    """Return three collectors that have published nothing, from an empty migrated file."""
    database = Database(Path(shutil.copy(migrated, folder / "synced.duckdb")))
    world = World(Clock(NOON), seed=7, behaviour=Behaviour())
    world.scope(ACCOUNT, REGION)
    with Simulator(world) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        filled(database, world)
    return lakes.collectors(database.path, folder)


def command(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code, standard output and standard error of a command."""
    capfd.readouterr()
    return main(list(arguments)), *capfd.readouterr()
