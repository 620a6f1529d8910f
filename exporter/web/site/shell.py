"""What all pages share: the current state of the data, the frame around it, and downloads."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, HTMLResponse, Response

from exporter.errors import UsageError
from exporter.prices.basis import compute_at_list_prices, use_list_prices
from exporter.reports import notes, output
from exporter.reports.result import Result
from exporter.store.connections import Connection
from exporter.store.following import Follower, State
from exporter.times import format_age
from exporter.web import page
from exporter.web.site.limits import Kept, Running

#: Seconds that a report may take.
SECONDS: Final = 60.0
TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
#: Results that are kept for the next reader.
_KEPT: Final = 64
#: What reads -> how it computes costs at list prices.
_LIST_PRICES: Final = {"db": use_list_prices, "lake": compute_at_list_prices}
_PAGES: Final = (("/", "Overview"), ("/jobs", "Jobs"), ("/reports", "Reports"), ("/sql", "SQL"))
#: One row: how fresh the data is. That of a lake is as old as its oldest collector.
_FRESHNESS: Final = """
SELECT min(watermark) AS known, count(*) AS scopes, count(watermark) AS complete
FROM sync_scopes
WHERE retired_at IS NULL
"""
_ACCOUNTS: Final = "SELECT account_id, account_name FROM accounts"


class NoSuchPage(UsageError):
    """An address names a job or a report that does not exist."""


@dataclass(frozen=True)
class Facts:
    """What every page says of the data, as of one commit.

    Attributes:
        known: The time up to which every account and region is complete; None = not all are.
        scopes: Accounts and regions.
        accounts: The names of accounts by id.
    """

    known: datetime | None
    scopes: int
    accounts: Mapping[str, str]


@dataclass(frozen=True)
class Frame:
    """What the frame of a page shows: where it is, how fresh the data is, and what is wrong."""

    here: str
    fresh: str
    warnings: Sequence[str]
    has_session: bool
    pages: Sequence[tuple[str, str]] = _PAGES

    def file(self, name: str) -> str:
        """Return the address of a style or script; it changes with the content."""
        return f"/static/{digest(name)}/{name}"


@cache
def digest(name: str) -> str:
    """Return a hash of a style, the script or the icon."""
    return hashlib.sha256(page.asset(name).encode()).hexdigest()[:16]


class Shell:
    """Gives pages the data, and puts the frame around them.

    Args:
        follower: The database or lake.
        running: The statements that run.
        folder: A private folder for results on their way.
        needs_token: Whether readers have sessions.
        now: Returns the current time, aware.
    """

    def __init__(
        self,
        follower: Follower,
        running: Running,
        folder: Path,
        *,
        needs_token: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._follower = follower
        self._running = running
        self._folder = folder
        self._needs_token = needs_token
        self.now = now
        self._kept = Kept(_KEPT)

    def kept(self, key: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - any result
        """Return a result that is made once for all readers of a commit."""
        return self._kept.get((self._follower.number, key), make)

    @contextmanager
    def state(self) -> Iterator[State]:
        """Give the current state of the data."""
        with self._follower.state() as state:
            yield state

    @contextmanager
    def reading(self, *, at_list_prices: bool = False) -> Iterator[Connection]:
        """Open the current state; interrupt what takes longer than a page may."""
        with (
            self.state() as state,
            state.reading() as connection,
            self._running.limited(connection, SECONDS),
        ):
            if at_list_prices:
                _LIST_PRICES[state.place[0]](connection)
            yield connection

    def facts(self) -> Facts:
        """Return what every page says of the data."""

        def make() -> Facts:
            with self.reading() as connection:
                row = connection.execute(_FRESHNESS).one()
                accounts = connection.execute(_ACCOUNTS).all()
            known = row.known if row.complete == row.scopes else None
            return Facts(known, row.scopes, {id_: name for id_, name in accounts if name})

        facts: Facts = self.kept("facts", make)
        return facts

    def frame(self, here: str, *, has_session: bool | None = None) -> Frame:
        """Return the frame of a page.

        Args:
            here: The address in the menu; empty = a page without a menu.
            has_session: Whether the reader can sign out; None = if there are sessions.
        """
        session = self._needs_token if has_session is None else has_session
        if not here:
            return Frame("", "", (), session, ())
        facts, now = self.facts(), self.now()
        fresh = "nothing synced yet"
        if facts.scopes:
            fresh = "no sync is complete yet"
        if facts.known is not None:
            age = format_age(now - facts.known)
            fresh = f"Data as of {facts.known:%Y-%m-%d %H:%M} UTC ({age} ago)"
        return Frame(here, fresh, list(self._warnings(now)), session)

    def _warnings(self, now: datetime) -> Iterator[str]:
        if self._follower.trouble:
            yield f"This is not the newest data: {self._follower.trouble}"

        def make() -> list[str]:
            with self.reading() as connection:
                return [note.text for note in notes.of_collectors(connection, now)]

        # The text says for how long, in minutes at the finest.
        yield from self.kept(("collectors", int(now.timestamp()) // 60), make)

    def page(self, template: str, here: str, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - what the template shows
        """Return a page from a template."""
        site = self.frame(here, has_session=values.pop("has_session", None))
        found = page.environment().get_template(template)
        return HTMLResponse(found.render(site=site, made=self.now(), **values), status)

    def data(self, result: Result, style: str, name: str) -> Response:
        """Return the rows of a result as a download."""
        return self.written(lambda target: _write(result, style, target), style, name)

    def written(self, write: Callable[[Path], None], style: str, name: str) -> Response:
        """Return a download that a function writes to a file."""
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as stream:
            target = Path(stream.name)
        try:
            write(target)
        except BaseException:
            target.unlink()
            raise
        safe = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)[:80]
        return FileResponse(
            target,
            media_type=TYPES[style],
            filename=f"{safe}.{style}",
            content_disposition_type="inline" if style == "json" else "attachment",
            background=BackgroundTask(target.unlink),
        )

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a file for a result on its way."""
        with tempfile.TemporaryDirectory(dir=self._folder) as made:
            yield Path(made) / "result"


def _write(result: Result, style: str, target: Path) -> None:
    with target.open("wb") as stream:
        output.write(result, style, stream)
