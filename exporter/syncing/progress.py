"""Progress of a sync while it runs, its notices, and the clocks of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from exporter.store.scopes import ScopeKey


@dataclass(frozen=True, slots=True)
class Doing:
    """What a scope does now, how far it has come, and what is left of its run.

    Attributes:
        work: What is read: `jobs`, `jobs and details`, `details`, `deletions` or `tags`.
        done: Jobs so far.
        total: Jobs in all; None = unknown.
        at: Creation time that a listing has reached; None = it has no order, or none is running.
        share: Share of the run that is done, in time, 0 to 1; None = unknown.
        seconds_left: Seconds to the end of the run; None = unknown.
    """

    work: str
    done: int
    total: int | None = None
    at: datetime | None = None
    share: float | None = None
    seconds_left: float | None = None


class Progress(Protocol):
    """Shows the progress of scopes; each scope calls it from its own thread."""

    @property
    def is_watched(self) -> bool:
        """Whether somebody watches, so that counting the jobs is worth a call."""

    def show(self, scope: ScopeKey, doing: Doing) -> None:
        """Show how far a scope has come."""

    def waiting(self, scope: ScopeKey, reason: str, seconds: float) -> None:
        """Show that a call waits because of `reason`: "throttled" or "retry"."""

    def finished(self, scope: ScopeKey) -> None:
        """Show that the scope is complete or has failed."""


class Quiet:
    """A progress that shows nothing."""

    is_watched = False

    def show(self, scope: ScopeKey, doing: Doing) -> None:
        """Show nothing."""

    def waiting(self, scope: ScopeKey, reason: str, seconds: float) -> None:
        """Show nothing."""

    def finished(self, scope: ScopeKey) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class Clock:
    """The clocks of this machine; only the ledger and durations depend on them."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Notices:
    """The notices of one sync; each text is passed on once, whichever threads send it.

    Args:
        notify: Called with each new notice.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._guard = threading.Lock()
        self._texts: dict[str, None] = {}

    @property
    def texts(self) -> list[str]:
        """All notices, in order."""
        return list(self._texts)

    def notify(self, text: str) -> None:
        """Pass on a notice unless it has been passed on before."""
        with self._guard:
            if text in self._texts:
                return
            self._texts[text] = None
        self._notify(text)
