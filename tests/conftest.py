"""A stand-in service, an unmodified boto3 in front of it, and a fresh database file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from exporter.simulator import Behaviour, Clock, Scope, Simulator, World
from exporter.store import migrate
from exporter.store.database import Database

ACCOUNT, REGION = "111122223333", "eu-west-1"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may find this machine's AWS configuration, or a real endpoint."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SAGEMAKER_EXPORTER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def no_width_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables fit into COLUMNS also off a terminal; only a test that sets it shall see that."""
    monkeypatch.delenv("COLUMNS", raising=False)
    # boto3's default session keeps the credentials of whichever test came first.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One migrated file, to be copied: migrating takes a second, copying nothing."""
    path = tmp_path_factory.mktemp("template") / "template.duckdb"
    migrate.upgrade(Database(path))
    return path


@pytest.fixture
def database(migrated_file: Path, tmp_path: Path) -> Database:
    """A fresh database of the newest schema."""
    path = tmp_path / "jobs.duckdb"
    shutil.copyfile(migrated_file, path)
    return Database(path, lock_timeout=5)


@pytest.fixture
def world() -> World:
    """An empty world at noon, 1 November 2026, playing what the services are known to do."""
    return World(Clock(NOON), seed=7, behaviour=Behaviour())


@pytest.fixture
def scope(world: World) -> Scope:
    """The account and region that the simulator's credentials lead to."""
    return world.scope(ACCOUNT, REGION)


@pytest.fixture
def simulator(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The world behind HTTP, and an environment that leads boto3 there."""
    with Simulator(world) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running
