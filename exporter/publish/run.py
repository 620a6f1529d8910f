"""One publish: which tables differ from what readers see, and replacing those."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from exporter.errors import DatabaseError, UsageError
from exporter.publish import lake
from exporter.store import copies, export, migrate
from exporter.store.database import Database

#: It panics, or writes to another path than it reads.
_UNWRITABLE: Final = re.compile(r"[\[\]\\^|\x00-\x1f\x7f]|%[0-9a-fA-F]{2}")


@dataclass(frozen=True)
class Published:
    """What became of one table.

    Attributes:
        name: Its name, and that of its folder.
        rows: Rows that readers see now.
        version: Version of the Delta table that holds them.
        written: Whether this run wrote it; False: it held these rows already.
        files_removed: Files of older versions that are gone now.
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
) -> tuple[Published, ...]:
    """Bring every table under the target to what the database holds, all as of one moment.

    Each table is replaced in one step; those that hold the same rows already are left alone.

    Args:
        database: What is read, for as long as it takes to copy the file.
        target: Folder of the tables' folders; made where its parent is there.
        retention: How long files that only older versions need are kept.
        notify: Told of each table when it is done.

    Raises:
        UsageError: The target holds something else.
        BusyError: A writer kept the database past its lock timeout, or somebody else published.
        DatabaseError: The database cannot be read, or the target not written.
        SchemaNewerError: The database is of a newer schema than this program.
    """
    check_target(target)
    done = []
    with _copy(database) as aside, aside.reading() as connection:
        _make(target)
        for source in export.sources(connection):
            done.append(_table(connection, source, target / source.name, retention))
            notify(done[-1])
    return tuple(done)


def check_target(target: Path) -> None:
    """Raise unless the target is not there, is empty, or is a place of ours.

    Raises:
        UsageError: It is a file, or holds something else than our tables.
        DatabaseError: Its parent is not there, or it cannot be read.
    """
    if bad := _UNWRITABLE.search(str(target.absolute())):
        raise UsageError(
            f"The library that writes Delta tables takes no {bad[0]!r} in a path.",
            "Name another TARGET.",
        )
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is not a folder.", "It was not touched. Name another TARGET.")
    if not target.is_dir():
        if not target.absolute().parent.is_dir():
            raise DatabaseError(f"There is no directory {target.absolute().parent}.")
        return
    try:
        found = [path.name for path in target.iterdir()]
    except OSError as error:
        raise DatabaseError(f"Cannot read {target}: {error.strerror}.") from error
    if other := _something_else(found):
        raise UsageError(
            f"{target} holds something else: {other} is in it, and none of our tables.",
            "It was not touched. Name another TARGET, or a new one.",
        )
    for name in export.NAMES:
        lake.check(target / name, name)


def _something_else(found: Iterable[str]) -> str | None:
    """The first name in a folder that has none of ours; hidden files do not count."""
    seen = sorted(name for name in found if not name.startswith("."))
    if not seen or not set(seen).isdisjoint(export.NAMES):
        return None
    return seen[0]


def _table(
    connection: sa.Connection, source: export.Source, folder: Path, retention: timedelta
) -> Published:
    content = export.content(connection, source)
    last = lake.published(folder)
    if last is not None and last[1] == content.fingerprint:
        version, written = last[0], False
    else:
        with export.read(connection, source) as rows:
            version = lake.replace(folder, source.name, source.comment, rows, content.fingerprint)
        written = True
    removed = lake.clear(folder, retention)
    return Published(source.name, content.rows, version, written, removed)


@contextmanager
def _copy(database: Database) -> Iterator[Database]:
    """The database as it is now, aside: syncs go on while its tables are read and written."""
    with database.reading():
        pass  # what is wrong with it is said of its own name
    with tempfile.TemporaryDirectory(prefix="sagemaker-exporter-") as folder:
        aside = Path(folder) / "copy.duckdb"
        copies.copy(database, aside)
        migrate.upgrade(Database(aside))  # views of another version are not ours to publish
        yield Database(aside)


def _make(target: Path) -> None:
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise DatabaseError(f"Cannot make {target}: {error.strerror}.") from error
