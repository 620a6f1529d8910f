"""Opening the DuckDB file: for reading, for writing, and never for longer than needed.

DuckDB locks the whole file for a process from open to close and never waits for it, so a
connection is open only for a read or a commit, the lock is retried here, and closing checkpoints
the file. The pool is NullPool: any other keeps the lock after close.

Nothing in this process may open, copy or hash the file while it is open through DuckDB: closing
that other descriptor would drop DuckDB's lock (POSIX fcntl locks belong to the process).
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import sqlalchemy as sa
from sqlalchemy import event, exc

from exporter.errors import (
    BusyError,
    DatabaseError,
    ExporterError,
    SchemaNewerError,
    UsageError,
)
from exporter.store import laying
from exporter.store.recovery import OFFLINE, heal

#: The revision this program reads and writes; migrations/versions ends with it.
SCHEMA_REVISION: Final = "0001"
#: New files keep the format that DuckDB 1.4 opens, so that every tool of the last year can.
STORAGE_VERSION: Final = "v1.4.0"
#: What DuckDB says of files that are none of its own: it would read some of them all the same.
_IS_OTHER_FILE: Final = re.compile(
    r"not a valid DuckDB database|sqlite_scanner|in-memory database in read-only mode"
)
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 0.5

ReadBack = Callable[[sa.Connection], None]
Transaction = Callable[[ReadBack], AbstractContextManager[sa.Connection]]

_umask_guard = threading.Lock()


class Database:
    """One DuckDB file and how it is opened.

    Args:
        path: The file; it need not exist yet.
        lock_timeout: Seconds to wait for another process that has the file open.
        notify: Told once, in a sentence, when an open has to wait, and when a file was healed.
        sleep: Waits that many seconds.
        monotonic: Seconds on a clock that never goes back.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout: float = 60.0,
        notify: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = _own_name(path)
        self.lock_timeout = lock_timeout
        self._notify = notify
        self._sleep = sleep
        self._monotonic = monotonic
        self._latest = math.inf
        self._schema_is_known = self._views_are_ours = False
        self._engines: dict[tuple[bool, bool], sa.Engine] = {}

    @staticmethod
    def parse(text: str) -> Path:
        """The file named by --db: a path or a `duckdb:///` URL.

        Raises:
            UsageError: Another kind of URL, or one that names no file.
        """
        if text in ("", ":memory:"):
            raise UsageError(f"--db {text!r} is not a file.", "Give a path.")
        # Also without slashes: DuckDB takes md:, sqlite: and the like for other kinds of database.
        if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", text) and "://" not in text:
            return Path(text).expanduser()
        prefix, _, file = text.partition(":///")
        if prefix != "duckdb" or file in ("", ":memory:") or "?" in file:
            # Nothing of it but its kind is repeated: it may hold a password.
            kind = text.partition(":")[0]
            raise UsageError(
                f"--db {kind}:… is not a DuckDB file.", "Give a path or duckdb:///PATH."
            )
        return Path(file).expanduser()

    def exists(self) -> bool:
        """Whether there is anything at the path."""
        return self.path.exists()

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than this for another process.

        Also where a thread waits already: a run that was told to stop does not sit out the
        lock timeout.
        """
        self._latest = self._monotonic() + seconds

    @contextmanager
    def reading(self, *, check_schema: bool = True) -> Iterator[sa.Connection]:
        """A read-only connection, with this program's views; waits for a writer.

        Raises:
            DatabaseError: No such file, not a DuckDB database, or of an older schema.
            BusyError: A writer kept the file for longer than `lock_timeout`.
            SchemaNewerError: The file is of a newer schema than this program.
        """
        if not self.exists():
            raise DatabaseError(
                f"There is no database at {self.path}.",
                "Run `sagemaker-exporter sync` first, or name the file with --db.",
            )
        with self._translated(), self._connection(read_only=True) as connection:
            if check_schema and not self._schema_is_known:
                check_revision(self.path, revision(connection))
                self._views_are_ours = laying.is_laid(connection)
                self._schema_is_known = True
            if check_schema and not self._views_are_ours:
                laying.lay_over(connection.exec_driver_sql)
            yield connection

    @contextmanager
    def writing(self, read_back: ReadBack = lambda _: None) -> Iterator[sa.Connection]:
        """One transaction, committed when the block ends, rolled back when it raises.

        An exception must never be caught inside the block: DuckDB then drops the whole
        transaction at COMMIT without a word. `read_back`, called after the commit, raises where
        what was written is not there.

        Raises:
            DatabaseError: The file or the disk (full, read-only, not DuckDB).
            BusyError: Another process kept the file for longer than `lock_timeout`.
        """
        with self.transactions() as transaction, transaction(read_back) as connection:
            yield connection

    @contextmanager
    def transactions(self) -> Iterator[Transaction]:
        """The same for several transactions, each by itself, from one open of the file.

        Opening and closing takes longer than a small commit. After one that failed, leave: the
        connection may have gone with it.
        """
        with (
            self._translated(),
            _private_files(),
            self._connection(read_only=False) as connection,
        ):

            @contextmanager
            def transaction(read_back: ReadBack) -> Iterator[sa.Connection]:
                with self._translated():
                    with connection.begin():
                        yield connection
                    with connection.begin():
                        read_back(connection)

            yield transaction

    @contextmanager
    def _connection(self, *, read_only: bool) -> Iterator[sa.Connection]:
        connection = self._open(self._engine(read_only=read_only), read_only=read_only)
        try:
            yield connection
        finally:
            connection.close()

    def _engine(self, *, read_only: bool) -> sa.Engine:
        """An engine, kept: SQLAlchemy asks each new one a number of questions first."""
        key = (read_only, self.exists())
        if key not in self._engines:
            self._engines[key] = self._new_engine(read_only=read_only)
        return self._engines[key]

    def _new_engine(self, *, read_only: bool) -> sa.Engine:
        config: dict[str, Any] = dict(OFFLINE)
        if not self.exists():
            config["storage_compatibility_version"] = STORAGE_VERSION
        engine = sa.create_engine(
            sa.URL.create("duckdb", database=str(self.path)),
            poolclass=sa.NullPool,
            connect_args={"read_only": read_only, "config": config},
        )
        # Not possible in the config: the ICU extension is not loaded at that point.
        # DuckDB draws a bar on stdout after 2 s where Python has no script, as in `python -c`.
        settings = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
        event.listen(engine, "connect", lambda raw, _: raw.execute(settings))
        return engine

    def _open(self, engine: sa.Engine, *, read_only: bool) -> sa.Connection:
        check_kind(self.path)
        deadline = self._monotonic() + self.lock_timeout
        pause = _FIRST_WAIT
        told = healed = False
        while True:
            try:
                return engine.connect()
            except exc.DBAPIError as error:
                if not healed and heal(self.path, error, self._notify):
                    healed = True
                    continue
                holder = lock_holder(error)
                if holder is None and not read_only and _is_ours(error):
                    holder = "another connection of this process"
                if holder is None:
                    raise translate(error, self.path) from error
                left = min(deadline, self._latest) - self._monotonic()
                if left <= 0:
                    raise BusyError(
                        f"The database {self.path} is kept open by {holder} "
                        f"for longer than {self.lock_timeout:g} s.",
                        "Nothing is lost. Close that program, or let readers use a --snapshot.",
                    ) from error
                if not told:
                    self._notify(f"Waiting for the database {self.path}, held by {holder}.")
                    told = True
                self._sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_WAIT)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (
            exc.OperationalError,
            exc.InternalError,
            duckdb.IOException,
            duckdb.FatalException,
        ) as error:
            raise translate(error, self.path) from error
        except exc.DatabaseError as error:
            # Constraint, catalog and data errors are bugs or the SQL of a user: not the file.
            if type(error) is exc.DatabaseError:
                raise translate(error, self.path) from error
            raise


def revision(connection: sa.Connection) -> str | None:
    """Schema revision of an open database; None where nothing of ours is in it."""
    # Results are fetched to the end throughout: DuckDB 2 takes no other work before that.
    rows = connection.exec_driver_sql(
        "SELECT table_name FROM duckdb_tables() "
        "WHERE NOT internal AND database_name = current_database() "
        "UNION ALL SELECT view_name FROM duckdb_views() "
        "WHERE NOT internal AND database_name = current_database()"
    ).all()
    tables = {str(row[0]) for row in rows}
    # A program of somebody else may use Alembic too.
    if {"alembic_version", "training_jobs"} <= tables:
        versions = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
        if not versions:
            raise DatabaseError(
                f"The database {connection.engine.url.database} does not say its schema any more: "
                "alembic_version is empty.",
                "It was not touched. Put a backup back with `sagemaker-exporter db restore FILE`.",
            )
        return str(versions[0][0])
    if tables:
        raise DatabaseError(
            f"The DuckDB database {connection.engine.url.database} belongs to something else: "
            f"it holds {len(tables)} table(s) or view(s), {min(tables)!r} among them, "
            "and none of ours.",
            "It was not touched. Name another file with --db.",
        )
    return None


def check_revision(path: Path, found: str | None) -> None:
    """Raise unless the schema is the one this program knows.

    Raises:
        SchemaNewerError: It is newer.
        DatabaseError: It is older, or the file is empty.
    """
    if found == SCHEMA_REVISION:
        return
    if found is not None and found > SCHEMA_REVISION:
        raise SchemaNewerError(
            f"The database {path} has schema {found}; this program knows {SCHEMA_REVISION}.",
            "It was not touched. Upgrade sagemaker-exporter, or restore the copy made before "
            "the upgrade.",
        )
    has = "no schema yet" if found is None else f"the older schema {found}"
    raise DatabaseError(
        f"The database {path} has {has}.", "Run `sagemaker-exporter db upgrade` (or `sync`)."
    )


def check_kind(path: Path) -> None:
    """Raise where there is something that cannot be a database file; opening a pipe would hang.

    Raises:
        DatabaseError: It is a directory, a pipe or a device.
    """
    if path.is_dir():
        raise DatabaseError(f"{path} is a directory.", "Name a file with --db.")
    if path.exists() and not path.is_file():
        raise DatabaseError(f"{path} is not a file.", "Name a file with --db.")


def _own_name(path: Path) -> Path:
    """A link's target by its own name: DuckDB would keep a write-ahead log for each name."""
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError) as error:  # a name too long, a folder not ours, links in a ring
        reason = getattr(error, "strerror", None) or "its links lead nowhere"
        raise DatabaseError(
            f"{path} cannot be opened: {reason}.", "Name a file with --db."
        ) from error


