"""What DuckDB and SQLAlchemy raise, as the program's own errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
from sqlalchemy import exc

from exporter.errors import BusyError, DatabaseError, ExporterError

#: What DuckDB says about files in another format. It would read some of them with an extension.
_OTHER_FORMAT: Final = re.compile(
    r"not a valid DuckDB database|sqlite_scanner|in-memory database in read-only mode"
)
_FULL: Final = re.compile(
    r"No space left|disk is full|Could not write all|not enough space", re.IGNORECASE
)
_DENIED: Final = re.compile(r"Permission denied|Read-only file system")
_DAMAGED: Final = re.compile(r"Could not read enough bytes|Corrupt database file|checksum")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translate errors of the file and the disk.

    Constraint, catalog and data errors pass unchanged: they come from bugs or from users' SQL.

    Raises:
        DatabaseError: The file or the disk failed.
        BusyError: Another process holds the file.
    """
    try:
        yield
    except (
        exc.OperationalError,
        exc.InternalError,
        duckdb.IOException,
        duckdb.FatalException,
    ) as error:
        raise translate(error, path) from error
    except exc.DatabaseError as error:
        if type(error) is exc.DatabaseError:  # its subclasses are the errors that pass
            raise translate(error, path) from error
        raise


def lock_holder(error: BaseException) -> str | None:
    """Return who holds the file's lock, or None if the error is not about the lock."""
    text = str(error)
    if "Could not set lock" not in text:
        return None
    match = re.search(r"Conflicting lock is held in (.*?) ?\(PID (\d+)\)", text)
    if match is None:
        return "another process"
    return f"{Path(match[1]).name or 'a process'} (PID {match[2]})"


def is_open_for_reading_here(error: BaseException) -> bool:
    """Return whether opening for writing failed because this process reads the file."""
    return "different configuration than existing connections" in str(error)


def translate(error: Exception, path: Path) -> ExporterError:
    """Return an error of the file or the disk in words for the reader of a cron mail."""
    text = str(getattr(error, "orig", error)).splitlines()[0]
    if holder := lock_holder(error):
        return BusyError(f"The database {path} is kept open by {holder}.", "Nothing is lost.")
    if _OTHER_FORMAT.search(text):
        return DatabaseError(
            f"{path} is not a DuckDB database.",
            "Nothing was changed. Name another file with --db.",
        )
    if _FULL.search(text):
        return DatabaseError(
            f"The disk of {path} is full.",
            "Committed data is safe. Free some space; the next run continues from there.",
        )
    if _DENIED.search(text):
        return DatabaseError(f"Cannot open {path}: permission denied or read-only.")
    if _DAMAGED.search(text):
        return DatabaseError(
            f"The database {path} is damaged or truncated: {text.rstrip('.')}.",
            "Nothing was changed. Run `sagemaker-exporter db restore FILE` with a backup.",
        )
    if "WAL" in text:
        return DatabaseError(
            f"{path} and its write-ahead log {path}.wal do not belong together: "
            f"{text.rstrip('.')}.",
            "Nothing was changed. If you copied the database here by hand, move the log away.",
        )
    return DatabaseError(f"Cannot use the database {path}: {text}")
