"""The world that the pages are made of, once for all tests of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import world
from exporter.store.database import Database


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    path: Path = tmp_path_factory.mktemp("docs") / "demo.duckdb"
    return world.make(path)
