"""What DuckDB raises, as the program's own errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from exporter.errors import BusyError, DatabaseError, ExporterError
from exporter.spelling import named

#: What DuckDB says about files in another format. It would read some of them with an extension.
_OTHER_FORMAT: Final = re.compile(
    r"not a valid DuckDB database|sqlite_scanner|in-memory database in read-only mode"
)
_FULL: Final = re.compile(
    r"No space left|disk is full|Could not write all|not enough space", re.IGNORECASE
)
_DENIED: Final = re.compile(r"Permission denied|Read-only file system")
_DAMAGED: Final = re.compile(
    r"Could not read enough bytes|Corrupt|checksum|Serializ|deserializ|INTERNAL Error|FATAL Error",
)
#: What DuckDB says where fcntl answers that there are no locks. Waiting would not help.
_NO_LOCKS: Final = re.compile(
    r"Could not set lock.*(?:File locks are not supported|No locks available|"
    r"Function not implemented|Operation not supported|Invalid argument)",
    re.DOTALL,
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translate every error of DuckDB.

    Users' SQL is refused where it runs (reports/adhoc.py). Any other statement is this program's,
    and fails only where the file is not as this program left it.

    Raises:
        DatabaseError: The file or the disk failed, or the file is damaged.
        BusyError: Another process holds the file.
    """
    try:
        yield
    except duckdb.Error as error:
        raise translate(error, path) from error


def lock_holder(error: BaseException) -> str | None:
    """Return who holds the file's lock, or None if the error is not about the lock."""
    text = str(error)
    if "Could not set lock" not in text or _NO_LOCKS.search(text):
        return None
    match = re.search(r"Conflicting lock is held in (.*?) ?\(PID (\d+)\)", text)
    if match is None:
        return "another process"
    return f"{Path(match[1]).name or 'a process'} (PID {match[2]})"


def is_open_for_reading_here(error: BaseException) -> bool:
    """Return whether opening for writing failed because this process reads the file."""
    return "different configuration than existing connections" in str(error)


def no_locks(path: Path, cause: str) -> DatabaseError:
    """Return the error of a file system without locks; `cause` is what it answered."""
    return DatabaseError(
        f"The file system of {path} locks no files ({cause}), so two writers could destroy it.",
        "Nothing was changed. Keep the database on a local disk; "
        f"{named('snapshot')} can publish a copy to this one.",
    )


def damaged_log(path: Path, cause: str) -> DatabaseError:
    """Return the error of a log that cannot be replayed."""
    return DatabaseError(
        f"The write-ahead log {path}.wal is damaged: {cause}.",
        "Nothing was changed. It holds the last commits. Run `sagemaker-exporter db restore FILE` "
        "with a backup, or move the log away and run `sync --full`.",
    )


def translate(error: Exception, path: Path) -> ExporterError:
    """Return an error of the file or the disk in words for the reader of a cron mail."""
    lines = str(error).splitlines()
    text = lines[0] if lines else type(error).__name__
    if match := _NO_LOCKS.search(text):
        return no_locks(path, match[0].rpartition(": ")[2].partition(". See")[0].rstrip("."))
    if holder := lock_holder(error):
        return BusyError(f"The database {path} is kept open by {holder}.", "Nothing is lost.")
    if _OTHER_FORMAT.search(text):
        return DatabaseError(
            f"{path} is not a DuckDB database.",
            f"Nothing was changed. Name another file with {named('db')}.",
        )
    if _FULL.search(text):
        return DatabaseError(
            f"The disk of {path} is full.",
            "Committed data is safe. Free some space; the next run continues from there.",
        )
    if _DENIED.search(text):
        return DatabaseError(f"Cannot open {path}: permission denied or read-only.")
    if _DAMAGED.search(text) and "WAL" not in text:
        return DatabaseError(
            f"The database {path} is damaged or truncated: {text.rstrip('.')}.",
            "Nothing was changed. Run `sagemaker-exporter db restore FILE` with a backup.",
        )
    if "WAL" in text and "does not match" in text and "checksum" not in text:
        return DatabaseError(
            f"{path} and its write-ahead log {path}.wal do not belong together: "
            f"{text.rstrip('.')}.",
            "Nothing was changed. If you copied the database here by hand, move the log away.",
        )
    if "WAL" in text:
        return damaged_log(path, text.rstrip("."))
    return DatabaseError(
        f"Cannot use the database {path}: {text}",
        "Nothing was changed. `sagemaker-exporter db check` names every fault; `db restore FILE` "
        "puts a backup in its place.",
    )
