"""Opens the DuckDB file for reading and writing, and never for longer than needed.

A process that opens a DuckDB file locks all of it until it closes the file. DuckDB does not wait
for a lock. Therefore:

- A connection stays open for one read or one commit. Closing it writes a checkpoint.
- If another process holds the lock, this module tries again until the lock timeout.

While DuckDB has the file open, nothing else in this process may open, copy or hash it. POSIX
fcntl locks belong to the process: closing the second descriptor would drop DuckDB's lock.
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import duckdb

from exporter import files
from exporter.errors import BusyError, DatabaseError, UsageError
from exporter.spelling import command, named
from exporter.store import install, wal
from exporter.store.connections import OFFLINE, Connection, connect
from exporter.store.failures import (
    damaged_log,
    is_open_for_reading_here,
    lock_holder,
    translate,
    translated,
)
from exporter.store.recovery import recover
from exporter.store.revision import SCHEMA_REVISION, check_revision, read_revision
from exporter.store.view_files import INTERNAL

#: Format of new files. Every DuckDB since 1.4 opens it.
STORAGE_VERSION: Final = "v1.4.0"
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 0.5

ReadBack = Callable[[Connection], None]
Transaction = Callable[[ReadBack], AbstractContextManager[Connection]]

_umask_lock = threading.Lock()


class Database:
    """One DuckDB file and how to open it.

    Args:
        path: The file; it need not exist yet.
        lock_timeout: Seconds to wait while another process has the file open.
        notify: Called with one sentence when an open has to wait, and after a recovery.
        revision: The schema that this program knows.
        sleep: Waits for a number of seconds.
        monotonic: Returns the seconds of a clock that never goes back.

    Attributes:
        path: The file, with links resolved.
        lock_timeout: Seconds to wait while another process has the file open.
        revision: The schema that this program knows.

    Raises:
        UsageError: A database cannot have the name of the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout: float = 60.0,
        notify: Callable[[str], None] = lambda _: None,
        revision: str = SCHEMA_REVISION,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = _resolve(path)
        check_name(self.path)
        self.lock_timeout = lock_timeout
        self.revision = revision
        self._notify = notify
        self._sleep = sleep
        self._monotonic = monotonic
        self._waits_end_at = math.inf
        self._schema_is_checked = self._views_are_installed = self._log_is_noted = False
        self._shares = False
        self._shared: Connection | None = None

    @staticmethod
    def parse(text: str) -> Path:
        """Return the file that --db names: a path or a `duckdb:///` URL.

        Raises:
            UsageError: The text is a URL of another kind, or names no file.
        """
        if text in ("", ":memory:"):
            raise UsageError(f"{named('db', text)} is not a file.", "Give a path.")
        # With a prefix such as `md:` or `sqlite:`, DuckDB would open another kind of database.
        if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", text) and "://" not in text:
            return files.named(text)
        prefix, _, file = text.partition(":///")
        if prefix != "duckdb" or file in ("", ":memory:") or "?" in file:
            # The message repeats only the scheme, because a URL may hold a password.
            kind = text.partition(":")[0]
            raise UsageError(
                f"{named('db', word=kind)}:… is not a DuckDB file.",
                "Give a path or duckdb:///PATH.",
            )
        return files.named(file)

    def exists(self) -> bool:
        """Return whether the path exists."""
        return self.path.exists()

    def stop_waiting_after(self, seconds: float) -> None:
        """Limit every wait for another process, from now on, to this many seconds.

        The limit also applies to threads that are waiting already. An interrupted run uses it, so
        that it does not wait for the whole lock timeout.
        """
        self._waits_end_at = self._monotonic() + seconds

    @contextmanager
    def reading(self, *, check_schema: bool = True) -> Iterator[Connection]:
        """Open a read-only connection with this program's views; wait for a writer.

        Raises:
            DatabaseError: The file is missing, is not a DuckDB database, or has an older schema.
            BusyError: A writer held the file for longer than `lock_timeout`.
            SchemaNewerError: The file has a newer schema than this program.
        """
        if not self.exists():
            raise DatabaseError(
                f"There is no database at {self.path}.",
                f"Run {command('sync')} first, or name the file with {named('db')}.",
            )
        with translated(self.path), self._reader() as connection:
            if check_schema and not self._schema_is_checked:
                check_revision(self.path, read_revision(connection), self.revision)
                self._views_are_installed = install.is_installed(connection)
                self._schema_is_checked = True
            if check_schema and not self._views_are_installed:
                install.use_temporarily(connection)
            yield connection

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Let all reads in the block use one connection, and see the same rows.

        Opening the file takes longer than a small read. A write in the block closes the
        connection first; the next read opens it again. The block belongs to one thread.
        """
        self._shares = True
        try:
            yield
        finally:
            self._shares = False
            self._close_shared()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep nothing open in the block, also within `sharing`: something else opens the file."""
        shares, self._shares = self._shares, False
        self._close_shared()
        try:
            yield
        finally:
            self._shares = shares

    @contextmanager
    def writing(self, read_back: ReadBack = lambda _: None) -> Iterator[Connection]:
        """Open one transaction: commit it after the block, or roll it back if the block raises.

        Never catch an exception inside the block: DuckDB would then silently drop the whole
        transaction at COMMIT.

        Args:
            read_back: Called after the commit; raises if the written rows are missing.

        Raises:
            DatabaseError: The file or the disk failed (full, read-only, not DuckDB).
            BusyError: Another process held the file for longer than `lock_timeout`.
        """
        with self.transactions() as transaction, transaction(read_back) as connection:
            yield connection

    @contextmanager
    def transactions(self) -> Iterator[Transaction]:
        """Open the file once for several transactions; each one works as in `writing`.

        This saves time, because opening and closing the file takes longer than a small commit.
        Leave the block after a failed transaction, because the connection may be lost.
        """
        self._close_shared()
        with (
            translated(self.path),
            _private_files(),
            self._connection(read_only=False) as connection,
        ):

            @contextmanager
            def transaction(read_back: ReadBack) -> Iterator[Connection]:
                with translated(self.path):
                    with connection.transaction():
                        yield connection
                    with connection.transaction():
                        read_back(connection)

            yield transaction

    @contextmanager
    def _connection(self, *, read_only: bool) -> Iterator[Connection]:
        connection = self._open(read_only=read_only)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _reader(self) -> Iterator[Connection]:
        if not self._shares:
            with self._connection(read_only=True) as connection:
                yield connection
            return
        if self._shared is None:
            self._shared = self._open(read_only=True)
        yield self._shared

    def _close_shared(self) -> None:
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _connect(self, *, read_only: bool) -> Connection:
        config = dict(OFFLINE)
        if not self.exists():
            config["storage_compatibility_version"] = STORAGE_VERSION
        return connect(self.path, read_only=read_only, config=config)

    def _open(self, *, read_only: bool) -> Connection:
        check_is_file(self.path)
        deadline = self._monotonic() + self.lock_timeout
        pause = _FIRST_WAIT
        notified = recovered = False
        while True:
            try:
                self._check_log()
                return self._connect(read_only=read_only)
            except duckdb.Error as error:
                if not recovered and recover(self.path, error, self._notify):
                    recovered = True
                    continue
                holder = _holder(error, read_only=read_only)
                if holder is None:
                    raise translate(error, self.path) from error
                left = self._seconds_left(deadline, holder, error)
                if not notified:
                    self._notify(f"Waiting for the database {self.path}, held by {holder}.")
                    notified = True
                self._sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_WAIT)

    def _check_log(self) -> None:
        """Refuse a damaged log, of which DuckDB would drop commits without a word.

        Raises:
            DatabaseError: The log is damaged or cannot be read.
            duckdb.Error: The file cannot be opened.
        """
        log = Path(f"{self.path}.wal")
        try:
            if wal.state(log) is wal.State.WHOLE:
                return
            # A writer may be in the middle of a commit. A reader keeps writers away, and opening
            # for reading leaves the log as it is.
            reader = self._connect(read_only=True)
            try:
                found = wal.state(log)
            finally:
                reader.close()
        except OSError as error:
            raise DatabaseError(f"Cannot read {log}: {error.strerror}.") from error
        if found is wal.State.DAMAGED:
            raise damaged_log(self.path, wal.State.DAMAGED.value)
        if found is wal.State.UNFINISHED and not self._log_is_noted:
            self._log_is_noted = True
            self._notify(
                f"The write-ahead log {log} ends within a commit, as a killed process leaves it. "
                "The database is as it was before that commit."
            )

    def _seconds_left(self, deadline: float, holder: str, error: Exception) -> float:
        """Return the seconds that are left to wait.

        Raises:
            BusyError: No time is left.
        """
        left = min(deadline, self._waits_end_at) - self._monotonic()
        if left > 0:
            return left
        raise BusyError(
            f"The database {self.path} is kept open by {holder} "
            f"for longer than {self.lock_timeout:g} s.",
            "Nothing is lost. Close that program, or let readers use a copy "
            f"({named('snapshot')}).",
        ) from error


