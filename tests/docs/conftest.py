"""The demo's data, made once for all tests of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import world
from exporter.store.database import Database


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Return the database behind the examples. Tests must not change it."""
    path: Path = tmp_path_factory.mktemp("docs") / "demo.duckdb"
    return world.make(path)
