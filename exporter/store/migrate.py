"""Upgrades a file to this program's schema, after a copy and with a checkpoint at the end.

Alembic migrates the tables, and the comments and views are installed in the same transaction.
So a file has either the old schema or the new one, never a mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter import files
from exporter.errors import DatabaseError
from exporter.resources import folder
from exporter.store import copies, install
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.locks import sync_lock
from exporter.store.revision import check_revision, read_revision

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Upgraded:
    """The result of an upgrade.

    Attributes:
        before: The schema before; None if there was no file, or an empty one.
        after: The schema now.
        copy: The copy of the file before the upgrade; None if there was no need for one.
    """

    before: str | None
    after: str
    copy: Path | None = None


def upgrade_locked(database: Database, *, notify: Notify = lambda _: None) -> Upgraded:
    """Take the sync lock and upgrade.

    Raises:
        BusyError: Another sync is running, or another process held the file.
        SchemaNewerError: The file has a newer schema than this program.
        DatabaseError: The file belongs to another program, or the disk is full.
    """
    with sync_lock(database.path, database.lock_timeout, notify=notify):
        return upgrade(database, notify=notify)


@contextmanager
def locked(database: Database, *, notify: Notify = lambda _: None) -> Iterator[None]:
    """Hold the sync lock inside the block, with the file created or upgraded.

    Raises:
        BusyError: Another sync is running, or another process held the file.
        SchemaNewerError: The file has a newer schema than this program.
        DatabaseError: The file belongs to another program, or the disk is full.
    """
    with sync_lock(database.path, database.lock_timeout, notify=notify):
        upgrade(database, notify=notify)
        yield


def upgrade(
    database: Database,
    *,
    notify: Notify = lambda _: None,
    migrations: Path | None = None,
    install_views: Callable[[Connection], None] = install.install,
) -> Upgraded:
    """Create the file, or upgrade it; leave a current file alone.

    The caller holds the sync lock. A file of an older schema is first copied to
    `<file>.before-<revision>`, and the copy of an earlier upgrade is then removed. To go back to
    the older program, restore that copy.

    Args:
        database: The file.
        notify: Called with one sentence when a copy was made, or a stray log moved.
        migrations: The folder of Alembic's scripts; this program's own if None.
        install_views: Recreates the comments and views.

    Raises:
        SchemaNewerError: The file has a newer schema than this program.
        DatabaseError: The file belongs to another program, or the disk is full.
    """

    def migrate(connection: Connection) -> None:
        _run_alembic(connection, migrations or folder("migrations"))
        install_views(connection)

    if not database.exists():
        _create(database, migrate, notify)
        return Upgraded(None, database.revision)
    found, is_current = _state(database)
    if is_current:
        return Upgraded(found, database.revision)
    copy = None
    with database.alone():
        if found not in (None, database.revision):
            copy = _copy_before(database, str(found))
            notify(f"Upgrading the schema from {found} to {database.revision}; the copy is {copy}.")
        _migrate(database, migrate)
    return Upgraded(found, database.revision, copy)


def _state(database: Database) -> tuple[str | None, bool]:
    """Return the file's revision, and whether its schema, comments and views are current."""
    with database.reading(check_schema=False) as connection:
        found = read_revision(connection)
        is_current = found == database.revision and install.is_installed(connection)
    if found is not None and found > database.revision:
        check_revision(database.path, found, database.revision)
    return found, is_current


def _create(database: Database, migrate: Callable[[Connection], None], notify: Notify) -> None:
    """Build the file under another name, so that no reader sees an unfinished one."""
    path = database.path
    try:
        with files.building(path) as building:
            _migrate(Database(building, revision=database.revision), migrate)
            log = Path(f"{path}.wal")
            if log.exists():
                # Its database was removed. DuckDB would refuse to open the new one beside it.
                stale = log.replace(f"{log}.stale")
                notify(f"A write-ahead log without its database is now {stale}.")
            building.replace(path)
    except OSError as error:
        raise DatabaseError(f"Cannot create {path}: {error.strerror}.") from error


def _copy_before(database: Database, found: str) -> Path:
    copy = Path(f"{database.path}.before-{database.revision}")
    try:
        copies.copy(database, copy)
    except DatabaseError as error:
        raise DatabaseError(
            f"Cannot copy the database before the upgrade from schema {found}: {error.message}",
            "The database was not changed. Free some space on its disk, and run this again.",
        ) from error
    for old in database.path.parent.iterdir():
        if old.name.startswith(f"{database.path.name}.before-") and old != copy:
            old.unlink(missing_ok=True)
    return copy


def _migrate(database: Database, migrate: Callable[[Connection], None]) -> None:
    def read_back(connection: Connection) -> None:
        # If an error was caught inside the transaction, DuckDB has dropped all of it.
        found = read_revision(connection)
        if found != database.revision:
            raise DatabaseError(
                f"The schema is {found} after the upgrade to {database.revision}.",
                "Nothing was changed.",
            )

    with database.writing(read_back) as connection:
        migrate(connection)


def _run_alembic(connection: Connection, migrations: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from exporter.store.alchemy import attached

    config = Config()
    config.set_main_option("script_location", str(migrations))
    with attached(connection) as alchemy:
        config.attributes["connection"] = alchemy
        command.upgrade(config, "head")
