"""A database as a sync leaves it, and the command in this process."""

from __future__ import annotations

import pytest

from exporter.cli import main
from exporter.simulator import World
from exporter.store.database import Database
from exporter.syncing.options import Configuration, Source, SyncOptions
from exporter.syncing.run import run_sync


def filled(database: Database, world: World) -> None:
    """Sync some jobs with pools, and tags, from the service."""
    world.generate(jobs=60)
    done = run_sync(database, [Source()], SyncOptions(max_rps=0), Configuration())
    assert done.exit_code == 0


def command(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a run."""
    capfd.readouterr()
    return main(list(arguments)), *capfd.readouterr()
