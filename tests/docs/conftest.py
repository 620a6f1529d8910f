"""The demo's data, made once for all tests of a process, and a machine for commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import world as demo
from exporter.simulator import Scope, Simulator, World
from exporter.store.database import Database
from tests.conftest import ACCOUNT
from tests.docs.machine import Machine


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Return the database behind the examples. Tests must not change it."""
    path: Path = tmp_path_factory.mktemp("docs") / "demo.duckdb"
    return demo.make(path)


@pytest.fixture
def machine(
    world: World,
    scope: Scope,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Machine]:
    """A machine with the program, in the directory of its database, and one job at the service."""
    scope.create_job("nightly-1")
    world.scope(ACCOUNT, "us-east-1")  # running.md names two regions
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    with Simulator(world) as service:
        made = Machine.make(tmp_path, service, capfd)
        monkeypatch.chdir(tmp_path / "var/lib/sagemaker-exporter")
        yield made
