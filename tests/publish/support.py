"""Fills a database with a sync, and runs commands in this process."""

from __future__ import annotations

import pytest

from exporter.cli import main
from exporter.config.model import Configuration, Source, SyncOptions
from exporter.simulator import World
from exporter.store.database import Database
from exporter.syncing.run import run_sync

#: Enough for most tests, because every table is published in the same way.
FEW = ("training_jobs", "prices", "sync_scopes")


def filled(database: Database, world: World) -> None:
    """Sync some jobs with pools and tags from the simulator."""
    world.generate(jobs=60)
    done = run_sync(database, [Source()], SyncOptions(max_rps=0), Configuration())
    assert done.exit_code == 0


def command(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code, standard output and standard error of a command."""
    capfd.readouterr()
    return main(list(arguments)), *capfd.readouterr()
