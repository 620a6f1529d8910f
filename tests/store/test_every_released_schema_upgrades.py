"""A file of every released schema upgrades to the newest schema and loses nothing."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from exporter.prices.imports import Import, imports
from exporter.resources import folder
from exporter.store.check import check
from exporter.store.database import Database
from exporter.store.migrate import upgrade_locked
from exporter.store.revision import SCHEMA_REVISION
from exporter.store.view_files import views
from tests.support.files import content
from tests.support.processes import environment

SCHEMAS = Path(__file__).parents[1] / "fixtures" / "schemas"
RELEASED = sorted(path.name.removesuffix(".duckdb.gz") for path in SCHEMAS.glob("*.duckdb.gz"))


def test_every_released_schema_has_a_file() -> None:
    """The newest schema gets its file when it is released: until then it can change."""
    revisions = sorted(
        path.name[:4] for path in (folder("migrations") / "versions").glob("[0-9]*.py")
    )
    assert revisions[-1] == SCHEMA_REVISION
    assert RELEASED in (revisions, revisions[:-1])


@pytest.mark.parametrize("revision", RELEASED)
def test_an_upgrade_keeps_every_row(revision: str, tmp_path: Path) -> None:
    path = tmp_path / "jobs.duckdb"
    path.write_bytes(gzip.decompress((SCHEMAS / f"{revision}.duckdb.gz").read_bytes()))
    written = json.loads(gzip.decompress((SCHEMAS / f"{revision}.json.gz").read_bytes()))
    assert len(written["training_jobs"]) == 60
    columns = columns_of(path)
    done = upgrade_locked(Database(path))
    assert (done.before, done.after) == (revision, SCHEMA_REVISION)
    checked = check(Database(path))
    assert (checked.faults, checked.remarks) == ([], [])
    # These tables belong to the program, not to the user.
    del written["settings"], written["alembic_version"]
    with duckdb.connect(str(path), read_only=True) as connection:
        for table, rows in written.items():
            names = ", ".join(columns[table])
            found = connection.execute(f"SELECT {names} FROM {table} ORDER BY ALL").fetchall()
            assert json.loads(json.dumps(found, default=str)) == rows, table


def file_of_0001(path: Path, **sources: Decimal) -> Database:
    """Write the file of schema 0001, with imported prices by their source."""
    path.write_bytes(gzip.decompress((SCHEMAS / "0001.duckdb.gz").read_bytes()))
    with duckdb.connect(str(path)) as connection:
        for source, usd in sources.items():
            connection.execute(
                "INSERT INTO prices VALUES ('eu-west-1', 'Training', 'ml.m5.xlarge', ?, 'Hrs', "
                "DATE '2026-01-01', ?)",
                (usd, source),
            )
    return Database(path)


def test_imported_prices_of_schema_0001_can_be_removed_by_source(tmp_path: Path) -> None:
    database = file_of_0001(tmp_path / "jobs.duckdb", ours=Decimal("0.2"), a=Decimal("0.3"))
    upgrade_locked(database)
    with database.reading() as connection:
        found = imports(connection)
        rows = connection.execute(
            "SELECT * FROM prices WHERE import_id > 0 ORDER BY import_id"
        ).all()
    assert found == [Import(1, "a", None, 1), Import(2, "ours", None, 1)]
    item = ("eu-west-1", "Training", "ml.m5.xlarge")
    day = date(2026, 1, 1)
    assert [tuple(row) for row in rows] == [
        (*item, Decimal("0.3"), "Hrs", day, "a", "", "USD", None, 1, ""),
        (*item, Decimal("0.2"), "Hrs", day, "ours", "", "USD", None, 2, ""),
    ]


@pytest.mark.parametrize("at", ["CREATE TABLE price_imports", "DROP TABLE prices", "COMMENT ON"])
def test_a_kill_in_the_migration_of_prices_leaves_schema_0001(at: str, tmp_path: Path) -> None:
    database = file_of_0001(tmp_path / "jobs.duckdb", ours=Decimal("0.2"))
    before = content(database.path)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from exporter.store.alchemy import _Cursor\n"
        "from exporter.store.connections import Connection\n"
        "from exporter.store.database import Database\n"
        "from exporter.store.migrate import upgrade\n"
        "def killing(execute):\n"
        "    def run(self, statement, *rest):\n"
        "        done = execute(self, statement, *rest)\n"
        "        if statement.strip().startswith(sys.argv[2]):\n"
        "            os.kill(os.getpid(), 9)\n"
        "        return done\n"
        "    return run\n"
        "for owner in (Connection, _Cursor):\n"
        "    owner.execute = killing(owner.execute)\n"
        "upgrade(Database(Path(sys.argv[1])))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(database.path), at], env=environment({}), check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert content(database.path) == before
    done = upgrade_locked(database)
    assert (done.before, done.after) == ("0001", SCHEMA_REVISION)
    checked = check(database)
    assert (checked.faults, checked.remarks) == ([], [])
    after = content(database.path)
    added = {"prices", "price_imports", "settings", "alembic_version"}
    kept = before.keys() - added
    # Later columns stand behind those of schema 0001.
    assert {name: [row[: len(old)] for row, old in zip(after[name], before[name], strict=True)]
            for name in kept} == {name: before[name] for name in kept}  # fmt: skip
    assert [row[:7] for row in after["prices"]] == before["prices"]
    # The internal views of schema 0001 are no longer beside those for users.
    with duckdb.connect(str(database.path), read_only=True) as connection:
        found = connection.execute("""
            SELECT if(schema_name = 'main', '', schema_name || '.') || view_name
            FROM duckdb_views() WHERE NOT internal ORDER BY ALL
        """).fetchall()
    assert [name for (name,) in found] == sorted(view.name for view in views())


def test_an_older_duckdb_reads_views_that_a_newer_one_created(tmp_path: Path) -> None:
    """DuckDB 2 wrote the file, so this test matters when an older DuckDB runs it."""
    path = tmp_path / "jobs.duckdb"
    path.write_bytes(gzip.decompress((SCHEMAS / f"{RELEASED[-1]}.duckdb.gz").read_bytes()))
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
        found = {name: connection.execute(f"FROM {name}").fetchall() for (name,) in names}
    assert len(found["training_job_costs"]) == 60
    assert all(found[name] for name in ("daily_costs", "warm_pool_costs", "warm_pool_chains"))


def test_every_table_view_and_column_has_a_comment(database: Database) -> None:
    with duckdb.connect(str(database.path), read_only=True) as connection:
        bare = connection.execute("""
            SELECT table_name FROM duckdb_tables() WHERE NOT internal AND comment IS NULL
            UNION ALL
            SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL
            UNION ALL
            SELECT column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL
        """).fetchall()
    assert bare == []


def columns_of(path: Path) -> dict[str, list[str]]:
    """Return the columns of each table in the older schema."""
    found: dict[str, list[str]] = {name: [] for name in content(path)}
    with duckdb.connect(str(path), read_only=True) as connection:
        for table, column in connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal "
            "ORDER BY table_name, column_index"
        ).fetchall():
            if table in found:
                found[table].append(column)
    return found
