"""Bringing a file to this program's schema, with a copy before and a checkpoint after.

Alembic moves the tables in one transaction; comments and views are data, laid again in the
same transaction, so that a file is of one schema or of the other, never between.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from exporter.errors import DatabaseError
from exporter.resources import folder
from exporter.store import database as db
from exporter.store import view_files
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
        _create(database)
        return None
    with database.reading(check_schema=False) as connection:
        found = db.revision(connection)
        current = found == db.SCHEMA_REVISION and _views_are_current(connection)
    if found is not None and found > db.SCHEMA_REVISION:
        db.check_revision(database.path, found)
    if current:
        return None
    if found in (None, db.SCHEMA_REVISION):
        with database.writing() as connection:
            _migrate(connection)
        return None
    copy = _copy_before(database, str(found))
    notify(f"Upgrading the schema from {found} to {db.SCHEMA_REVISION}; a copy is in {copy}.")
    with database.writing() as connection:
        _migrate(connection)
    return copy


def _create(database: db.Database) -> None:
    """Build the file under another name, so that nobody ever sees half of it."""
    building = database.path.with_name(f".{database.path.name}.new-{os.getpid()}")
    try:
        with db.Database(building).writing() as connection:
            _migrate(connection)
        building.replace(database.path)
    except OSError as error:
        raise DatabaseError(f"Cannot create {database.path}: {error.strerror}.") from error
    finally:
        building.unlink(missing_ok=True)
        Path(f"{building}.wal").unlink(missing_ok=True)


def _copy_before(database: db.Database, found: str) -> Path:
    # Opening for writing and closing folds the WAL into the file, which can then be copied alone.
    with database.writing():
        pass
    copy = Path(f"{database.path}.before-{db.SCHEMA_REVISION}")
    try:
        for old in database.path.parent.glob(f"{database.path.name}.before-*"):
            old.unlink()
        shutil.copyfile(database.path, copy)
        copy.chmod(0o600)
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise DatabaseError(
            f"Cannot copy {database.path} (schema {found}) before the upgrade: {error.strerror}.",
            "The database was not changed. Make room beside it, and run it again.",
        ) from error
    return copy


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
        {"name": _VIEWS, "value": view_files.fingerprint()},
    )


def _views_are_current(connection: sa.Connection) -> bool:
    rows = connection.execute(
        sa.text("SELECT value FROM settings WHERE name = :name"), {"name": _VIEWS}
    ).all()
    return [row.value for row in rows] == [view_files.fingerprint()]


def _comments() -> list[str]:
    """COMMENT statements for every table and column; DuckDB takes no parameters in DDL."""
    statements = []
    for table in metadata.tables.values():
        statements.append(f"COMMENT ON TABLE {table.name} IS {_literal(str(table.comment))}")
        statements.extend(
            f"COMMENT ON COLUMN {table.name}.{column.name} IS {_literal(str(column.comment))}"
            for column in table.columns
        )
    return statements


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
