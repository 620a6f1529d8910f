"""Follows a database file that others write to, by copies of its own.

A process that shows pages all day cannot keep the file open, or no sync could write. It cannot open
the file for each page either, because 50 readers would keep a sync waiting. So it copies the file
after a commit, and reads its copy.

The copy takes no lock, so no writer waits for it. It counts only if the file was at rest before,
and has the same size and modification time after: then its bytes are those of one moment. They are
what a process that was killed at that moment would have left, and DuckDB recovers from that. If a
writer never rests, a copy under DuckDB's lock takes its place; the writer waits for it once.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol, Self

from exporter import files
from exporter.errors import DatabaseError, ExporterError
from exporter.store import copies
from exporter.store.connections import Connection
from exporter.store.database import Database, check_is_file

Stamp = tuple[int, int, int] | None
#: Modification time in ns, size and inode of the file and of its log; None for a missing one.
Stamps = tuple[Stamp, Stamp]

#: Nanoseconds without a write after which a file counts as at rest. Clocks of file systems tick
#: every 4 or 10 ms.
_AT_REST: Final = 50_000_000
#: Attempts to copy without a lock, and seconds between them.
_ATTEMPTS: Final = 40
_PAUSE: Final = 0.25
#: Seconds between two looks at a file.
_LOOK_EVERY: Final = 0.5
#: Refreshes may take this share of the time, so that they take little from a sync beside them.
SHARE: Final = 0.05
#: Seconds to wait for a writer, if the copy needs the lock.
_LOCK_TIMEOUT: Final = 60.0

_log = logging.getLogger(__name__)


def stamps(path: Path) -> Stamps:
    """Return what changes with every commit, without opening the file."""
    file = _stamp(str(path))
    return file, _stamp(_log_path(path, file and file[2]))


@lru_cache(maxsize=16)
def _log_path(path: Path, inode: int | None) -> str:
    """Return the log of a file. It is named after the target of a link, whose inode differs."""
    del inode
    return f"{os.path.realpath(path)}.wal"


def _stamp(path: str) -> Stamp:
    # Does not open the file: closing it would drop DuckDB's lock (exporter.store.database).
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib takes five times as long, at each request
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def copy_at_rest(source: Path, target: Path, *, now_ns: Callable[[], int] = time.time_ns) -> bool:
    """Copy a file and its log without a lock; return False if a writer came in between.

    Args:
        source: The database file; not open in this process.
        target: The file to write; it must not exist.
        now_ns: Returns the Unix time in ns.

    Raises:
        OSError: The source cannot be read, or the target cannot be written.
    """
    before = stamps(source)
    newest = max(stamp[0] for stamp in before if stamp is not None) if any(before) else 0
    if 0 <= now_ns() - newest < _AT_REST:
        return False
    log, copied_log = copies.log_of(source), copies.log_of(target)
    _copy(source, target)
    if before[1] is not None:
        with suppress(FileNotFoundError):
            _copy(log, copied_log)
    if stamps(source) == before:
        return True
    target.unlink()
    copied_log.unlink(missing_ok=True)
    return False


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        files.copy(descriptor, target)
    finally:
        os.close(descriptor)


class State(Protocol):
    """The data as of one commit; safe for many threads."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a read-only connection; other connections share its memory."""
        ...

    @property
    def place(self) -> tuple[str, str]:
        """What another process reads: the name of an option, `db` or `lake`, and its value."""
        ...

    def close(self) -> None:
        """Free what the state takes, after its last connection."""
        ...


class Source(Protocol):
    """What a follower follows: a database file, or another place with its tables and views."""

    @property
    def pause(self) -> float:
        """Seconds between two looks at the stamp."""
        ...

    def stamp(self) -> object:
        """Return a value that differs after every commit.

        Raises:
            ExporterError: It cannot be read.
        """
        ...

    def take(self) -> State:
        """Return the data as of now.

        Raises:
            ExporterError: It cannot be read.
        """
        ...


