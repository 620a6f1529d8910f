"""Copies of a whole database file: consistent while others read, and complete or not there.

The bytes are copied while this process holds DuckDB's own kind of lock on the file, shared: so
nobody writes meanwhile, and everybody may read. A write-ahead log that a killed process left is
copied too and folded into the copy, so that the file itself need not be written to.

Call it only while this process does not have the file open through DuckDB: closing the
descriptor would drop DuckDB's lock with ours (POSIX fcntl locks belong to the process).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from exporter.errors import BusyError, DatabaseError, UsageError
from exporter.store.database import Database

#: What a killed process left half-built is removed once it is this old.
_ABANDONED_SECONDS: Final = 3600
_PIECE: Final = 4 << 20
_ATTEMPTS: Final = 50
_MAGIC: Final = b"DUCK"


def copy(
    database: Database,
    target: Path,
    *,
    mode: int = 0o600,
    verify: Callable[[Path], None] = lambda _: None,
) -> None:
    """Copy a database file; the target is replaced in one step, or left as it was.

    Args:
        database: What is copied; not open in this process.
        target: Where to.
        mode: Permissions of the copy, from its first byte on.
        verify: Called with the finished copy under another name; what it raises prevents the
            replacement.

    Raises:
        DatabaseError: The source cannot be read, or the target not written.
        BusyError: A writer kept the source for longer than its lock timeout.
        UsageError: The target is the database itself, or something else than a database.
    """
    check_target(database.path, target)
    with unfinished(target) as building:
        _copy_bytes(database, building)
        if _log(building).exists():
            with Database(building).writing():
                pass  # opening replays the log, closing folds it in
        verify(building)
        try:
            building.chmod(mode)
            _settle(building)
            # Whoever opened the old target for writing and died left a log that is not the new
            # one's: with it there, the new file could not be opened.
            _log(target).unlink(missing_ok=True)
            building.replace(target)
            _settle(target.parent)
        except OSError as error:
            raise _not_written(target, error) from error


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """A name beside the target to build it under; gone after the block, whatever happens."""
    prefix = f".{target.name}.new-"
    for old in target.parent.glob(f"{prefix}*"):
        try:
            if time.time() - old.stat().st_mtime > _ABANDONED_SECONDS:
                old.unlink()
        except OSError:
            continue  # somebody else was quicker, or it is not ours to remove
    building = target.with_name(f"{prefix}{os.getpid()}")
    try:
        yield building
    finally:
        building.unlink(missing_ok=True)
        _log(building).unlink(missing_ok=True)


def check_target(source: Path, target: Path) -> None:
    """Raise where a copy of the source could not or must not take the target's place.

    Raises:
        UsageError: The target is the source, a directory, or something else than a database.
        DatabaseError: Its directory is not there, or it cannot be read.
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
            f"{target} is there already and not a DuckDB database.",
            "It was not touched. Name another file.",
        )


def _copy_bytes(database: Database, building: Path) -> None:
    with _unchanging(database) as source:
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
def _unchanging(database: Database) -> Iterator[int]:
    """The file, opened, while no DuckDB anywhere has it open for writing."""
    for _ in range(_ATTEMPTS):
        # Waits for a writer and names it, heals what a kill left, says what is no database.
        with database.reading(check_schema=False):
            pass
        descriptor = os.open(database.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                continue  # a writer came in between
            yield descriptor
            return
        finally:
            os.close(descriptor)
    raise BusyError(
        f"The database {database.path} is written to again and again.", "Nothing is lost."
    )


def _write(source: int, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with (
        os.fdopen(os.dup(source), "rb", buffering=0) as reader,
        os.fdopen(descriptor, "wb", buffering=0) as writer,
    ):
        shutil.copyfileobj(reader, writer, _PIECE)


def _settle(path: Path) -> None:
    """Make sure that it survives the machine."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _log(path: Path) -> Path:
    return Path(f"{path}.wal")


def _not_written(target: Path, error: OSError) -> DatabaseError:
    return DatabaseError(
        f"Cannot write {target}: {error.strerror}.", "What was there before is unchanged."
    )
