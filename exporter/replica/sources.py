"""Where the rows of a listing come from: the file, or a copy of it in memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

import sqlalchemy as sa

from exporter.errors import BusyError, DatabaseError
from exporter.store import listing as listings
from exporter.store.database import Database
from exporter.store.listing import Listing, Place, Rows
from exporter.store.mirror import Mirror
from exporter.store.scopes import ScopeKey

MOST_IN_MEMORY: Final = 3_000_000
"""Jobs of which a client keeps a copy: about a gigabyte."""

_PAUSE: Final = 0.02
#: Seconds to wait for this process to close the file: a commit takes less, a notebook for ever.
_OTHERWISE: Final = 10.0

_sharing = threading.Lock()
_left_behind: list[Mirror] = []
_shared: WeakValueDictionary[Path, MirrorSource] = WeakValueDictionary()

#: Of each of the file and its log: modification time in ns, size, inode; None where it is not.
Signature = tuple[tuple[int, int, int] | None, tuple[int, int, int] | None]


class Source(Protocol):
    """Gives rows of listings."""

    def rows(self, listing: Listing, after: Place | None, limit: int | None) -> Rows:
        """The jobs that follow a place, at most `limit`; see `exporter.store.listing.rows`."""
        ...

    def scopes(self) -> list[ScopeKey]:
        """Every account and region that there is."""
        ...


def source_of(path: Path, *, lock_timeout: float) -> Source:
    """A copy in memory, or the file itself where it holds more than is worth copying.

    The copy is shared by all who ask for the same file, for as long as one of them is there.
    """
    file = FileSource(Database(path, lock_timeout=lock_timeout))
    if file.count() > MOST_IN_MEMORY:
        return file
    path = path.absolute()
    with _sharing:
        shared = _shared.get(path)
        if shared is None:
            shared = _shared[path] = MirrorSource(path, lock_timeout=lock_timeout)
        return shared


class FileSource:
    """Reads the file, which is open for the length of a call only.

    So every answer is that of the newest commit, and no lock is held in between.

    Args:
        database: The file. A sync that holds it is waited for.
        sleep: Waits that many seconds.
        monotonic: Seconds on a clock that never goes back.
    """

    def __init__(
        self,
        database: Database,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.database = database
        self._sleep = sleep
        self._monotonic = monotonic

    def rows(self, listing: Listing, after: Place | None, limit: int | None) -> Rows:
        """The jobs that follow a place; see `exporter.store.listing.rows`.

        Raises:
            DatabaseError, BusyError, SchemaNewerError: As `Database.reading`.
        """
        with self.reading() as connection:
            return listings.rows(_execute(connection), listing, after, limit)

    def scopes(self) -> list[ScopeKey]:
        """Every account and region in the file; raises as `rows` does."""
        with self.reading() as connection:
            return listings.read_scopes(_execute(connection))

    def count(self) -> int:
        """How many jobs there are; raises as `rows` does."""
        with self.reading() as connection:
            return listings.count(_execute(connection))

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """The file, open for reading; also beside a sync in this very process.

        DuckDB does not call that a conflict of locks: it refuses to open the file in two ways.
        """
        deadline = self._monotonic() + min(self.database.lock_timeout, _OTHERWISE)
        with ExitStack() as stack:
            while True:
                try:
                    connection = stack.enter_context(self.database.reading())
                    break
                except DatabaseError as error:
                    if "different configuration" not in error.message:
                        raise
                    if self._monotonic() >= deadline:
                        raise BusyError(
                            f"This very process has the database {self.database.path} open in "
                            "another way.",
                            "Close that connection, or make it with exporter.connect().",
                        ) from error
                    self._sleep(_PAUSE)
            yield connection


class MirrorSource:
    """Reads a copy in memory, brought up to the file whenever the file has changed.

    An answer is never older than the newest commit at the time it was asked for. Whether there
    was one is told by the file's modification time and size, which cost nothing to look at; the
    file is opened, for a moment, only after a commit. Thread-safe.

    Args:
        path: The file.
        lock_timeout: Seconds to wait for a sync that has the file open.

    Attributes:
        version: Grows with every change of what listings show; current after `refresh`.
    """

    def __init__(self, path: Path, *, lock_timeout: float) -> None:
        self._path = path
        self._lock_timeout = lock_timeout
        self.version = 0
        self._begin()

    def refresh(self) -> int:
        """Bring the copy up to the newest commit; gives its version.

        Raises:
            DatabaseError, BusyError, SchemaNewerError: As `Database.reading`.
        """
        if os.getpid() != self._pid:
            # A fork: DuckDB's threads, and whoever held the guard, stayed in the parent. Even
            # closing the parent's copy would wait for those threads.
            _left_behind.append(self._mirror)
            self._begin()
        # Looked at before the file is read: what is committed in between is read again.
        found = _signature(self._path)
        if found == self._signature:
            return self.version
        with self._guard:
            if found != self._signature:
                self._read(found)
            return self.version

    def rows(self, listing: Listing, after: Place | None, limit: int | None) -> Rows:
        """The jobs that follow a place; see `exporter.store.listing.rows`.

        The statuses of the past are not in memory: a listing by status that began before the
        last change goes on in the file.

        Raises:
            DatabaseError, BusyError, SchemaNewerError: As `Database.reading`.
        """
        self.refresh()
        with self._guard:
            mark = self._mirror.mark
            in_memory = after is None or after.mark in (None, mark)
            if in_memory:
                return listings.rows(self._mirror.execute, listing, after, limit, mark)
        return self._file().rows(listing, after, limit)

    def scopes(self) -> list[ScopeKey]:
        """Every account and region in the file; raises as `rows` does."""
        self.refresh()
        return self._mirror.scopes

    def close(self) -> None:
        """Give the memory back."""
        with self._guard:
            self._mirror.close()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._guard = threading.RLock()
        self._mirror = Mirror()
        self._signature: Signature | None = None

    def _read(self, found: Signature) -> None:
        if self._signature is not None and _inodes(found) != _inodes(self._signature):
            self._mirror.clear()
            self.version += 1
        with self._file().reading() as connection:
            changed = self._mirror.refresh(connection)
        self.version += changed
        self._signature = found

    def _file(self) -> FileSource:
        # Anew each time, so that the schema is checked anew.
        return FileSource(
            Database(self._path, lock_timeout=self._lock_timeout, sleep=_sleep_shortly)
        )


def _sleep_shortly(seconds: float) -> None:
    """A commit takes some 50 ms: waiting longer than that would cost more than trying again."""
    time.sleep(min(seconds, 0.04))


def _execute(connection: sa.Connection) -> listings.Execute:
    def execute(statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return connection.exec_driver_sql(statement, dict(parameters)).all()

    return execute


def _signature(path: Path) -> Signature:
    # The log has the name of the file that a link leads to.
    file = os.path.realpath(path)
    return _look(file), _look(f"{file}.wal")


def _look(path: str) -> tuple[int, int, int] | None:
    # Never opened here: closing it again would drop DuckDB's lock (exporter.store.database).
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib takes five times as long, at each request
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _inodes(signature: Signature) -> int | None:
    return signature[0] and signature[0][2]
