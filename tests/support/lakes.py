"""Databases of several collectors, the lake that they share, and what it must hold."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from exporter.publish import layout, run, storage
from exporter.store.database import Database

#: Schema and rows of a table, rows in any one order.
Content = tuple[list[tuple[str, str]], list[tuple[Any, ...]]]
#: The scope that the simulator fills, and two more with the same jobs.
FIRST = ("111122223333", "eu-west-1")
OTHERS = (("444455556666", "us-east-1"), ("777788889999", "eu-west-1"))
NAMES = ("one", "two", "three")
#: By the content of a database: several tests compare the same one.
_EXPECTED: dict[str, dict[str, Content]] = {}
_JOBS = ("training_jobs", "training_job_details", "training_job_changes")


def write(database: Database, folder: Path | str, **options: Any) -> run.Result:
    """Publish a database to a folder or bucket."""
    return run.publish(database, storage.place(str(folder)), run.Options(**options))


@dataclass(frozen=True)
class Collectors:
    """One database with three scopes, and three with one each.

    Attributes:
        whole: The database with all of them.
        each: The others, by the name of their collector.
    """

    whole: Database
    each: dict[str, Database]

    def copy(self, folder: Path) -> Collectors:
        """Copy the files."""
        copies = {
            name: Database(Path(shutil.copy(database.path, folder / f"{name}.duckdb")))
            for name, database in {"whole": self.whole, **self.each}.items()
        }
        return Collectors(copies.pop("whole"), copies)

    @property
    def one(self) -> Database:
        """The database of the first collector, which owns the prices."""
        return self.each["one"]

    def change(self, *statements: str) -> None:
        """Change the first collector's database."""
        with self.one.writing() as connection:
            for statement in statements:
                connection.execute(statement)

    def publish(self, lake: Path | str, names: tuple[str, ...] = NAMES) -> dict[str, run.Result]:
        """Publish one after the other."""
        return {name: write(self.each[name], lake, collector=name) for name in names}


def collectors(synced: Path, folder: Path) -> Collectors:
    """Make the databases from one that the simulator filled."""
    whole = Database(Path(shutil.copy(synced, folder / "whole.duckdb")))
    with whole.writing() as connection:
        for account, region in OTHERS:
            for table in (*_JOBS, "sync_scopes", "sync_runs"):
                connection.execute(_cloned(table, account, region))
        connection.execute(
            "INSERT INTO accounts VALUES ('111122223333', 'vision'), ('444455556666', 'speech')"
        )
        connection.execute(
            "INSERT INTO quotas SELECT account_id, region, 'ml.m5.xlarge', 'warm pool', 4, 'L-1', "
            "TIMESTAMPTZ '2026-11-01 12:00:00+00' FROM sync_scopes"
        )
    each = {}
    for name, (account, _) in zip(NAMES, (FIRST, *OTHERS), strict=True):
        each[name] = Database(Path(shutil.copy(whole.path, folder / f"{name}.duckdb")))
        with each[name].writing() as connection:
            for table in ("training_job_details", "training_job_changes"):
                connection.execute(
                    f"DELETE FROM {table} WHERE split_part(training_job_arn, ':', 5) <> '{account}'"
                )
            for table in ("training_jobs", "sync_scopes", "sync_runs", "quotas"):
                connection.execute(f"DELETE FROM {table} WHERE account_id <> '{account}'")
    return Collectors(whole, each)


def _cloned(table: str, account: str, region: str) -> str:
    """Return SQL that copies the rows of the first scope to another one."""
    arn = "training_job_arn"
    for old, new in zip(FIRST, (account, region), strict=True):
        arn = f"replace({arn}, '{old}', '{new}')"
    changed = [f"'{account}' AS account_id", f"'{region}' AS region"]
    if table in _JOBS:
        changed = [f"{arn} AS training_job_arn", *(changed if table == "training_jobs" else [])]
    if table == "sync_runs":
        changed.append(f"run_id || '{account}' AS run_id")
    where = "" if table in _JOBS[1:] else "WHERE account_id = '111122223333'"
    if table in _JOBS[1:]:
        where = "WHERE split_part(training_job_arn, ':', 5) = '111122223333'"
    return f"INSERT INTO {table} SELECT * REPLACE ({', '.join(changed)}) FROM {table} {where}"


def expected(database: Database) -> dict[str, Content]:
    """Return what a lake of the database must hold."""
    digest = hashlib.sha256(database.path.read_bytes()).hexdigest()
    if digest not in _EXPECTED:
        _EXPECTED[digest] = _read(database)
    return _EXPECTED[digest]


def _read(database: Database) -> dict[str, Content]:
    with database.reading() as connection:
        raw = connection.raw
        raw.execute("SET threads = 1")  # of few rows, a second thread costs more than it saves
        return {
            table.name: _content(raw.sql(table.sql).to_arrow_table()) for table in layout.tables()
        }


def found(
    lake: Path | str,
    options: dict[str, str] | None = None,
    accounts: Collection[str] | None = None,
) -> dict[str, Content]:
    """Return what a lake holds, or what it holds of accounts."""
    return {
        table.name: _content(
            opened(lake, table.name, options).to_pyarrow_table(
                filters=[("account_id", "in", sorted(accounts))]
                if table.partitions and accounts is not None
                else None
            )
        )
        for table in layout.tables()
    }


def opened(lake: Path | str, name: str, options: dict[str, str] | None = None) -> DeltaTable:
    """Open a table of a lake."""
    return DeltaTable(f"{lake}/{name}", storage_options=options)


def versions(lake: Path) -> dict[str, int]:
    """Return the version of every table, `_published` too."""
    return {path.name: DeltaTable(path).version() for path in sorted(lake.iterdir())}


def age(lake: Path) -> None:
    """Make every file two days old, in the logs as well."""
    then = time.time() - 2 * 86_400
    for path in lake.rglob("*"):
        if path.suffix == ".json":
            text = re.sub(
                r'"deletionTimestamp":\d+',
                f'"deletionTimestamp":{then * 1000:.0f}',
                path.read_text(),
            )
            path.write_text(text)
        os.utime(path, (then, then))


def check(
    lake: Path | str,
    wanted: Database,
    options: Callable[[], dict[str, str]] | None = None,
    accounts: Collection[str] = (),
) -> None:
    """Assert that a lake holds what a database has: every row, name and type of every table.

    Of other accounts it may hold anything.

    Args:
        lake: The lake.
        wanted: The database.
        options: Returns the storage options.
        accounts: Accounts to compare beside those that the database has.
    """
    with wanted.reading() as connection:
        raw = connection.raw
        mine = {row[0] for row in raw.sql("SELECT account_id FROM sync_scopes").fetchall()}
    now = found(lake, options() if options else None, mine | set(accounts))
    for name, content in expected(wanted).items():
        assert now[name] == content, name


def _content(rows: pa.Table) -> Content:
    relation = _engine().from_arrow(rows)
    kinds = list(zip(relation.columns, map(str, relation.types), strict=True))
    return kinds, sorted(relation.fetchall(), key=repr)


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Return one engine in memory for all comparisons: opening one takes longer than they do."""
    engine = duckdb.connect()
    engine.execute("SET TimeZone = 'UTC'")
    return engine
