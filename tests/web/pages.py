"""A page made from a database, and a reader of what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from exporter.store.database import Database
from exporter.web import figures, page
from exporter.web.figures import Figures

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)


@dataclass
class DashboardPage:
    """A page: the figures on it, its markup, its file, and the database they come from."""

    figures: Figures
    markup: str
    path: Path
    database: Path


def make_page(database: Path, path: Path) -> DashboardPage:
    """Write the page of a database, as the command does."""
    period = figures.choose_period(since=None, until=None, today=NOW.date())
    with Database(database).reading() as connection:
        found = figures.read(connection, period, NOW)
    markup = page.render(found)
    path.write_text(markup, encoding="utf-8")
    return DashboardPage(found, markup, path, database)


def execute(database: Database, *statements: str) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(statement)


class Reader(HTMLParser):
    """The content of a page: elements with their attributes, and texts of those with an id."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        #: The texts of the cells of each row, by the caption of the table.
        self.tables: dict[str, list[list[str]]] = {}
        self.by_id: dict[str, str] = {}
        self._texts: list[str] = []
        self._row: list[str] | None = None
        self._caption = ""
        self._open: list[tuple[str, str]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "img", "input"):
            self._open.append((tag, dict(attrs).get("id") or ""))
        if tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th") and self._row is not None:
            self._row.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass
        if tag == "caption":
            self.tables[self._caption] = []
        elif tag == "tr" and self._row is not None:
            self.tables[self._caption].append(self._row)
            self._row = None

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if "script" in tags or "style" in tags:
            return
        self._texts.append(data)
        for _, name in self._open:
            if name:
                self.by_id[name] = self.by_id.get(name, "") + data
        if "caption" in tags:
            self._caption += data
        elif self._row and ("td" in tags or "th" in tags):
            self._row[-1] += data

    @property
    def text(self) -> str:
        """All words, with one space between them."""
        return " ".join(" ".join(self._texts).split())

    def words(self, name: str) -> str:
        """The words of the element with this id."""
        return " ".join(self.by_id.get(name, "").split())

    def having(self, tag: str, **attributes: str) -> list[dict[str, Any]]:
        """The attributes of each element with this tag and these attributes."""
        return [
            found
            for name, found in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]
