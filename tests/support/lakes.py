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
from urllib.parse import unquote

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from exporter.publish import layout, run, storage
from exporter.sql import literal
from exporter.store.database import Database

#: Schema and rows of a table, rows in any one order.
Content = tuple[list[tuple[str, str]], list[tuple[Any, ...]]]
#: The scope that the simulator fills, and two more with the same jobs.
FIRST = ("111122223333", "eu-west-1")
OTHERS = (("444455556666", "us-east-1"), ("777788889999", "eu-west-1"))
NAMES = ("one", "two", "three")
#: By the content of a database: several tests compare the same one.
_EXPECTED: dict[str, dict[str, Content]] = {}
#: Rows of Parquet files by the digest of the file: most files of a lake stay as they were.
_FILES: dict[str, list[tuple[Any, ...]]] = {}
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
    result = {}
    for described in layout.tables():
        table = opened(lake, described.name, options)
        of = accounts if described.partitions else None
        if isinstance(lake, Path):
            result[described.name] = _stored(table, lake / described.name, of)
        else:
            filters = None if of is None else [("account_id", "in", sorted(of))]
            result[described.name] = _content(table.to_pyarrow_table(filters=filters))
    return result


def _stored(table: DeltaTable, folder: Path, accounts: Collection[str] | None) -> Content:
    """Return what a table in a folder holds; the same file is read once."""
    kinds = _kinds(_engine().from_arrow(pa.schema(table.schema().to_arrow()).empty_table()))
    keys = table.metadata().partition_columns
    names = [name for name, _ in kinds if name not in keys]
    assert [name for name, _ in kinds] == names + keys
    partitions = {}
    for action in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        values = tuple(action[f"partition.{key}"] for key in keys)
        if accounts is None or values[0] in accounts:
            partitions[str(folder / unquote(action["path"]))] = values
    read = _read_files(list(partitions), names)
    rows = [(*row, *values) for path, values in partitions.items() for row in read[path]]
    return kinds, sorted(rows, key=repr)


def _read_files(paths: list[str], names: list[str]) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of Parquet files by path. No two files with other rows have one digest."""
    digests = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}
    # Files of two scopes may be equal.
    if new := {digest: path for path, digest in digests.items() if digest not in _FILES}:
        listed, columns = ", ".join(map(literal, new.values())), ", ".join(names)
        _FILES.update({digest: [] for digest in new})
        query = f"SELECT filename, {columns} FROM read_parquet([{listed}], hive_partitioning=false)"
        for path, *row in _engine().sql(query).fetchall():
            _FILES[digests[path]].append(tuple(row))
    return {path: _FILES[digest] for path, digest in digests.items()}


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
    return _kinds(relation), sorted(relation.fetchall(), key=repr)


def _kinds(relation: duckdb.DuckDBPyRelation) -> list[tuple[str, str]]:
    return list(zip(relation.columns, map(str, relation.types), strict=True))


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Return one engine in memory for all comparisons: opening one takes longer than they do."""
    engine = duckdb.connect()
    engine.execute("SET TimeZone = 'UTC'")
    return engine
