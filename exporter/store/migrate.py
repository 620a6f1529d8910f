"""Bringing a file to this program's schema, with a copy before and a checkpoint after.

Alembic moves the tables in one transaction; comments and views are data, laid again in the
same transaction, so that a file is of one schema or of the other, never between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from exporter.errors import DatabaseError
from exporter.resources import folder
from exporter.store import copies, view_files
from exporter.store import database as db
from exporter.store.schema import metadata

_VIEWS: Final = "views"


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
        current = found == db.SCHEMA_REVISION and is_laid(connection)
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
    for statement in _comments():
        connection.exec_driver_sql(statement)
    view_files.create_views(connection)
    connection.execute(
        sa.text("INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)"),
        {"name": _VIEWS, "value": _fingerprint()},
    )


def is_laid(connection: sa.Connection) -> bool:
    """Whether views and comments are this program's, and not another version's."""
    rows = connection.execute(
        sa.text("SELECT value FROM settings WHERE name = :name"), {"name": _VIEWS}
    ).all()
    return [row.value for row in rows] == [_fingerprint()]


def _fingerprint() -> str:
    text = repr((view_files.fingerprint(), _comments()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _comments() -> list[str]:
    """COMMENT statements for every table and column; DuckDB takes no parameters in DDL."""
    statements = []
    for table in metadata.tables.values():
        statements.append(f"COMMENT ON TABLE {table.name} IS {_literal(str(table.comment))}")
        statements.extend(
            f"COMMENT ON COLUMN {table.name}.{column.name} IS {_literal(str(column.comment))}"
            for column in table.columns
        )
    # Alembic makes this table; whoever looks into the file meets it all the same.
    statements += [
        "COMMENT ON TABLE alembic_version IS 'The schema of this file, for upgrades'",
        "COMMENT ON COLUMN alembic_version.version_num IS 'Revision that was last applied'",
    ]
    return statements


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