class FileSource:
    """Takes copies of a database file.

    Args:
        path: The file.
        folder: A private folder for the copies, with room for two of them.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self, path: Path, folder: Path, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._database = Database(path, lock_timeout=_LOCK_TIMEOUT)
        self._folder = folder
        self._sleep = sleep
        self._copies = 0

    @property
    def pause(self) -> float:
        """Seconds between two looks, which cost nothing."""
        return _LOOK_EVERY

    def stamp(self) -> object:
        """Return the sizes and modification times of the file and its log."""
        return stamps(self._database.path)

    def take(self) -> State:
        """Copy the file; see `Source.take`.

        Raises:
            DatabaseError, BusyError, SchemaNewerError: The file cannot be read or copied.
        """
        if not self._database.exists():
            with self._database.reading():  # raises
                pass
        check_is_file(self._database.path)
        self._copies += 1
        # Under its own name, because DuckDB names a database after its file.
        target = self._folder / str(self._copies) / self._database.path.name
        try:
            target.parent.mkdir()
            if not self._copied_at_rest(target):
                copies.copy(self._database, target)
            elif copies.log_of(target).exists():
                # Opening replays the log, and closing writes it into the file.
                with Database(target).writing():
                    pass
        except OSError as error:
            shutil.rmtree(target.parent, ignore_errors=True)
            raise DatabaseError(
                f"Cannot copy {self._database.path} to {self._folder}: {error.strerror}.",
                "Set TMPDIR to a folder with room for two copies of the database.",
            ) from error
        return Copy(target, self._database.path)

    def _copied_at_rest(self, target: Path) -> bool:
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(_PAUSE)
            if copy_at_rest(self._database.path, target):
                return True
        return False


class Copy:
    """A copy of a database file, which nobody writes to.

    Args:
        path: The copy, alone in a folder, which `close` removes.
        original: The file, for messages.

    Raises:
        DatabaseError, SchemaNewerError: The copy cannot be read.
    """

    def __init__(self, path: Path, original: Path) -> None:
        self.path = path
        self._open = ExitStack()
        self._database = Database(path)
        try:
            # It keeps what it has read in memory for the next connections.
            self._open.enter_context(self._database.reading())
        except ExporterError as error:
            self.close()
            error.message = error.message.replace(str(path), str(original))
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a read-only connection; other connections share its memory."""
        with self._database.reading() as connection:
            yield connection

    @property
    def place(self) -> tuple[str, str]:
        """The name of the option that reads the same, and its value."""
        return "db", str(self.path)

    def close(self) -> None:
        """Close the copy and remove its folder."""
        self._open.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)


class _Held:
    """A state and how many use it."""

    def __init__(self, state: State, number: int) -> None:
        self.state = state
        self.number = number
        self.users = 1


class Follower:
    """Keeps the state of a source up to date in a thread of its own; a context manager.

    Args:
        source: What to follow.
        prepare: Called with each new state before readers get it.
        share: The share of the time that copying and preparing may take.
        monotonic: Returns the seconds of a clock that never goes back.

    Attributes:
        number: Grows with each new state.
        trouble: Why the newest commit cannot be read; None = it can.

    Raises:
        ExporterError: The source cannot be read.
    """

    def __init__(
        self,
        source: Source,
        prepare: Callable[[State], None],
        *,
        share: float = SHARE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._prepare = prepare
        self._share = share
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._held: _Held | None = None
        self._stamp: object = None
        self._rest_until = 0.0
        self.trouble: str | None = None
        self.refresh()
        self._rest_until = 0.0  # the first one reads everything, the next ones what has changed
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """The number of the current state."""
        held = self._held
        return 0 if held is None else held.number

    @contextmanager
    def state(self) -> Iterator[State]:
        """Give the current state; it stays open until the end of the block."""
        with self._lock:
            held = self._held
            if held is None:
                raise RuntimeError("the follower is closed")
            held.users += 1
        try:
            yield held.state
        finally:
            self._release(held)

    def refresh(self) -> None:
        """Take the newest state; raises as `Source.take` does."""
        began = self._monotonic()
        # Taken before the data is, so that a commit in between is taken again.
        stamp = self._source.stamp()
        state = self._source.take()
        try:
            self._prepare(state)
        except BaseException:
            state.close()
            raise
        with self._lock:
            before, self._held = self._held, _Held(state, self.number + 1)
        if before is not None:
            self._release(before)
        self._stamp = stamp
        ended = self._monotonic()
        self._rest_until = ended + (ended - began) * (1 / self._share - 1)

    def close(self) -> None:
        """Stop following and remove the copies, after the running readers."""
        self._stopping.set()
        self._thread.join()
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            self._release(held)

    def _release(self, held: _Held) -> None:
        with self._lock:
            held.users -= 1
            is_unused = not held.users
        if is_unused:
            held.state.close()

    def _follow(self) -> None:
        while not self._stopping.wait(self._source.pause):
            if self._monotonic() < self._rest_until:
                continue
            try:
                if self._source.stamp() != self._stamp:
                    self.refresh()
                self.trouble = None
            except ExporterError as error:
                # The pages go on with the last state, and say that it is not the newest.
                self.trouble = str(error)
                self._rest_until = self._monotonic() + 5.0
                _log.warning("cannot read the newest commit: %s", error)
            except Exception as error:
                self.trouble = "a bug; the log of web has it"
                self._rest_until = self._monotonic() + 5.0
                _log.error("A bug: %r", error, exc_info=_log.isEnabledFor(logging.INFO))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
