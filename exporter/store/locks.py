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
    check_is_file(database)
    if not database.parent.is_dir():
        raise DatabaseError(
            f"There is no directory {database.parent}.", f"Name a file with {named('db')}."
        )
    path = Path(f"{database}.lock" if what == "sync" else f"{database}.{what}.lock")
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DatabaseError(f"{path} is a link.", "Nothing was changed. Remove it.") from None
        raise DatabaseError(f"Cannot create {path}: {error.strerror}.") from error
    try:
        deadline = monotonic() + timeout
        notified = False
        while not _try_lock(descriptor, database):
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
        with suppress(OSError):  # on a full disk the lock works without the PID
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, database: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # waiting would not help
        raise no_locks(database, str(error.strerror)) from error
    return True
