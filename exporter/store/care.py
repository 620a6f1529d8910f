"""What the `db` commands do: look after the file that holds the only record of deleted jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from exporter.errors import DatabaseError, UsageError
from exporter.store import copies, laying, migrate, view_files
from exporter.store.database import SCHEMA_REVISION, Database, check_revision, revision
from exporter.store.locks import sync_lock
from exporter.store.schema import KEY, metadata
from exporter.text import counted

Notify = Callable[[str], None]

#: Runs that found nothing are kept for this long.
KEPT_DAYS: Final = 90


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        schema: Revision of the schema.
        size: Bytes of the file.
        tables: Rows by table, the user's own tables included.
        views: How many of our views there are, each tried.
        faults: What is wrong with schema or content, one sentence each.
        remarks: What is no fault, and yet worth knowing.
    """

    schema: str
    size: int
    tables: dict[str, int]
    views: int = 0
    faults: Sequence[str] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Upgraded:
    """Schemas before and after (None: there was no file), and the copy made in between."""

    before: str | None
    after: str
    copy: Path | None = None


@dataclass(frozen=True)
class Restored:
    """What was put back, and where what it replaced is kept (None: there was nothing)."""

    checked: Checked
    kept: Path | None


@dataclass(frozen=True)
class Pruned:
    """How many runs were removed and kept, and from when on runs that found nothing are kept."""

    removed: int
    kept: int
    since: datetime


def check(database: Database) -> Checked:
    """Compare the schema with what it should be, read every row, and look for contradictions.

    Raises:
        DatabaseError: It cannot be read at all, or is of an older schema.
        SchemaNewerError: It is of a newer one.
        BusyError: A writer kept it past the lock timeout.
    """
    with database.reading(check_schema=False) as connection:
        check_revision(database.path, revision(connection))
        return _checked(connection, database.path)


def upgrade(database: Database, *, notify: Notify = lambda _: None) -> Upgraded:
    """Create the file, or bring it to the newest schema, with a copy of what was before.

    Raises:
        ExporterError: As `migrate.upgrade`; or another sync is running.
    """
    with sync_lock(database.path, database.lock_timeout, notify=notify):
        before = None
        if database.exists():
            with database.reading(check_schema=False) as connection:
                before = revision(connection)
        copy = migrate.upgrade(database, notify=notify)
    return Upgraded(before, SCHEMA_REVISION, copy)


def backup(database: Database, target: Path) -> Checked:
    """Copy the file while others read, and check the copy before it takes the target's place.

    Raises:
        DatabaseError: The database is damaged, or the target cannot be written; a target that
            was there stays as it was.
        ExporterError: As `check`.
        UsageError: The target is the database, or no database.
    """
    found: list[Checked] = []

    def verify(copy: Path) -> None:
        found.append(_sound(copy, database.path))

    with database.reading(check_schema=False) as connection:
        revision(connection)  # raises where it is somebody else's, by its own name

    copies.copy(database, target, verify=verify)
    return found[0]


