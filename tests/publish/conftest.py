"""A lake that three collectors share, made once and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from exporter.store.database import Database
from tests.publish.support import three_collectors
from tests.support.lakes import Collectors
from tests.support.published import COLLECTORS, Published, fill, part, publish


@pytest.fixture(scope="session")
def made(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Collectors, Path]:
    """Three collectors after their first publish, and their lake; not to be changed."""
    folder = tmp_path_factory.mktemp("collectors")
    three = three_collectors(migrated_file, folder)
    three.publish(folder / "lake")
    return three, folder / "lake"


@pytest.fixture
def three(made: tuple[Collectors, Path], tmp_path: Path) -> Collectors:
    """Three collectors after their first publish."""
    return made[0].copy(tmp_path)


@pytest.fixture
def lake(made: tuple[Collectors, Path], tmp_path: Path) -> Path:
    """Their lake."""
    return Path(shutil.copytree(made[1], tmp_path / "lake"))


@pytest.fixture(scope="session")
def whole_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with jobs and prices of every kind; not to be changed."""
    path = tmp_path_factory.mktemp("whole") / "whole.duckdb"
    shutil.copyfile(migrated_file, path)
    fill(Database(path))
    return path


@pytest.fixture(scope="session")
def published(whole_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The file, and the lake of two collectors that have a part of it each."""
    folder = tmp_path_factory.mktemp("lake")
    parts = {name: part(whole_file, folder / f"{name}.duckdb", name) for name in COLLECTORS}
    lake = folder / "lake"
    publish(parts["one"], lake, "one")
    of_one = Path(shutil.copytree(lake, folder / "of-one"))
    publish(parts["other"], lake, "other")
    return Published(Database(whole_file), lake, of_one, parts)
