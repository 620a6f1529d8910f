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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from exporter import files
from exporter.errors import BusyError, DatabaseError, UsageError
from exporter.store.database import Database, check_name

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
    try:
        with files.building(target) as building:
            _copy_whole(database, building)
            result = verify(building)
            # A process that wrote to the old target and died left a log. DuckDB would refuse to
            # open the new target beside it.
            log_of(target).unlink(missing_ok=True)
            files.put_in_place(building, target, mode)
    except OSError as error:
        raise _not_written(target, error) from error
    return result


def copy_to_temporary(database: Database, target: Path) -> None:
    """Copy a database file into a private temporary folder, for this process alone.

    Nothing is written through to the disk: a copy that a power failure loses is not missed.

    Raises:
        DatabaseError: The source cannot be read, or the target exists or cannot be written.
        BusyError: A writer held the source for longer than its lock timeout.
    """
    try:
        _copy_whole(database, target)
    except OSError as error:
        raise DatabaseError(f"Cannot write {target}: {error.strerror}.") from error


def check_target(source: Path, target: Path) -> None:
    """Raise if a copy of the source must not or cannot replace the target.

    Raises:
        UsageError: The target is the source, a directory, a file of another kind, or has a name
            that a database cannot have.
        DatabaseError: The target cannot be read, or its directory is missing.
    """
    check_name(target)
    if target.is_dir():
        raise UsageError(f"{target} is a directory.", "Name a file.")
    if not target.parent.is_dir():
        raise DatabaseError(f"There is no directory {target.parent}.")
    if not target.exists():
        return
    if not target.is_file():  # a rename would replace /dev/null
        raise UsageError(f"{target} is not a file.", "Nothing was changed. Name another file.")
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


def _copy_whole(database: Database, target: Path) -> None:
    """Copy a file and its log, and write the log into the copy."""
    _copy_bytes(database, target)
    if log_of(target).exists():
        # Opening replays the log, and closing writes it into the file.
        with Database(target).writing():
            pass


def _copy_bytes(database: Database, building: Path) -> None:
    with _locked(database) as source:
        files.copy(source, building)
        # A link in the place of the log would lead to somebody's file.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            descriptor = os.open(log_of(database.path), flags)
            try:
                files.copy(descriptor, log_of(building))
            finally:
                os.close(descriptor)


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
            except OSError as error:
                # DuckDB itself writes to no file that it cannot lock, so nobody can write to it.
                if error.errno not in files.NOT_OFFERED:
                    raise
            yield descriptor
            return
        finally:
            os.close(descriptor)
    raise BusyError(
        f"Other processes write to the database {database.path} all the time.",
        "Nothing is lost.",
    )


def log_of(path: Path) -> Path:
    """Return the write-ahead log of a database file."""
    return Path(f"{path}.wal")


def _not_written(target: Path, error: OSError) -> DatabaseError:
    return DatabaseError(
        f"Cannot write {target}: {error.strerror}.", "The previous file is unchanged."
    )
