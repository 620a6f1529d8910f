"""Bringing a file to this program's schema, with a copy before and a checkpoint after.

Alembic moves the tables in one transaction; comments and views are data, laid again in the
same transaction, so that a file is of one schema or of the other, never between.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from exporter.errors import DatabaseError
from exporter.resources import folder
from exporter.store import copies, laying
from exporter.store import database as db


def upgrade(
    database: db.Database, *, notify: Callable[[str], None] = lambda _: None
) -> Path | None:
    """Create the file, or bring it to the newest schema; current views are left alone.

    Call it with the sync lock held. A file of an older schema is copied first, to
    `<file>.before-<revision>`; the copy of the upgrade before that is then removed. Going back
    to the older program means putting that copy back.

    Returns:
        The copy, where one was made.

    Raises:
        SchemaNewerError: The file is of a newer schema.
        DatabaseError: It is not ours, or the disk is full.
    """
    if not database.exists():
        _create(database, notify)
        return None
    with database.reading(check_schema=False) as connection:
        found = db.revision(connection)
        current = found == db.SCHEMA_REVISION and laying.is_laid(connection)
    if found is not None and found > db.SCHEMA_REVISION:
        db.check_revision(database.path, found)
    if current:
        return None
    if found in (None, db.SCHEMA_REVISION):
        with database.writing(_is_migrated) as connection:
            _migrate(connection)
        return None
    copy = _copy_before(database, str(found))
    notify(f"Upgrading the schema from {found} to {db.SCHEMA_REVISION}; a copy is in {copy}.")
    with database.writing(_is_migrated) as connection:
        _migrate(connection)
    return copy


def _create(database: db.Database, notify: Callable[[str], None]) -> None:
    """Build the file under another name, so that nobody ever sees half of it."""
    path = database.path
    try:
        with copies.unfinished(path) as building:
            with db.Database(building).writing(_is_migrated) as connection:
                _migrate(connection)
            log = Path(f"{path}.wal")
            if log.exists():
                # The file it belonged to is gone; with it beside the new one, none would open.
                stale = log.replace(f"{log}.stale")
                notify(f"A write-ahead log without its database was kept as {stale}.")
            building.replace(path)
    except OSError as error:
        raise DatabaseError(f"Cannot create {path}: {error.strerror}.") from error


def _copy_before(database: db.Database, found: str) -> Path:
    copy = Path(f"{database.path}.before-{db.SCHEMA_REVISION}")
    try:
        copies.copy(database, copy)
    except DatabaseError as error:
        raise DatabaseError(
            f"No copy could be made before the upgrade from schema {found}: {error.message}",
            "The database was not changed. Make room beside it, and run it again.",
        ) from error
    for old in database.path.parent.iterdir():
        if old.name.startswith(f"{database.path.name}.before-") and old != copy:
            old.unlink(missing_ok=True)
    return copy


def _is_migrated(connection: sa.Connection) -> None:
    """Raise unless what was migrated is there: DuckDB drops what an error was swallowed in."""
    found = db.revision(connection)
    if found != db.SCHEMA_REVISION:
        raise DatabaseError(
            f"The schema is {found} after the upgrade to {db.SCHEMA_REVISION}.",
            "Nothing was changed.",
        )


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    laying.lay(connection)
