"""`db backup` and `db restore`: checked copies of the whole database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from exporter import files
from exporter.errors import DatabaseError, UsageError
from exporter.store import copies
from exporter.store.check import Checked, check_copy
from exporter.store.database import Database
from exporter.store.locks import sync_lock
from exporter.store.revision import read_revision


@dataclass(frozen=True)
class Restored:
    """The result of a restore.

    Attributes:
        checked: The check of the backup.
        kept: Where the replaced database is now; None if there was none.
    """

    checked: Checked
    kept: Path | None


def backup(database: Database, target: Path) -> Checked:
    """Copy the file while others read it, and check the copy before it replaces the target.

    Raises:
        DatabaseError: The database is damaged, or the target cannot be written. An existing
            target stays as it was.
        SchemaNewerError: The database has a newer schema than this program.
        BusyError: A writer held the database for longer than the lock timeout.
        UsageError: The target is the database itself, or a file of another kind.
    """
    return _copy_checked(database, target)


def restore(
    database: Database,
    backup: Path,
    *,
    notify: Callable[[str], None] = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Restored:
    """Replace the database with a checked copy of a backup, and keep the replaced file.

    Waits for a running sync and for every reader of the database. A backup may have an older
    schema: the next sync, or `db upgrade`, upgrades it.

    Raises:
        DatabaseError: The backup is damaged, is no database of this program, or cannot be copied.
        SchemaNewerError: The backup has a newer schema than this program.
        BusyError: A sync or a reader held the database for longer than the lock timeout.
        UsageError: The backup is missing, or is the database itself.
    """
    source = Database(
        backup,
        lock_timeout=database.lock_timeout,
        notify=notify,
        revision=database.revision,
    )
    if not source.exists():
        raise UsageError(f"There is no file {backup}.")
    if database.exists() and source.path.samefile(database.path):
        raise UsageError(f"{backup} is the database itself.")
    with (
        sync_lock(database.path, database.lock_timeout, notify=notify),
        # On the database's own disk, so that a full disk shows before anything moves.
        files.building(database.path) as ready,
    ):
        checked = _copy_checked(source, ready)
        kept = _move_away(database, now())
        try:
            ready.replace(database.path)
        except OSError as error:
            raise DatabaseError(
                f"Cannot move {backup} into place: {error.strerror}.",
                f"The database is now {kept}." if kept else "",
            ) from error
    return Restored(checked, kept)


def _copy_checked(source: Database, target: Path) -> Checked:
    with source.reading(check_schema=False) as connection:
        read_revision(connection)  # raises here, so that the message names the source

    def verify(copy: Path) -> Checked:
        return check_copy(Database(copy, revision=source.revision), source.path)

    return copies.copy(source, target, verify=verify)


def _move_away(database: Database, now: datetime) -> Path | None:
    """Rename the current file and return its new name; None if there is no file."""
    if not database.exists():
        return None
    try:
        # Waits for readers, and writes the log into the file.
        with database.writing():
            pass
    except DatabaseError:
        pass  # the file is damaged, which is why somebody restores a backup
    kept = Path(f"{database.path}.replaced-{now:%Y%m%dT%H%M%SZ}")
    log = Path(f"{database.path}.wal")
    try:
        if log.exists():
            log.replace(f"{kept}.wal")
        try:
            # A hard link first, so that the database exists at every moment.
            kept.hardlink_to(database.path)
        except OSError:
            database.path.replace(kept)
    except OSError as error:
        raise DatabaseError(
            f"Cannot rename {database.path}: {error.strerror}.", "Nothing was changed."
        ) from error
    return kept
