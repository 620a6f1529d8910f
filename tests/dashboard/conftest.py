"""A year of a small world in a database, its page, and a browser where the machine has one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from exporter.config.model import Source, SyncOptions
from exporter.dashboard import figures, page
from exporter.dashboard.figures import Figures
from exporter.simulator import Clock, Simulator, World
from exporter.store.database import Database
from exporter.syncing.run import run_sync
from tests.dashboard.browser import EXECUTABLE, Browser

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"


@dataclass
class Made:
    """A page, what it was made of, and the file that it is in."""

    figures: Figures
    text: str
    path: Path
    database: Path


def make(database: Path, path: Path) -> Made:
    """The page of a database, as the command makes it."""
    period = figures.choose(since=None, until=None, today=NOW.date())
    with Database(database).reading() as connection:
        found = figures.read(connection, period, NOW)
    text = page.render(found)
    path.write_text(text, encoding="utf-8")
    return Made(found, text, path, database)


@pytest.fixture(scope="session")
def world_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 900 jobs, synced from the stand-in service while pools wait."""
    path = tmp_path_factory.mktemp("world") / "world.duckdb"
    world = World(Clock(NOW), seed=2026)
    scope = world.scope(ACCOUNT, REGION)
    world.generate(jobs=900, scopes=[scope])
    with Simulator(world) as service, pytest.MonkeyPatch.context() as patch:
        for name, value in service.environment(ACCOUNT, REGION).items():
            patch.setenv(name, value)
        report = run_sync(Database(path), [Source("world")], SyncOptions(max_rps=0))
    assert report.exit_code == 0
    return path


@pytest.fixture(scope="session")
def made(world_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(world_file, tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture
def copy(world_file: Path, tmp_path: Path) -> Database:
    """The world's database, to be changed by a test."""
    path = tmp_path / "copy.duckdb"
    shutil.copyfile(world_file, path)
    return Database(path)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if EXECUTABLE is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def execute(database: Database, *statements: str) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


class Reader(HTMLParser):
    """What a page holds: elements with their attributes, tables as rows of texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.texts: list[str] = []
        self._row: list[str] | None = None
        self._caption = ""
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "img", "input"):
            self._in.append(tag)
        if tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th") and self._row is not None:
            self._row.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop() != tag:
            pass
        if tag == "caption":
            self.tables[self._caption] = []
        elif tag == "tr" and self._row is not None:
            self.tables[self._caption].append(self._row)
            self._row = None

    def handle_data(self, data: str) -> None:
        if "script" in self._in or "style" in self._in:
            return
        self.texts.append(data)
        if "caption" in self._in:
            self._caption += data
        elif self._row:
            self._row[-1] += data

    @property
    def text(self) -> str:
        """All words, one space between them."""
        return " ".join(" ".join(self.texts).split())

    def having(self, tag: str, **attributes: str) -> list[dict[str, Any]]:
        """The attributes of every such element."""
        return [
            found
            for name, found in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]