def restore(
    database: Database,
    backup: Path,
    *,
    notify: Notify = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Restored:
    """Put a backup in the database's place; what it replaces is kept beside it.

    The backup is checked first, and copied: it stays what it is. Waits for a running sync and
    for whoever has the database open. A backup of an older schema is fine: the next sync, or
    `db upgrade`, brings it to the newest.

    Raises:
        DatabaseError: The backup is damaged or no database of ours, or cannot be copied.
        SchemaNewerError: It is of a newer schema than this program.
        BusyError: A sync or a reader kept the database past the lock timeout.
        UsageError: The backup is the database itself.
    """
    source = Database(backup, lock_timeout=database.lock_timeout, notify=notify)
    if not source.exists():
        raise UsageError(f"There is no file {backup}.")
    if database.exists() and source.path.samefile(database.path):
        raise UsageError(f"{backup} is the database itself.")
    with source.reading(check_schema=False) as connection:
        revision(connection)  # raises where it is somebody else's, by its own name
    found: list[Checked] = []

    def verify(copy: Path) -> None:
        found.append(_sound(copy, backup))

    with (
        sync_lock(database.path, database.lock_timeout, notify=notify),
        # Built beside the database, where there is room or is not, before anything is moved.
        copies.unfinished(database.path) as ready,
    ):
        copies.copy(source, ready, verify=verify)
        kept = _lay_aside(database, now())
        try:
            ready.replace(database.path)
        except OSError as error:
            raise DatabaseError(
                f"Cannot put {backup} in place: {error.strerror}.",
                f"The database is {kept}." if kept else "",
            ) from error
    return Restored(found[0], kept)


def prune(
    database: Database,
    *,
    notify: Notify = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Pruned:
    """Remove runs from the ledger that found nothing and are older than 90 days.

    The last run of each scope stays, and the last that was complete.

    Raises:
        ExporterError: As for a commit; or another sync is running.
    """
    since = now() - timedelta(days=KEPT_DAYS)
    with sync_lock(database.path, database.lock_timeout, notify=notify):
        with database.reading() as connection:
            stale = {"since": since}
            removed = len(connection.execute(sa.text(f"SELECT 1 {_NOTHING_FOUND}"), stale).all())
            total = _count(connection, "sync_runs")
        if removed:

            def read_back(connection: sa.Connection) -> None:
                if _count(connection, "sync_runs") != total - removed:
                    raise DatabaseError("The runs are still in the ledger.", "Nothing is lost.")

            with database.writing(read_back) as connection:
                connection.execute(sa.text(f"DELETE {_NOTHING_FOUND}"), stale)
    return Pruned(removed, total - removed, since)


def _sound(copy: Path, named: Path) -> Checked:
    """Check a copy that may be of an older schema.

    Raises:
        DatabaseError: It has faults.
    """
    copied = Database(copy)
    with copied.reading(check_schema=False) as connection:
        found = revision(connection)
        if found is None:
            raise DatabaseError(f"{named} holds none of our tables.")
        if found > SCHEMA_REVISION:
            check_revision(named, found)
        checked = _checked(connection, copy, found)
    if checked.faults:
        raise DatabaseError(
            f"{named} has {counted(len(checked.faults), 'fault')}: {checked.faults[0]}",
            "Nothing was replaced. `sagemaker-exporter db check` lists all.",
        )
    return checked


def _lay_aside(database: Database, now: datetime) -> Path | None:
    """Give the current file another name; None where there is none."""
    if not database.exists():
        return None
    try:
        # Waits for readers, and folds the log into the file.
        with database.writing():
            pass
    except DatabaseError:
        pass  # damaged: that is what the backup is for, and it is kept as it is
    kept = Path(f"{database.path}.replaced-{now:%Y%m%dT%H%M%SZ}")
    log = Path(f"{database.path}.wal")
    try:
        if log.exists():
            log.replace(f"{kept}.wal")
        try:
            # A second name first: at no moment is there no database.
            kept.hardlink_to(database.path)
        except OSError:
            database.path.replace(kept)
    except OSError as error:
        raise DatabaseError(
            f"Cannot rename {database.path}: {error.strerror}.", "Nothing was changed."
        ) from error
    return kept


# -- what a check looks at ------------------------------------------------------------------


def _checked(connection: sa.Connection, path: Path, found: str = SCHEMA_REVISION) -> Checked:
    tables, unreadable = _read_all(connection, path)
    faults = list(unreadable)
    remarks: list[str] = []
    views = 0
    if found == SCHEMA_REVISION and not faults:
        laid = "settings" in tables and laying.is_laid(connection)
        faults += _schema_faults(connection, comments=laid)
        if laid:
            view_faults, views = _view_faults(connection)
            faults += view_faults
        else:
            remarks.append(
                "Views and comments are another version's: the next sync, or `db upgrade`, "
                "lays them anew."
            )
    # Where columns are missing, the rest cannot even be asked.
    if not faults:
        for statement, sentence in _CONTRADICTIONS:
            faults += _sentences(connection, statement, sentence)
        for statement, sentence in _REMARKS:
            remarks += _sentences(connection, statement, sentence)
    return Checked(found, path.stat().st_size, tables, views, faults, remarks)


def _read_all(connection: sa.Connection, path: Path) -> tuple[dict[str, int], list[str]]:
    """Rows of each table, every value read: a damaged block shows by its checksum."""
    names = _rows(
        connection,
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal "
        "AND database_name = current_database() "
        "ORDER BY schema_name <> 'main', schema_name, table_name",
    )
    tables: dict[str, int] = {}
    faults = []
    for schema, table in names:
        name = table if schema == "main" else f"{schema}.{table}"
        quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
        try:
            rows = connection.exec_driver_sql(
                f"SELECT count(*), bit_xor(hash(each)) FROM {quoted} AS each"  # noqa: S608
            ).all()
        except exc.DBAPIError as error:
            reason = str(error.orig).splitlines()[0]
            faults.append(f"{name} cannot be read: {reason}")
            return tables, faults  # after such an error DuckDB answers nothing more
        tables[name] = int(rows[0][0])
    return tables, faults


def _schema_faults(connection: sa.Connection, *, comments: bool) -> Iterator[str]:
    """Where DuckDB's catalogue differs from the schema: tables, columns, keys, comments."""
    tables = {str(name): comment for name, comment in _rows(connection, _TABLES)}
    columns = {(table, name): rest for table, name, *rest in _rows(connection, _COLUMNS)}
    keys = {table: list(names) for table, names in _rows(connection, _KEYS)}
    for table in metadata.tables.values():
        if table.name not in tables:
            yield f"The table {table.name} is missing."
            continue
        if comments and tables[table.name] != table.comment:
            yield f"The comment of {table.name} is not the schema's."
        key = [column.name for column in table.primary_key]
        if keys.get(table.name, []) != key:
            yield f"The primary key of {table.name} is {keys.get(table.name, [])}, not {key}."
        for column in table.columns:
            there = columns.pop((table.name, column.name), None)
            if there is None:
                yield f"The column {table.name}.{column.name} is missing."
                continue
            kind, may_be_null, comment = there
            wanted = _duckdb_type(column.type), bool(column.nullable)
            if (kind, may_be_null) != wanted:
                is_, should = _words(kind, may_be_null), _words(*wanted)
                yield f"The column {table.name}.{column.name} is {is_}, not {should}."
            if comments and comment != column.comment:
                yield f"The comment of {table.name}.{column.name} is not the schema's."
    for table_name, name in columns:
        if table_name in metadata.tables:
            yield f"The column {table_name}.{name} is none of the schema's."


def _words(kind: str, may_be_null: bool) -> str:
    return kind if may_be_null else f"{kind} NOT NULL"


def _view_faults(connection: sa.Connection) -> tuple[list[str], int]:
    """Views that are missing, or cannot be read."""
    there = {
        name
        for (name,) in _rows(
            connection,
            "SELECT view_name FROM duckdb_views() "
            "WHERE database_name = current_database() AND NOT internal",
        )
    }
    faults = []
    views = view_files.views()
    for view in views:
        if view.name not in there:
            faults.append(f"The view {view.name} is missing.")
            continue
        try:
            connection.exec_driver_sql(f"SELECT * FROM {view.name} LIMIT 0").all()  # noqa: S608
        except exc.DBAPIError as error:
            reason = str(error.orig).splitlines()[0]
            faults.append(f"The view {view.name} cannot be read: {reason}")
    return faults, len(views)


def _duckdb_type(type_: sa.types.TypeEngine[Any]) -> str:
    """A column's type as DuckDB's catalogue writes it."""
    if isinstance(type_, sa.Numeric):
        return f"DECIMAL({type_.precision},{type_.scale})"
    kinds: list[tuple[type[Any], str]] = [
        (sa.TIMESTAMP, "TIMESTAMP WITH TIME ZONE"),
        (sa.BigInteger, "BIGINT"),
        (sa.Boolean, "BOOLEAN"),
        (sa.JSON, "JSON"),
        (sa.Date, "DATE"),
        (sa.String, "VARCHAR"),
    ]
    return next(name for kind, name in kinds if isinstance(type_, kind))


def _sentences(connection: sa.Connection, statement: str, sentence: str) -> list[str]:
    """The sentence for each row, with the row's values."""
    return [sentence.format(*row) for row in _rows(connection, statement)]


def _rows(connection: sa.Connection, statement: str) -> Sequence[Sequence[Any]]:
    return [tuple(row) for row in connection.exec_driver_sql(statement).all()]


def _count(connection: sa.Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").all()[0][0])  # noqa: S608


_OURS: Final = "database_name = current_database() AND schema_name = 'main'"
_TABLES: Final = f"SELECT table_name, comment FROM duckdb_tables() WHERE {_OURS}"  # noqa: S608
_COLUMNS: Final = (
    "SELECT table_name, column_name, data_type, is_nullable, comment "  # noqa: S608 - our words
    f"FROM duckdb_columns() WHERE {_OURS}"
)
_KEYS: Final = (
    "SELECT table_name, constraint_column_names FROM duckdb_constraints() "  # noqa: S608
    f"WHERE constraint_type = 'PRIMARY KEY' AND {_OURS}"
)

#: Runs that `prune` removes, as the rest of a SELECT or DELETE.
_NOTHING_FOUND: Final = """
FROM sync_runs
WHERE outcome <> 'running'
    AND coalesce(ended_at, started_at) < :since
    AND coalesce(jobs_inserted, 0) + coalesce(jobs_changed, 0) + coalesce(jobs_deleted, 0) = 0
    AND run_id NOT IN (
        SELECT arg_max(run_id, run_id) FROM sync_runs GROUP BY account_id, region
        UNION ALL
        SELECT arg_max(run_id, run_id) FROM sync_runs
        WHERE outcome = 'complete' GROUP BY account_id, region
    )
"""

_DUPLICATES: Final = [
    (
        # The index would answer from itself: only the rows themselves show two of one key.
        f"SELECT {', '.join(key)}, count(*) FROM {table} GROUP BY {', '.join(key)} "  # noqa: S608
        "HAVING count(*) > 1 LIMIT 5",
        f"{table} has the key ({', '.join(['{}'] * len(key))}) {{}} times.",
    )
    for table, key in (
        (table.name, [column.name for column in table.primary_key])
        for table in metadata.tables.values()
    )
    if key
]

#: Statement and sentence: a row is a contradiction, its values fill the sentence.
_CONTRADICTIONS: Final = [
    *_DUPLICATES,
    *(
        (
            f"SELECT count(*) FROM {table} ANTI JOIN training_jobs USING ({', '.join(KEY)}) "  # noqa: S608
            "HAVING count(*) > 0",
            f"Rows of {table} that are of jobs not in training_jobs: {{}}.",
        )
        for table in ("training_job_details", "training_job_changes")
    ),
    (
        f"SELECT count(*) FROM training_jobs ANTI JOIN training_job_changes "  # noqa: S608
        f"USING ({', '.join(KEY)}) HAVING count(*) > 0",
        "Jobs without a row in training_job_changes: {}.",
    ),
    (
        "SELECT count(*) FROM training_job_changes ANTI JOIN sync_runs USING (run_id) "
        "HAVING count(*) > 0",
        "Rows of training_job_changes that are of runs not in the ledger: {}.",
    ),
    (
        """
        SELECT run_id, outcome, ended_at FROM sync_runs
        WHERE outcome NOT IN ('running', 'complete', 'failed', 'interrupted')
            OR (outcome = 'running') <> (ended_at IS NULL)
        LIMIT 5
        """,
        "The run {} is {} and ended at {}.",
    ),
    (
        """
        SELECT account_id, region, coalesce(jobs, 0), coalesce(inserted, 0)
        FROM (
            SELECT account_id, region, count(*) AS jobs FROM training_jobs GROUP BY ALL
        )
        FULL JOIN (
            SELECT account_id, region, sum(jobs_inserted) AS inserted FROM sync_runs GROUP BY ALL
        ) USING (account_id, region)
        WHERE coalesce(jobs, 0) <> coalesce(inserted, 0)
        """,
        "Jobs of {}/{}: {}; its runs inserted {}.",
    ),
    (
        """
        SELECT account_id, region, watermark, told
        FROM sync_scopes
        JOIN (
            SELECT account_id, region, max(watermark_after) AS told
            FROM sync_runs WHERE outcome = 'complete' GROUP BY ALL
        ) USING (account_id, region)
        WHERE watermark IS DISTINCT FROM told
        """,
        "The watermark of {}/{} is {}, and its last complete run left it at {}.",
    ),
]

_REMARKS: Final = [
    (
        "SELECT account_id, region FROM sync_runs WHERE outcome = 'running'",
        "A run of {}/{} is marked as running: it is, or it was killed and the next sync says so.",
    ),
]