def check_name(path: Path) -> None:
    """Raise if DuckDB would call the database as one of its schemas is called.

    DuckDB names a database after its file. With two things called `internal`, no view would bind.

    Raises:
        UsageError: The file has that name.
    """
    if path.name.partition(".")[0].lower() == INTERNAL:
        raise UsageError(
            f"A database cannot be named {path.name}: a schema in it is named {INTERNAL}.",
            "Choose another name.",
        )


def check_is_file(path: Path) -> None:
    """Raise if the path exists but is not a file: opening a pipe, for example, would hang.

    Raises:
        DatabaseError: The path is a directory, a pipe or a device.
    """
    if path.is_dir():
        raise DatabaseError(f"{path} is a directory.", f"Name a file with {named('db')}.")
    if path.exists() and not path.is_file():
        raise DatabaseError(f"{path} is not a file.", f"Name a file with {named('db')}.")


def _resolve(path: Path) -> Path:
    """Return the target of a link: DuckDB would keep a second write-ahead log under its name."""
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError) as error:  # name too long, no permission, links in a circle
        reason = getattr(error, "strerror", None) or "its links form a circle"
        raise DatabaseError(
            f"Cannot open {path}: {reason}.", f"Name a file with {named('db')}."
        ) from error


def _holder(error: BaseException, *, read_only: bool) -> str | None:
    """Return who holds the file, or None if opening it failed for another reason."""
    if not read_only and is_open_for_reading_here(error):
        return "another connection of this process"
    return lock_holder(error)


@contextmanager
def _private_files() -> Iterator[None]:
    """Let only the owner read the files that DuckDB creates in this block.

    The umask belongs to the process, so a lock lets only one thread change it at a time.
    """
    if sys.platform == "win32":  # pragma: no cover - not a supported platform
        yield
        return
    with _umask_lock:
        before = os.umask(0o077)
        try:
            yield
        finally:
            os.umask(before)
