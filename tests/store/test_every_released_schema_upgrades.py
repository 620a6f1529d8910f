"""A file of every released schema upgrades to the newest schema and loses nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from exporter.resources import folder
from exporter.store.check import check
from exporter.store.database import Database
from exporter.store.migrate import upgrade_locked
from exporter.store.revision import SCHEMA_REVISION
from exporter.store.view_files import views
from tests.support.files import content

SCHEMAS = Path(__file__).parents[1] / "fixtures" / "schemas"
RELEASED = sorted(path.name.removesuffix(".duckdb.gz") for path in SCHEMAS.glob("*.duckdb.gz"))


def test_every_released_schema_has_a_file() -> None:
    revisions = sorted(
        path.name[:4] for path in (folder("migrations") / "versions").glob("[0-9]*.py")
    )
    assert revisions[-1] == SCHEMA_REVISION
    assert revisions == RELEASED


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


def test_an_older_duckdb_reads_views_that_a_newer_one_created(tmp_path: Path) -> None:
    """DuckDB 2 wrote the file, so this test matters when an older DuckDB runs it."""
    path = tmp_path / "jobs.duckdb"
    path.write_bytes(gzip.decompress((SCHEMAS / f"{SCHEMA_REVISION}.duckdb.gz").read_bytes()))
    with duckdb.connect(str(path), read_only=True) as connection:
        found = {view.name: connection.execute(f"FROM {view.name}").fetchall() for view in views()}
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
