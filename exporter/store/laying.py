"""Comments and views: data that every version of the program lays into the file anew.

The file remembers whose they are, so that a program of another version notices. Until the next
sync lays its own, that program reads through views of its connection alone, over the file's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from exporter.store import view_files
from exporter.store.schema import metadata

_VIEWS: Final = "views"


def lay(connection: sa.Connection) -> None:
    """Create or replace every comment and view, in the caller's transaction."""
    for statement in _comments():
        connection.exec_driver_sql(statement)
    view_files.create_views(connection)
    connection.execute(
        sa.text("INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)"),
        {"name": _VIEWS, "value": _fingerprint()},
    )


def lay_over(execute: Callable[[str], object]) -> None:
    """Create every view for one connection only, which may be read-only.

    Names are looked up among these first, by queries and by the views themselves.
    """
    for view in view_files.views():
        execute(f"CREATE OR REPLACE TEMP VIEW {view.name} AS\n{view.sql}")


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
