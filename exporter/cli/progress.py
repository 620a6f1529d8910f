"""The progress of a sync at a terminal: one line per scope while it runs.

A listing returns jobs by ascending creation time, so the creation time that it has reached says
how far it has come between the first job and now. Rate and remaining time follow from that.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from exporter.text import counted
from exporter.times import format_time

if TYPE_CHECKING:
    from types import TracebackType

    from exporter.store.scopes import ScopeKey
    from exporter.syncing.plan import Listing

_DAY: Final = 86_400.0


class Terminal:
    """Shows progress on standard error; an `exporter.syncing.progress.Progress`.

    The threads of the scopes call it. A line disappears when its scope is done.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tasks: dict[ScopeKey, TaskID] = {}
        self._starts: dict[ScopeKey, float] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
        )

    def __enter__(self) -> Terminal:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()

    def listing(self, scope: ScopeKey, listing: Listing, jobs: int, pages: int) -> None:
        """Show the creation time that a listing has reached."""
        state = f"{listing.mode}: {counted(jobs, 'job')}, {counted(pages, 'page')}"
        position = listing.position or listing.created_after
        if position is None:
            self._show(scope, state, None, None)
            return
        end = listing.created_before or listing.began_at or datetime.now(UTC)
        with self._guard:
            start = self._starts.setdefault(scope, position.timestamp())
        self._show(
            scope,
            f"{state}, at {format_time(position)[:16]}",
            max(position.timestamp() - start, 0.0),
            max(end.timestamp() - start, 1.0),
        )

    def looking_up(self, scope: ScopeKey, done: int, total: int) -> None:
        """Show how many jobs have been looked up by name."""
        self._show(scope, f"details: {done:,} of {total:,}", done, total)

    def waiting(self, scope: ScopeKey, reason: str, seconds: float) -> None:
        """Show what a call waits for."""
        if seconds >= 1:
            self._show(scope, f"waiting {seconds:.0f} s: {reason}", None, None)

    def finished(self, scope: ScopeKey) -> None:
        """Remove the line of the scope."""
        with self._guard:
            task = self._tasks.pop(scope, None)
            self._starts.pop(scope, None)
        if task is not None:
            self._progress.remove_task(task)

    def _show(self, scope: ScopeKey, state: str, done: float | None, total: float | None) -> None:
        with self._guard:
            if scope not in self._tasks:
                self._tasks[scope] = self._progress.add_task(str(scope), total=None, state="")
            task = self._tasks[scope]
        if total is None:
            self._progress.update(task, state=state)
        else:
            self._progress.update(task, state=state, completed=done, total=total)
