"""What a page may take: its time, and the results that are kept for the next reader."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import duckdb

from exporter.errors import BusyError
from exporter.store.connections import Connection

#: Seconds between two looks at what runs, and for what was interrupted to end.
_LOOK_EVERY: Final = 0.2
_END: Final = 10.0


class TooLong(BusyError):
    """An answer takes longer than a page may."""


class Kept:
    """Results by key; each is made once, even if many readers ask at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._found: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - any result
        """Return the result of a key; `make` makes it if there is none."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                with self._lock:
                    if key in self._found:
                        self._found.move_to_end(key)
                        return self._found[key]
                made = make()
                with self._lock:
                    self._found[key] = made
                    while len(self._found) > self._most:
                        self._found.popitem(last=False)
                return made
        finally:
            with self._lock:
                self._making.pop(key, None)


class Running:
    """The statements that run; a server ends only after them.

    DuckDB ends the whole program if Python stops a thread inside of it.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._number = 0

    @contextmanager
    def limited(self, connection: Connection, seconds: float | None) -> Iterator[None]:
        """Interrupt what a connection runs after some seconds, or when the server stops.

        Args:
            connection: The connection.
            seconds: How long it may take; None = any time.

        Raises:
            TooLong: The time is over.
        """
        raw = connection.raw
        done = threading.Event()
        expired = threading.Event()
        watcher = threading.Thread(
            target=self._watch, args=(raw, seconds, done, expired), daemon=True
        )
        with self._changed:
            self._number += 1
        watcher.start()
        try:
            yield
        except (duckdb.Error, KeyboardInterrupt):
            if self._stopping.is_set():
                raise TooLong("The server stops.") from None
            if expired.is_set():
                raise TooLong(
                    f"This takes longer than {seconds:g} s.",
                    "Choose a shorter period, or use the command line.",
                ) from None
            raise
        finally:
            done.set()
            watcher.join()
            with self._changed:
                self._number -= 1
                self._changed.notify_all()

    def _watch(
        self,
        raw: Any,  # noqa: ANN401 - a connection of DuckDB
        seconds: float | None,
        done: threading.Event,
        expired: threading.Event,
    ) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        while not done.wait(_LOOK_EVERY):
            if deadline is not None and time.monotonic() > deadline:
                expired.set()
            if expired.is_set() or self._stopping.is_set():
                raw.interrupt()  # again and again: between two statements it does nothing

    def stop(self) -> None:
        """Interrupt all statements, and wait for them."""
        self._stopping.set()
        with self._changed:
            self._changed.wait_for(lambda: not self._number, timeout=_END)