def _is_ours(error: BaseException) -> bool:
    """Whether this process has the file open for reading, beside which it cannot write."""
    return "different configuration than existing connections" in str(error)


def lock_holder(error: BaseException) -> str | None:
    """Who holds the file's lock, as DuckDB names it; None where the error is another."""
    text = str(error)
    if "Could not set lock" not in text:
        return None
    match = re.search(r"Conflicting lock is held in (.*?) ?\(PID (\d+)\)", text)
    if match is None:
        return "another process"
    return f"{Path(match[1]).name or 'a process'} (PID {match[2]})"


def translate(error: Exception, path: Path) -> ExporterError:
    """An error of the file or the disk, in words for the person who reads the cron mail."""
    text = str(getattr(error, "orig", error)).splitlines()[0]
    if holder := lock_holder(error):
        return BusyError(f"The database {path} is kept open by {holder}.", "Nothing is lost.")
    if _IS_OTHER_FILE.search(text):
        return DatabaseError(
            f"{path} is not a DuckDB database.", "It was not touched. Name another file with --db."
        )
    if re.search(r"No space left|disk is full|Could not write all|not enough space", text, re.I):
        return DatabaseError(
            f"The disk of {path} is full.",
            "What was committed is safe; make room, and the next run goes on from there.",
        )
    if re.search(r"Permission denied|Read-only file system", text):
        return DatabaseError(f"{path} cannot be opened: permission denied or read-only.")
    if re.search(r"Could not read enough bytes|Corrupt database file|checksum", text):
        return DatabaseError(
            f"The database {path} is damaged or cut short: {text.rstrip('.')}.",
            "It was not touched. Put a backup back with `sagemaker-exporter db restore FILE`.",
        )
    if "WAL" in text:
        return DatabaseError(
            f"{path} and its write-ahead log {path}.wal do not belong together: "
            f"{text.rstrip('.')}.",
            "Nothing was touched. If the database was put there by hand, move the log away.",
        )
    return DatabaseError(f"The database {path} cannot be used: {text}")


@contextmanager
def _private_files() -> Iterator[None]:
    """Files that DuckDB creates meanwhile (the file, its WAL) are for their owner only.

    The umask belongs to the process; the guard keeps two writers from undoing each other's.
    """
    if sys.platform == "win32":  # pragma: no cover - not a platform of the contract
        yield
        return
    with _umask_guard:
        before = os.umask(0o077)
        try:
            yield
        finally:
            os.umask(before)
