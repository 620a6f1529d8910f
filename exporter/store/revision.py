"""Which schema a file has, and whether this program can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from exporter.errors import DatabaseError, SchemaNewerError
from exporter.spelling import named
from exporter.store.connections import Connection

#: The revision this program reads and writes: the last one in migrations/versions.
SCHEMA_REVISION: Final = "0002"


def read_revision(connection: Connection) -> str | None:
    """Return the schema revision of an open database, or None if it is empty.

    Raises:
        DatabaseError: The file belongs to another program, or its revision is missing.
    """
    path = connection.database
    # Fetch every result to its end: until then, DuckDB 2 refuses other work.
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() "
        "WHERE NOT internal AND database_name = current_database() "
        "UNION ALL SELECT view_name FROM duckdb_views() "
        "WHERE NOT internal AND database_name = current_database()"
    ).all()
    names = {str(row[0]) for row in rows}
    # Other programs use Alembic as well, so its table alone proves nothing.
    if {"alembic_version", "training_jobs"} <= names:
        versions = connection.execute("SELECT version_num FROM alembic_version").all()
        if not versions:
            raise DatabaseError(
                f"The schema of {path} is unknown: its table alembic_version is empty.",
                "Nothing was changed. Run `sagemaker-exporter db restore FILE` with a backup.",
            )
        return str(versions[0][0])
    if names:
        raise DatabaseError(
            f"The DuckDB database {path} belongs to another program: "
            f"it has {len(names)} table(s) or view(s), such as {min(names)!r}, "
            "and no table of sagemaker-exporter.",
            f"Nothing was changed. Name another file with {named('db')}.",
        )
    return None


def check_revision(path: Path, found: str | None, known: str = SCHEMA_REVISION) -> None:
    """Raise unless a file has the schema that this program knows.

    Args:
        path: The file, for the message.
        found: Its revision; None if it is empty.
        known: The revision that this program knows.

    Raises:
        SchemaNewerError: The schema is newer.
        DatabaseError: The schema is older, or the file is empty.
    """
    if found == known:
        return
    if found is not None and found > known:
        raise SchemaNewerError(
            f"The database {path} has schema {found}; this program knows {known}.",
            "Nothing was changed. Upgrade sagemaker-exporter, or restore the copy made before "
            "the upgrade.",
        )
    has = "no schema yet" if found is None else f"the older schema {found}"
    raise DatabaseError(
        f"The database {path} has {has}.", "Run `sagemaker-exporter db upgrade` (or `sync`)."
    )
