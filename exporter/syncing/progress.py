"""Progress of a sync while it runs, its notices, and the clocks of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from exporter.store.scopes import ScopeKey
from exporter.syncing.plan import Listing


class Progress(Protocol):
    """Shows the progress of scopes; each scope calls it from its own thread."""

    def listing(self, scope: ScopeKey, listing: Listing, jobs: int, pages: int) -> None:
        """Show that a page was read."""

    def looking_up(self, scope: ScopeKey, done: int, total: int) -> None:
        """Show how many jobs have been looked up by name."""

    def looked_up(self, scope: ScopeKey) -> None:
        """Show that one more job was looked up."""

    def waiting(self, scope: ScopeKey, reason: str, seconds: float) -> None:
        """Show that a call waits because of `reason`: "throttled" or "retry"."""

    def finished(self, scope: ScopeKey) -> None:
        """Show that the scope is complete or has failed."""


class Quiet:
    """A progress that shows nothing."""

    def listing(self, scope: ScopeKey, listing: Listing, jobs: int, pages: int) -> None:
        """Show nothing."""

    def looking_up(self, scope: ScopeKey, done: int, total: int) -> None:
        """Show nothing."""

    def looked_up(self, scope: ScopeKey) -> None:
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
