"""What a run tells while it is under way, and the clocks it goes by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from exporter.store.scopes import ScopeKey
from exporter.syncing.plan import Listing


class Progress(Protocol):
    """Told how a scope is getting on; called from the scope's thread."""

    def listing(self, scope: ScopeKey, listing: Listing, jobs: int, pages: int) -> None:
        """A page was read."""

    def asking(self, scope: ScopeKey, done: int, total: int) -> None:
        """Jobs are asked for by name."""

    def waiting(self, scope: ScopeKey, why: str, seconds: float) -> None:
        """A call has to wait: "throttled" or "retry"."""

    def finished(self, scope: ScopeKey) -> None:
        """The scope is done, one way or the other."""


class Quiet:
    """No progress shown."""

    def listing(self, scope: ScopeKey, listing: Listing, jobs: int, pages: int) -> None:
        """Nothing."""

    def asking(self, scope: ScopeKey, done: int, total: int) -> None:
        """Nothing."""

    def waiting(self, scope: ScopeKey, why: str, seconds: float) -> None:
        """Nothing."""

    def finished(self, scope: ScopeKey) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Clock:
    """Clocks of this machine; only the ledger and durations rest on them."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
