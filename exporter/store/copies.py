"""Copies whole database files while others read them; a copy is complete or does not exist.

While it copies the bytes, this process holds DuckDB's own kind of lock on the file, shared. So
nobody writes, and everybody may read. A write-ahead log that a killed process left is copied as
well and written into the copy, so the original file stays unchanged.

Copy only while this process does not have the file open through DuckDB. POSIX fcntl locks belong
to the process: closing the second descriptor would drop DuckDB's lock.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from exporter.errors import BusyError, DatabaseError, UsageError
from exporter.store.database import Database

#: Unfinished copies of this age belong to killed processes.
_ABANDONED_SECONDS: Final = 3600
_CHUNK_BYTES: Final = 4 << 20
_ATTEMPTS: Final = 50
_MAGIC: Final = b"DUCK"

Result = TypeVar("Result")


def copy(
    database: Database,
    target: Path,
    *,
    mode: int = 0o600,
    verify: Callable[[Path], Result] = lambda _: None,  # type: ignore[assignment,return-value] # None by default
) -> Result:
    """Copy a database file; replace the target in one step, or leave it as it was.

    Args:
        database: The source; not open in this process.
        target: The file to write.
        mode: Permissions of the copy, from its first byte.
        verify: Called with the finished copy before it replaces the target. If it raises, the
            target stays as it was.

    Returns:
        What `verify` returned.

    Raises:
        DatabaseError: The source cannot be read, or the target cannot be written.
        BusyError: A writer held the source for longer than its lock timeout.
        UsageError: The target is the database itself, or a file of another kind.
    """
    check_target(database.path, target)
    with unfinished(target) as building:
        _copy_bytes(database, building)
        if _log(building).exists():
            # Opening replays the log, and closing writes it into the file.
            with Database(building).writing():
                pass
        result = verify(building)
        try:
            building.chmod(mode)
            _flush(building)
            # A process that wrote to the old target and died left a log. DuckDB would refuse to
            # open the new target beside it.
            _log(target).unlink(missing_ok=True)
            building.replace(target)
            _flush(target.parent)
        except OSError as error:
            raise _not_written(target, error) from error
    return result


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Give a name beside the target for building it; remove what is there after the block."""
    prefix = f".{target.name}.new-"
    for old in target.parent.glob(f"{prefix}*"):
        try:
            if time.time() - old.stat().st_mtime > _ABANDONED_SECONDS:
                old.unlink()
        except OSError:
            continue  # another process removed it, or this one has no permission
    building = target.with_name(f"{prefix}{os.getpid()}")
    try:
        yield building
    finally:
        building.unlink(missing_ok=True)
        _log(building).unlink(missing_ok=True)


def check_target(source: Path, target: Path) -> None:
    """Raise if a copy of the source must not or cannot replace the target.

    Raises:
        UsageError: The target is the source, a directory, or a file of another kind.
        DatabaseError: The target cannot be read, or its directory is missing.
    """
    if target.is_dir():
        raise UsageError(f"{target} is a directory.", "Name a file.")
    if not target.parent.is_dir():
        raise DatabaseError(f"There is no directory {target.parent}.")
    if not target.exists():
        return
    if source.exists() and target.samefile(source):
        raise UsageError(f"{target} is the database itself.", "Name another file.")
    try:
        with target.open("rb") as stream:
            head = stream.read(12)
    except OSError as error:
        raise _not_written(target, error) from error
    if head and head[8:12] != _MAGIC:
        raise UsageError(
            f"{target} exists and is not a DuckDB database.",
            "Nothing was changed. Name another file.",
        )


def _copy_bytes(database: Database, building: Path) -> None:
    with _locked(database) as source:
        log = _log(database.path)
        try:
            building.unlink(missing_ok=True)
            _write(source, building)
            if log.exists():
                descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    _write(descriptor, _log(building))
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise _not_written(building, error) from error


@contextmanager
def _locked(database: Database) -> Iterator[int]:
    """Open the file and keep every DuckDB from writing to it inside the block."""
    for _ in range(_ATTEMPTS):
        # Waits for a writer, recovers the file after a kill, and refuses files of other kinds.
        with database.reading(check_schema=False):
            pass
        descriptor = os.open(database.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                continue  # a writer opened the file in between
            yield descriptor
            return
        finally:
            os.close(descriptor)
    raise BusyError(
        f"Other processes write to the database {database.path} all the time.",
        "Nothing is lost.",
    )


def _write(source: int, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with (
        os.fdopen(os.dup(source), "rb", buffering=0) as reader,
        os.fdopen(descriptor, "wb", buffering=0) as writer,
    ):
        shutil.copyfileobj(reader, writer, _CHUNK_BYTES)


def _flush(path: Path) -> None:
    """Write a file or directory to the disk, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _log(path: Path) -> Path:
    return Path(f"{path}.wal")


def _not_written(target: Path, error: OSError) -> DatabaseError:
    return DatabaseError(
        f"Cannot write {target}: {error.strerror}.", "The previous file is unchanged."
    )
