"""Return the rows of listings, from the file or from a copy of it in memory."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from exporter.errors import BusyError, DatabaseError
from exporter.store import listing as listings
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.following import Stamps, stamps
from exporter.store.listing import Listing, Mark, Place, Rows, StaleMark
from exporter.store.mirror import Mirror
from exporter.store.scopes import ScopeKey

MOST_IN_MEMORY: Final = 3_000_000
"""The largest number of jobs that a client copies: about a gigabyte."""

_PAUSE: Final = 0.02
#: Seconds to wait for this process to close the file. A commit takes less; a notebook never ends.
_SAME_PROCESS: Final = 10.0

_log = logging.getLogger(__name__)
_sharing = threading.Lock()
_left_behind: list[Mirror] = []
_shared: WeakValueDictionary[Path, MirrorSource] = WeakValueDictionary()


class Source(Protocol):
    """Returns the rows of listings."""

    def rows(self, listing: Listing, after: Place | None, limit: int | None) -> Rows:
        """Return at most `limit` jobs after a place; see `exporter.store.listing.rows`."""
        ...

    def scopes(self) -> list[ScopeKey]:
        """Return every account and region."""
        ...


def source_of(path: Path, *, lock_timeout: float) -> Source:
    """Return a copy in memory, or the file itself if it is too large to copy.

    All clients of a file share one copy, for as long as one of them exists.
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
    """Reads the file, and opens it for the length of a call only.

    So each answer shows the newest commit, and no lock is held between calls.

    Args:
        database: The file. Calls wait for a sync that is writing.
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
        """Return the jobs after a place; see `exporter.store.listing.rows`.

        Raises:
            DatabaseError, BusyError, SchemaNewerError: As `Database.reading`.
        """
        with self.reading() as connection:
            return listings.rows(_execute(connection), listing, after, limit)

    def scopes(self) -> list[ScopeKey]:
        """Return every account and region in the file; raises as `rows` does."""
        with self.reading() as connection:
            return listings.read_scopes(_execute(connection))

    def count(self) -> int:
        """Return the number of jobs; raises as `rows` does."""
        with self.reading() as connection:
            return listings.count(_execute(connection))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open the file for reading, and wait for a sync in this process to close it.

        DuckDB does not report that as a conflict of locks: it refuses to open a file in two ways.
        """
        deadline = self._monotonic() + min(self.database.lock_timeout, _SAME_PROCESS)
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
                            f"This process has the database {self.database.path} open in "
                            "another way.",
                            "Close that connection, or open it with exporter.connect().",
                        ) from error
                    self._sleep(_PAUSE)
            yield connection


class ConnectionSource:
    """Reads one connection, whose rows never change, such as that of a lake.

    Args:
        connection: The connection.
        state: Another text for other rows. A listing by status continues in the same ones only.
    """

    def __init__(self, connection: Connection, state: str) -> None:
        self._execute = _execute(connection)
        self._mark = Mark(0, state)

    def rows(self, listing: Listing, after: Place | None, limit: int | None) -> Rows:
        """Return the jobs after a place; see `exporter.store.listing.rows`.

        Raises:
            StaleMark: The listing began with other rows.
        """
        if after is not None and after.mark not in (None, self._mark):
            raise StaleMark("The listing began with another history.")
        return listings.rows(self._execute, listing, after, limit, self._mark)

    def scopes(self) -> list[ScopeKey]:
        """Return every account and region."""
        return listings.read_scopes(self._execute)


class MirrorSource:
    """Reads a copy in memory, updated whenever the file has changed. Thread-safe.

    An answer is never older than the newest commit at the time of the request. The modification
    time and size of the file show a commit at no cost, so the file is opened only after one, for
    a moment.

    Args:
        path: The file.
        lock_timeout: Seconds to wait for a sync that has the file open.
        database: Makes the `Database` of the file.

    Attributes:
        version: Grows with each change of what listings show; current after `refresh`.
    """

    def __init__(
        self, path: Path, *, lock_timeout: float, database: Callable[..., Database] = Database
    ) -> None:
        self._path = path
        self._lock_timeout = lock_timeout
        self._database = database
        self.version = 0
        self._begin()

    def refresh(self) -> int:
        """Update the copy to the newest commit and return its version.

        Raises:
            DatabaseError, BusyError, SchemaNewerError: As `Database.reading`.
        """
        if os.getpid() != self._pid:
            # This is a fork: DuckDB's threads and the holder of the lock stayed in the parent.
            # Closing the parent's copy would wait for those threads for ever.
            _left_behind.append(self._mirror)
            self._begin()
        # Taken before the file is read, so a commit in between is read again.
        found = stamps(self._path)
        if found == self._stamps:
            return self.version
        with self._lock:
            if found != self._stamps:
                self._read(found)
            return self.version

    def rows(self, listing: Listing, after: Place | None, limit: int | None) -> Rows:
        """Return the jobs after a place; see `exporter.store.listing.rows`.

        Past statuses are not in memory. A listing by status that began before the last change
        continues in the file.

        Raises:
            DatabaseError, BusyError, SchemaNewerError: As `Database.reading`.
        """
        self.refresh()
        with self._lock:
            mark = self._mirror.mark
            in_memory = after is None or after.mark in (None, mark)
            if in_memory:
                execute, span = self._mirror.execute, self._mirror.span
                return listings.rows(execute, listing, after, limit, mark, span)
        return self._file().rows(listing, after, limit)

    def scopes(self) -> list[ScopeKey]:
        """Return every account and region in the file; raises as `rows` does."""
        self.refresh()
        return self._mirror.scopes

    def close(self) -> None:
        """Free the memory."""
        with self._lock:
            self._mirror.close()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._mirror = Mirror()
        self._stamps: Stamps | None = None

    def _read(self, found: Stamps) -> None:
        if self._stamps is not None and _inode(found) != _inode(self._stamps):
            self._mirror.clear()
            self.version += 1
        with self._file().reading() as connection:
            changed = self._mirror.refresh(connection)
        self.version += changed
        self._stamps = found

    def _file(self) -> FileSource:
        # A new object each time, so that it checks the schema again.
        return FileSource(
            self._database(
                self._path,
                lock_timeout=self._lock_timeout,
                notify=_log.info,
                sleep=_sleep_shortly,
            )
        )


def _sleep_shortly(seconds: float) -> None:
    """Sleep at most 40 ms: a commit takes some 50 ms."""
    time.sleep(min(seconds, 0.04))


def _execute(connection: Connection) -> listings.Execute:
    def execute(statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return connection.raw.execute(statement, dict(parameters)).fetchall()

    return execute


def _inode(stamps: Stamps) -> int | None:
    return stamps[0] and stamps[0][2]
