"""Allows one sync at a time, with an advisory lock on a file beside the database.

A sync holds DuckDB's own lock only during its commits, and this lock from start to end. The
operating system releases it when the process ends, even after a kill.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.errors import BusyError, DatabaseError
from exporter.spelling import named
from exporter.store.database import check_is_file
from exporter.store.failures import no_locks

_PAUSE = 0.1


@contextmanager
def sync_lock(
    database: Path,
    timeout: float,
    *,
    what: str = "sync",
    notify: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Hold `<database>.lock` inside the block, or `<database>.WHAT.lock` of another command.

    It leaves no lock file where there is no database.

    Args:
        database: The database file.
        timeout: Seconds to wait for another sync.
        what: The command that only one process may run at a time.
        notify: Called with one sentence when the lock has to wait.
        sleep: Waits for a number of seconds.
        monotonic: Returns the seconds of a clock that never goes back.

    Raises:
        BusyError: Another sync held the lock for longer; the message names its PID.
        DatabaseError: The lock file cannot be created (no such directory, read-only), is a link,
            or its file system has no locks.
    """
    check_place(database)
    path = Path(f"{database}.lock" if what == "sync" else f"{database}.{what}.lock")
    descriptor = _open(path)
    is_held = False
    try:
        deadline = monotonic() + timeout
        notified = False
        while True:
            if _try_lock(descriptor, database):
                if _is_at(path, descriptor):
                    break
                # Its holder has removed the file, so a third process may lock a new one.
                stale, descriptor = descriptor, _open(path)
                os.close(stale)
                continue
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            if monotonic() >= deadline:
                raise BusyError(
                    f"Another {what} of {database} is running (PID {holder}).",
                    "Nothing is lost; the next run catches up.",
                )
            if not notified:
                notify(f"Waiting for another {what} of {database} (PID {holder}).")
                notified = True
            sleep(_PAUSE)
        is_held = True
        with suppress(OSError):  # on a full disk the lock works without the PID
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        if is_held and not database.exists():
            path.unlink(missing_ok=True)
        os.close(descriptor)


def check_place(database: Path) -> None:
    """Raise DatabaseError if the path of a database is a directory, or its directory is missing."""
    check_is_file(database)
    if not database.parent.is_dir():
        raise DatabaseError(
            f"There is no directory {database.parent}.", f"Name a file with {named('db')}."
        )


def is_syncing(database: Path) -> bool:
    """Return whether a sync of the database, or another command that writes, is running."""
    try:
        descriptor = os.open(f"{database}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Closing the file releases it at once, before a sync that begins now tries again.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _open(path: Path) -> int:
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DatabaseError(f"{path} is a link.", "Nothing was changed. Remove it.") from None
        raise DatabaseError(f"Cannot create {path}: {error.strerror}.") from error


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int, database: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # waiting would not help
        raise no_locks(database, str(error.strerror)) from error
    return True
