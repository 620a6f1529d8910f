"""How a sync is told to stop: between two calls, or out of a wait, never inside a commit."""

from __future__ import annotations

import threading


class Interrupted(BaseException):
    """The run was told to stop. Not an Exception, so that no handler takes it for a failure."""


class Stop:
    """Shared by the workers of a run; every wait of theirs is a place to stop."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Tell every worker to stop."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the run was told to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Interrupted` once the run was told to stop."""
        if self._event.is_set():
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Wait, or raise `Interrupted` as soon as the run is told to stop."""
        if self._event.wait(seconds):
            raise Interrupted
