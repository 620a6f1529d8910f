"""Stops a sync between two calls or during a wait, never inside a commit."""

from __future__ import annotations

import threading
from typing import Final

from exporter.errors import CredentialsError, ServiceError


class Interrupted(BaseException):
    """The run has to stop. Not an `Exception`, so that no handler takes it for a failure."""


#: What ends a run between two calls, so that what it has read can still be committed.
STOPPED: Final = (Interrupted, CredentialsError, ServiceError)


class Stop:
    """The stop signal that all workers of a run share; every wait of theirs obeys it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Stop every worker."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the run has to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Interrupted` if the run has to stop."""
        if self._event.is_set():
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Wait, or raise `Interrupted` as soon as the run has to stop."""
        if self._event.wait(seconds):
            raise Interrupted
