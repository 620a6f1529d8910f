"""The progress of a sync at a terminal: one line per scope while it runs, from listing to details.

A line has the region, a bar, what is read, and the time that is left (see
`exporter.syncing.remaining`). It fits 80 columns.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from exporter.times import format_age

if TYPE_CHECKING:
    from types import TracebackType

    from exporter.store.scopes import ScopeKey
    from exporter.syncing.progress import Doing

#: Widest line in columns; the bar takes what the texts leave of it.
_WIDEST: Final = 100


class Terminal:
    """Shows progress on a terminal; an `exporter.syncing.progress.Progress`.

    The threads of the scopes call it. A line disappears when its scope is done.

    Args:
        console: The terminal; None = standard error.
    """

    is_watched = True

    def __init__(self, console: Console | None = None) -> None:
        self._guard = threading.Lock()
        self._tasks: dict[ScopeKey, TaskID] = {}
        console = console or Console(stderr=True)
        console.width = min(console.width, _WIDEST)
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[state]}", table_column=Column(no_wrap=True)),
            _TimeLeft(table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
            expand=True,
        )

    @property
    def renderable(self) -> RenderableType:
        """The lines as they are now."""
        return self._progress.get_renderable()

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

    def show(self, scope: ScopeKey, doing: Doing) -> None:
        """Show how far a scope has come."""
        task = self._task(scope)
        ends_at = None
        if doing.seconds_left is not None:
            ends_at = time.monotonic() + doing.seconds_left
        self._progress.update(
            task,
            state=_state(doing),
            ends_at=ends_at,
            completed=doing.share or 0.0,
            total=None if doing.share is None else 1.0,
        )

    def waiting(self, scope: ScopeKey, reason: str, seconds: float) -> None:
        """Show what a call waits for."""
        if seconds >= 1:
            self._progress.update(self._task(scope), state=f"waiting {seconds:.0f} s: {reason}")

    def finished(self, scope: ScopeKey) -> None:
        """Remove the line of the scope."""
        with self._guard:
            task = self._tasks.pop(scope, None)
        if task is not None:
            self._progress.remove_task(task)

    def _task(self, scope: ScopeKey) -> TaskID:
        with self._guard:
            if scope not in self._tasks:
                several = any(other.account_id != scope.account_id for other in self._tasks)
                self._tasks[scope] = self._progress.add_task("", total=None, state="", ends_at=None)
                for key, task in self._tasks.items():
                    self._progress.update(task, description=_name(key, with_account=several))
            return self._tasks[scope]


class _TimeLeft(ProgressColumn):
    """The time until the end of the run, which passes between two updates."""

    def render(self, task: Task) -> Text:
        """Return it in words; nothing if it is unknown."""
        ends_at = task.fields["ends_at"]
        if ends_at is None:
            return Text("")
        left = max(ends_at - time.monotonic(), 1.0)
        return Text(f"{format_age(timedelta(seconds=left))} left")


def _name(scope: ScopeKey, *, with_account: bool) -> str:
    """Return the region, with the end of its account if accounts differ."""
    return f"…{scope.account_id[-4:]}/{scope.region}" if with_account else scope.region


def _state(doing: Doing) -> str:
    if doing.total is None:
        at = f", at {doing.at:%Y-%m-%d}" if doing.at else ""
        return f"{doing.work}: {doing.done:,}{at}"
    return f"{doing.work}: {doing.done:,} of {doing.total:,}"
