"""Recovers files that a killed process left complete, but that DuckDB refuses to open.

Two such states are known. A kill during a checkpoint causes both:

- The write-ahead log is older than the file, and the file already holds everything in the log.
- One metadata block is half new and half old. DuckDB writes such a block in place, but never
  over the parts that the file's header refers to. These parts are the same in the old and the
  new block, so only the checksum of the whole block is wrong. The log has the last commits.

Damage can raise the same errors, so each repair is proved first. A log is outdated only if the file
was written after it. A block is half written only if it bears the checksum of the block that was
being written: a copy of the file repeats the interrupted checkpoint from the log, and must write a
block with that very checksum in the same place. One wrong byte in a part that is still in use would
be in the repeated block as well, and give another checksum.

Any other error means damage; this module then changes nothing.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

import duckdb

from exporter import files
from exporter.sql import identifier
from exporter.store.connections import OFFLINE

_ITERATIONS: Final = re.compile(
    r"File checkpoint iteration: (\d+), WAL checkpoint iteration: (\d+)"
)
_TORN: Final = re.compile(
    r"computed checksum (\d+) does not match stored checksum (\d+) in block at location (\d+)"
)
#: DuckDB's format: three headers of 4 KB, then blocks; each begins with a checksum of 8 bytes.
_HEADERS: Final = 3 * 4096
_CHECKSUM_BYTES: Final = 8
#: How many threads write the checkpoint again: as many as there are, then one. The order of its
#: blocks can depend on that.
_THREADS: Final = (None, 1)

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
                return _move_log_away(path, notify)
            computed, stored, offset = map(int, torn.groups())
            return _correct_checksum(file, path, offset, stored, computed, notify)
    except (BlockingIOError, FileNotFoundError):
        return True
    except OSError:
        return False


def _move_log_away(path: Path, notify: Notify) -> bool:
    """Rename the log if the file was written after it, as the end of a checkpoint does."""
    log = _log(path)
    if path.stat().st_mtime_ns < log.stat().st_mtime_ns:
        return False
    stale = log.replace(f"{log}.stale")
    notify(
        f"A killed process left the database {path} with an outdated write-ahead log. "
        f"The file itself is complete. The log is now {stale}."
    )
    return True


def _correct_checksum(
    file: BinaryIO, path: Path, offset: int, stored: int, computed: int, notify: Notify
) -> bool:
    """Replace the file with a copy that has the right checksum, once that is proved to be enough.

    The original file keeps a copy of the log, because the log fits both files.
    """
    log = _log(path)
    if offset < _HEADERS or not log.exists() or log.stat().st_size == 0:
        return False  # a kill during a checkpoint leaves a log
    kept = Path(f"{path}.torn")
    with files.building(path) as corrected:
        _copy_corrected(file, log, corrected, offset, stored, computed)
        if not any(
            _repeats_the_checkpoint(corrected, offset, stored, threads) for threads in _THREADS
        ):
            return False
        kept.unlink(missing_ok=True)
        try:
            kept.hardlink_to(path)
        except OSError:  # not every file system has hard links
            files.copy(file.fileno(), kept)
        _log(corrected).replace(_log(kept))
        files.put_in_place(corrected, path, path.stat().st_mode & 0o777)
    notify(
        f"A killed process left the database {path} with one block half written. "
        f"No committed data is lost. The file as it was is now {kept}."
    )
    return True


def _copy_corrected(
    file: BinaryIO, log: Path, corrected: Path, offset: int, stored: int, computed: int
) -> None:
    """Copy the file and its log, and correct the checksum of one block of the copy.

    Raises:
        OSError: It cannot be copied, or is another file by now.
    """
    files.copy(file.fileno(), corrected)
    with log.open("rb") as source:
        files.copy(source.fileno(), _log(corrected))
    if _checksum(corrected, offset) != stored:
        raise FileNotFoundError(corrected)  # another process recovered it: try again
    with corrected.open("r+b") as copy:
        copy.seek(offset)
        copy.write(computed.to_bytes(_CHECKSUM_BYTES, "little"))


def _repeats_the_checkpoint(corrected: Path, offset: int, stored: int, threads: int | None) -> bool:
    """Return whether a checkpoint of the copy writes the block that the killed process wrote.

    Only then is every part of the block that is in use as it was. The copy of the copy has the
    same name, because a checkpoint writes the name of the database into its blocks.
    """
    folder = corrected.parent / "again"
    folder.mkdir()
    again = folder / corrected.name
    try:
        for source, target in ((corrected, again), (_log(corrected), _log(again))):
            with source.open("rb") as opened:
                files.copy(opened.fileno(), target)
        # Opening replays the log, and closing writes it into the file.
        with duckdb.connect(str(again), config=_configuration(threads)):
            pass
        return _checksum(again, offset) == stored and _is_readable(again)
    except duckdb.Error:
        return False
    finally:
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()


def _configuration(threads: int | None) -> dict[str, str | bool | int | float | list[str]]:
    return {**OFFLINE} if threads is None else {**OFFLINE, "threads": threads}


def _checksum(path: Path, offset: int) -> int:
    with path.open("rb") as file:
        file.seek(offset)
        return int.from_bytes(file.read(_CHECKSUM_BYTES), "little")


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
