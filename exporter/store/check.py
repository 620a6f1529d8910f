"""`db check`: compares the schema, reads every row, and looks for contradictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from exporter.errors import DatabaseError
from exporter.sql import identifier
from exporter.store import check_content, check_schema, install, view_files
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.revision import check_revision, read_revision
from exporter.text import counted

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        schema: Revision of the schema.
        size: Size of the file in bytes.
        tables: Rows by table, including the user's own tables.
        views: Number of this program's views; the check reads each one.
        faults: One sentence for each fault in schema or content.
        remarks: One sentence for each fact that is no fault, but worth knowing.
        damage: The faults that make a copy useless: in the schema, or of a table that cannot be
            read.
    """

    schema: str
    size: int
    tables: dict[str, int]
    views: int = 0
    faults: Sequence[str] = ()
    remarks: Sequence[str] = ()
    damage: Sequence[str] = ()


def check(database: Database, *, now: Now = utc_now) -> Checked:
    """Check a database of the current schema.

    Args:
        database: The file.
        now: Returns the time by this machine's clock.

    Raises:
        DatabaseError: The file cannot be read, or has an older schema.
        SchemaNewerError: The file has a newer schema.
        BusyError: A writer held the file for longer than the lock timeout.
    """
    with database.reading(check_schema=False) as connection:
        check_revision(database.path, read_revision(connection), database.revision)
        return _check(connection, database, database.revision, now())


def check_copy(copy: Database, original: Path, *, now: Now = utc_now) -> Checked:
    """Check a copy, which may have an older schema.

    Faults in the content are returned, because a copy with such a fault is better than none.

    Args:
        copy: The copy.
        original: The file that was copied, for the messages.
        now: Returns the time by this machine's clock.

    Raises:
        DatabaseError: A table is missing, differs from the schema or cannot be read, or the copy
            is empty.
        SchemaNewerError: The copy has a newer schema.
    """
    with copy.reading(check_schema=False) as connection:
        found = read_revision(connection)
        if found is None:
            raise DatabaseError(f"{original} has no table of sagemaker-exporter.")
        if found > copy.revision:
            check_revision(original, found, copy.revision)
        checked = _check(connection, copy, found, now())
    if checked.damage:
        raise DatabaseError(
            f"{original} has {counted(len(checked.damage), 'fault')}: {checked.damage[0]}",
            "Nothing was replaced. `sagemaker-exporter db check` lists all faults.",
        )
    return checked


def _check(connection: Connection, database: Database, found: str, now: datetime) -> Checked:
    tables, damage = _read_every_row(connection)
    faults: list[str] = []
    remarks: list[str] = []
    views = 0
    if found == database.revision and not damage:
        is_installed = "settings" in tables and install.is_installed(connection)
        damage += check_schema.schema_faults(connection, comments=is_installed)
        if is_installed:
            damage += check_schema.view_faults(connection)
            views = len(view_files.views())
            if not damage:
                remarks += check_content.stale_rates(connection)
        else:
            remarks.append(
                "Another version installed the views and comments. The next sync, or "
                "`db upgrade`, recreates them."
            )
    # These queries need every column.
    if not damage:
        faults += check_content.contradictions(connection, now)
        remarks += check_content.remarks(connection)
    size = database.path.stat().st_size
    return Checked(found, size, tables, views, [*damage, *faults], remarks, damage)


def _read_every_row(connection: Connection) -> tuple[dict[str, int], list[str]]:
    """Return the rows of each table, and a fault for the first table that is unreadable.

    Every value is read, because only then DuckDB verifies the checksum of each block.
    """
    names = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal "
        "AND database_name = current_database() "
        "ORDER BY schema_name <> 'main', schema_name, table_name"
    ).all()
    tables: dict[str, int] = {}
    for schema, table in names:
        name = table if schema == "main" else f"{schema}.{table}"
        quoted = f"{identifier(schema)}.{identifier(table)}"
        try:
            rows = connection.execute(
                f"SELECT count(*), bit_xor(hash(each)) FROM {quoted} AS each"  # noqa: S608 - quoted
            ).all()
        except duckdb.Error as error:
            # After such an error DuckDB refuses every other query.
            return tables, [f"{name} cannot be read: {str(error).splitlines()[0]}"]
        tables[name] = int(rows[0][0])
    return tables, []
