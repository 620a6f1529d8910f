"""Recovers files that a killed process left complete, but that DuckDB refuses to open.

Two such states are known. A kill during a checkpoint causes both:

- The write-ahead log is older than the file, and the file already holds everything in the log.
- One metadata block is half new and half old. DuckDB writes such a block in place, but never
  over the parts that the file's header refers to. These parts are the same in the old and the
  new block, so only the checksum of the whole block is wrong. The log has the last commits.

Any other error means damage; this module then changes nothing.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb

from exporter.sql import identifier
from exporter.store.connections import OFFLINE

_ITERATIONS: Final = re.compile(
    r"File checkpoint iteration: (\d+), WAL checkpoint iteration: (\d+)"
)
_TORN: Final = re.compile(
    r"computed checksum (\d+) does not match stored checksum (\d+) in block at location (\d+)"
)

Notify = Callable[[str], None]


def recover(path: Path, error: BaseException, notify: Notify) -> bool:
    """Make a file open again if it is in one of the two states.

    Args:
        path: The database file; not open in this process.
        error: The error that opening the file raised.
        notify: Called with one sentence that says what was done.

    Returns:
        Whether to try again: this call, or another process, recovered the file.
    """
    iterations, torn = _ITERATIONS.search(str(error)), _TORN.search(str(error))
    log_is_outdated = iterations is not None and int(iterations[1]) > int(iterations[2])
    if not log_is_outdated and torn is None:
        return False
    try:
        with path.open("r+b") as file:
            # Another process may have recovered the file by now, and may be writing a new log.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if torn is None:
                _move_log_away(path, notify)
                return True
            computed, stored, offset = map(int, torn.groups())
            return _correct_checksum(path, offset, stored, computed, notify)
    except (BlockingIOError, FileNotFoundError):
        return True
    except OSError:
        return False


def _move_log_away(path: Path, notify: Notify) -> None:
    stale = _log(path).replace(f"{_log(path)}.stale")
    notify(
        f"A killed process left the database {path} with an outdated write-ahead log. "
        f"The file itself is complete. The log is now {stale}."
    )


def _correct_checksum(path: Path, offset: int, stored: int, computed: int, notify: Notify) -> bool:
    """Replace the file with a copy that has the right checksum, if all of the copy is readable.

    The original file keeps a copy of the log, because the log fits both files.
    """
    log = _log(path)
    if not log.exists() or log.stat().st_size == 0:
        return False  # a kill during a checkpoint leaves a log
    corrected, kept = Path(f"{path}.corrected"), Path(f"{path}.torn")
    try:
        _copy(path, corrected)
        _copy(log, _log(corrected))
        with corrected.open("r+b") as file:
            file.seek(offset)
            if int.from_bytes(file.read(8), "little") != stored:
                return False
            file.seek(offset)
            file.write(computed.to_bytes(8, "little"))
            file.flush()
            os.fsync(file.fileno())
        if not _is_readable(corrected):
            return False
        corrected.chmod(path.stat().st_mode & 0o777)
        kept.unlink(missing_ok=True)
        kept.hardlink_to(path)
        _log(corrected).replace(_log(kept))
        corrected.replace(path)
    finally:
        corrected.unlink(missing_ok=True)
        _log(corrected).unlink(missing_ok=True)
    notify(
        f"A killed process left the database {path} with one block half written. "
        f"No committed data is lost. The file as it was is now {kept}."
    )
    return True


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as reader, os.fdopen(descriptor, "wb") as writer:
        shutil.copyfileobj(reader, writer)


def _is_readable(path: Path) -> bool:
    """Return whether every value of every table is readable: DuckDB verifies each checksum."""
    try:
        with duckdb.connect(str(path), read_only=True, config={**OFFLINE}) as connection:
            tables = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
            ).fetchall()
            for schema, table in tables:
                name = f"{identifier(schema)}.{identifier(table)}"
                connection.execute(f"SELECT bit_xor(hash(t)) FROM {name} AS t").fetchall()  # noqa: S608 - quoted
    except duckdb.Error:
        return False
    return True


def _log(path: Path) -> Path:
    return Path(f"{path}.wal")
