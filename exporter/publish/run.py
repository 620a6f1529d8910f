"""Replaces the published tables that differ from the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from exporter import files
from exporter.errors import DatabaseError, UsageError
from exporter.publish import lake
from exporter.store import copies, export, migrate
from exporter.store.batches import Stream
from exporter.store.database import Database

#: Writes one table: folder, name, comment, rows and their fingerprint; returns its version.
Replace = Callable[[Path, str, str, Stream, str], int]
#: With these characters in a path, the library panics or writes to a different path.
_UNWRITABLE: Final = re.compile(r"[\[\]\\^|\x00-\x1f\x7f]|%[0-9a-fA-F]{2}")


@dataclass(frozen=True)
class Published:
    """The result for one table.

    Attributes:
        name: Name of the table and of its folder.
        rows: Number of rows that readers see now.
        version: Version of the Delta table that holds them.
        written: Whether this run wrote the table; False if it held these rows already.
        files_removed: Number of files removed, of older versions and of killed runs.
    """

    name: str
    rows: int
    version: int
    written: bool
    files_removed: int


def publish(
    database: Database,
    target: Path,
    *,
    retention: timedelta,
    notify: Callable[[Published], None] = lambda _: None,
    names: Sequence[str] = export.NAMES,
    replace: Replace = lake.replace,
) -> tuple[Published, ...]:
    """Publish every table of the database, all as of one moment.

    Each table that differs is replaced in one step; the others are left alone.

    Args:
        database: The source; open only while its file is copied.
        target: Folder for the tables' folders; created if its parent exists.
        retention: How long to keep files that only older versions need.
        notify: Called with each table's result.
        names: The tables and views to publish.
        replace: Writes one table, as `lake.replace` does.

    Returns:
        One result per table.

    Raises:
        UsageError: The target holds other files.
        BusyError: A writer held the database for longer than its lock timeout, or another
            program published at the same time.
        DatabaseError: The database cannot be read, or the target cannot be written.
        SchemaNewerError: The database has a newer schema than this program.
    """
    check_target(target)
    done = []
    with database.reading():
        pass  # raises here, so that the message names the database and not the copy
    _make(target)
    with _copy(database, target) as copied, copied.reading() as connection:
        for source in export.sources(connection, names):
            folder = target / source.name
            rows, version, written = _publish_table(connection, source, folder, replace)
            removed = lake.clear(folder, retention)
            done.append(Published(source.name, rows, version, written, removed))
            notify(done[-1])
    return tuple(done)


def check_target(target: Path) -> None:
    """Raise unless the target is missing, is empty, or holds our tables.

    Raises:
        UsageError: The target is a file, or holds other files.
        DatabaseError: The target's parent is missing, or the target cannot be read.
    """
    if bad := _UNWRITABLE.search(str(target.absolute())):
        raise UsageError(
            f"The Delta Lake library allows no {bad[0]!r} in a path.",
            "Name another TARGET.",
        )
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is not a folder.", "Nothing was changed. Name another TARGET.")
    if not target.is_dir():
        if not target.absolute().parent.is_dir():
            raise DatabaseError(f"There is no directory {target.absolute().parent}.")
        return
    try:
        found = [path.name for path in target.iterdir()]
    except OSError as error:
        raise DatabaseError(f"Cannot read {target}: {error.strerror}.") from error
    if other := _other_file(found):
        raise UsageError(
            f"{target} holds other files, such as {other}, and no table of sagemaker-exporter.",
            "Nothing was changed. Name another TARGET.",
        )
    for name in export.NAMES:
        lake.check(target / name, name)


def _other_file(found: Iterable[str]) -> str | None:
    """Return the first visible name, if no name is one of our tables."""
    seen = sorted(name for name in found if not name.startswith("."))
    if not seen or not set(seen).isdisjoint(export.NAMES):
        return None
    return seen[0]


def _publish_table(
    connection: sa.Connection, source: export.Source, folder: Path, replace: Replace
) -> tuple[int, int, bool]:
    """Return the number of rows, the version that holds them, and whether it was written."""
    content = export.content(connection, source)
    last = lake.published(folder)
    if last is not None and last[1] == content.fingerprint:
        return content.rows, last[0], False
    with export.read(connection, source) as rows:
        version = replace(folder, source.name, source.comment, rows, content.fingerprint)
    return content.rows, version, True


@contextmanager
def _copy(database: Database, target: Path) -> Iterator[Database]:
    """Copy the database, so that syncs may run while its tables are published.

    The copy is in the system's temporary folder; if none is writable, it is in the target.
    """
    with files.temporary(near=target) as folder:
        path = folder / "copy.duckdb"
        copies.copy(database, path)
        migrate.upgrade(Database(path))  # installs this version's views
        yield Database(path)


def _make(target: Path) -> None:
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise DatabaseError(f"Cannot create {target}: {error.strerror}.") from error
