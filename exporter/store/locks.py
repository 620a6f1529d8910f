"""One sync at a time: an advisory lock on a file beside the database.

DuckDB's own lock is held only for the moments of a commit. This one is held for a whole sync,
and the system drops it when its process dies, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.errors import BusyError, DatabaseError
from exporter.store.database import check_kind

_PAUSE = 0.1


@contextmanager
def sync_lock(
    database: Path,
    timeout: float,
    *,
    notify: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Hold `<database>.lock` for the length of the block; wait `timeout` seconds for it.

    Raises:
        BusyError: Another sync held it for longer; its PID is named.
        DatabaseError: The file cannot be made (no such directory, read-only).
    """
    check_kind(database)
    if not database.parent.is_dir():
        raise DatabaseError(f"There is no directory {database.parent}.", "Name a file with --db.")
    path = Path(f"{database}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseError(f"Cannot make {path}: {error.strerror}.") from error
    try:
        deadline = monotonic() + timeout
        told = False
        while not _try_lock(descriptor):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            if monotonic() >= deadline:
                raise BusyError(
                    f"Another sync of {database} is running (PID {holder}).",
                    "Nothing is lost; the next run does what this one would have done.",
                )
            if not told:
                notify(f"Waiting for another sync of {database} (PID {holder}).")
                told = True
            sleep(_PAUSE)
        with suppress(OSError):  # a full disk: the lock holds without a name in it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
