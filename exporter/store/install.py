"""Installs comments and views: recreates them in the database from this program's files.

Comments and views are data: each version of the program brings its own. The file records which
version installed them. Until the next sync installs its own, another version reads through
temporary views of its connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exporter.sql import literal
from exporter.store import rates, view_files
from exporter.store.connections import Connection
from exporter.store.schema import TABLES
from exporter.text import short_hash

_SETTING: Final = "views"


def install(connection: Connection) -> None:
    """Create every comment and view and compute the rates, in the caller's transaction."""
    for statement in _comments():
        connection.execute(statement)
    view_files.create_views(connection)
    rates.refresh(connection)
    connection.execute(
        "INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)",
        {"name": _SETTING, "value": _fingerprint()},
    )


def install_temporarily(execute: Callable[[str], object]) -> None:
    """Create every view and the rates for one connection, which may be read-only.

    DuckDB resolves names to temporary views and tables first, in queries and in views alike. It
    does so for names in the schema main only: `internal.NAME` still names the view in the file.
    """
    for view in view_files.views():
        sql = view_files.temporarily(view.sql)
        # Without `temp.`, which DuckDB 1.4 does not accept here.
        execute(f"CREATE OR REPLACE TEMP VIEW {view.short_name} AS\n{sql}")
    execute(view_files.temporarily(rates.TEMPORARY))


def use_temporarily(connection: Connection) -> None:
    """Create every view and the rates for one connection, and let its SQL read them.

    Reports name the internal views with their schema, so each statement is rewritten.
    """
    if connection.rewrite is not view_files.temporarily:
        install_temporarily(connection.execute)
        connection.rewrite = view_files.temporarily


def is_installed(connection: Connection) -> bool:
    """Return whether the views and comments are those of this version."""
    rows = connection.execute(
        "SELECT value FROM settings WHERE name = :name", {"name": _SETTING}
    ).all()
    return [row.value for row in rows] == [_fingerprint()]


def _fingerprint() -> str:
    return short_hash(repr((view_files.fingerprint(), _comments())))


def _comments() -> list[str]:
    """Return a COMMENT statement for every table and column."""
    statements = []
    for table in TABLES.values():
        statements.append(f"COMMENT ON TABLE {table.name} IS {literal(str(table.comment))}")
        statements.extend(
            f"COMMENT ON COLUMN {table.name}.{column.name} IS {literal(str(column.comment))}"
            for column in table.columns
        )
    # Alembic creates this table, and readers of the file see it.
    statements += [
        "COMMENT ON TABLE alembic_version IS 'The schema of this file, for upgrades'",
        "COMMENT ON COLUMN alembic_version.version_num IS 'Revision that was last applied'",
    ]
    return statements
