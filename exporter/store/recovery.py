"""Files that a killed process left in a state that DuckDB will not open, although all is there.

Two such states are known, both of a kill while a checkpoint was being written:

- The write-ahead log is of an older state than the file, which already holds all of it.
- One block of metadata is half new and half old. DuckDB writes such a block in place, yet never
  over the parts that the file's header points at: these are the same in both halves, and only
  the checksum over the whole block is wrong. The log is still there then, with the last commits.

What is found otherwise is damage, and is left as it is.
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

_AGES: Final = re.compile(r"File checkpoint iteration: (\d+), WAL checkpoint iteration: (\d+)")
_TORN: Final = re.compile(
    r"computed checksum (\d+) does not match stored checksum (\d+) in block at location (\d+)"
)

#: No extension is fetched from the network to open a file.
OFFLINE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def heal(path: Path, error: BaseException, notify: Callable[[str], None]) -> bool:
    """Make a file open again, if it is one of those.

    Args:
        path: The database file; not open in this process.
        error: What opening it raised.
        notify: Told in a sentence what was done.

    Returns:
        Whether it is worth another try: healed here, or by another process meanwhile.
    """
    ages, torn = _AGES.search(str(error)), _TORN.search(str(error))
    outdated = ages is not None and int(ages[1]) > int(ages[2])
    if not outdated and torn is None:
        return False
    try:
        with path.open("r+b") as file:
            # Another process may have healed it by now, and have a log of its own there.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if torn is None:
                _put_log_aside(path, notify)
                return True
            computed, stored, place = map(int, torn.groups())
            return _mend(path, place, stored, computed, notify)
    except (BlockingIOError, FileNotFoundError):
        return True
    except OSError:
        return False


def _put_log_aside(path: Path, notify: Callable[[str], None]) -> None:
    stale = _log(path).replace(f"{_log(path)}.stale")
    notify(
        f"The database {path} was left by a killed process with an outdated write-ahead "
        f"log; the file itself is complete. The log was kept as {stale}."
    )


def _mend(
    path: Path, place: int, stored: int, computed: int, notify: Callable[[str], None]
) -> bool:
    """Put a copy with the right checksum in the file's place, if all of it can be read.

    The log goes with either file, and stays where it is.
    """
    log = _log(path)
    if not log.exists() or log.stat().st_size == 0:
        return False  # no kill did this
    mended, kept = Path(f"{path}.mended"), Path(f"{path}.torn")
    try:
        _copy(path, mended)
        _copy(log, _log(mended))
        with mended.open("r+b") as file:
            file.seek(place)
            if int.from_bytes(file.read(8), "little") != stored:
                return False
            file.seek(place)
            file.write(computed.to_bytes(8, "little"))
            file.flush()
            os.fsync(file.fileno())
        if not _can_be_read(mended):
            return False
        mended.chmod(path.stat().st_mode & 0o777)
        kept.unlink(missing_ok=True)
        kept.hardlink_to(path)
        _log(mended).replace(_log(kept))
        mended.replace(path)
    finally:
        mended.unlink(missing_ok=True)
        _log(mended).unlink(missing_ok=True)
    notify(
        f"The database {path} was left by a killed process with one block half written; nothing "
        f"of what was committed is lost. The file as it was found was kept as {kept}."
    )
    return True


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as reader, os.fdopen(descriptor, "wb") as writer:
        shutil.copyfileobj(reader, writer)


def _can_be_read(path: Path) -> bool:
    """Whether every value of every table can: DuckDB compares the checksum of each block."""
    try:
        with duckdb.connect(str(path), read_only=True, config={**OFFLINE}) as connection:
            tables = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
            ).fetchall()
            for schema, table in tables:
                connection.execute(
                    f'SELECT bit_xor(hash(t)) FROM "{schema}"."{table}" AS t'  # noqa: S608 - as listed
                ).fetchall()
    except duckdb.Error:
        return False
    return True


def _log(path: Path) -> Path:
    return Path(f"{path}.wal")
