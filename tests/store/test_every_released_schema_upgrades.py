"""A file of each schema that was ever released becomes one of the newest, and loses nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from exporter.resources import folder
from exporter.store import care
from exporter.store.database import SCHEMA_REVISION, Database
from exporter.store.view_files import views
from tests.support.files import content

SCHEMAS = Path(__file__).parents[1] / "fixtures" / "schemas"
RELEASED = sorted(path.name.removesuffix(".duckdb.gz") for path in SCHEMAS.glob("*.duckdb.gz"))


def test_each_has_its_file() -> None:
    revisions = sorted(
        path.name[:4] for path in (folder("migrations") / "versions").glob("[0-9]*.py")
    )
    assert revisions[-1] == SCHEMA_REVISION
    assert revisions == RELEASED


@pytest.mark.parametrize("revision", RELEASED)
def test_its_rows_are_all_there_after_the_upgrade(revision: str, tmp_path: Path) -> None:
    path = tmp_path / "jobs.duckdb"
    path.write_bytes(gzip.decompress((SCHEMAS / f"{revision}.duckdb.gz").read_bytes()))
    written = json.loads(gzip.decompress((SCHEMAS / f"{revision}.json.gz").read_bytes()))
    assert len(written["training_jobs"]) == 60
    columns = columns_of(path)
    done = care.upgrade(Database(path))
    assert (done.before, done.after) == (revision, SCHEMA_REVISION)
    checked = care.check(Database(path))
    assert (checked.faults, checked.remarks) == ([], [])
    # What the program itself keeps about the schema is not the user's.
    del written["settings"], written["alembic_version"]
    with duckdb.connect(str(path), read_only=True) as connection:
        for table, rows in written.items():
            names = ", ".join(columns[table])
            found = connection.execute(f"SELECT {names} FROM {table} ORDER BY ALL").fetchall()
            assert json.loads(json.dumps(found, default=str)) == rows, table


def test_an_older_duckdb_reads_the_views_that_a_newer_one_laid(tmp_path: Path) -> None:
    """The file is of DuckDB 2; this says something where an older one runs the tests."""
    path = tmp_path / "jobs.duckdb"
    path.write_bytes(gzip.decompress((SCHEMAS / f"{SCHEMA_REVISION}.duckdb.gz").read_bytes()))
    with duckdb.connect(str(path), read_only=True) as connection:
        found = {view.name: connection.execute(f"FROM {view.name}").fetchall() for view in views()}
    assert len(found["training_job_costs"]) == 60
    assert all(found[name] for name in ("daily_costs", "warm_pool_costs", "warm_pool_chains"))


def test_every_table_view_and_column_has_its_comment(database: Database) -> None:
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
    """Columns of each table, as the older schema had them."""
    found: dict[str, list[str]] = {name: [] for name in content(path)}
    with duckdb.connect(str(path), read_only=True) as connection:
        for table, column in connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal "
            "ORDER BY table_name, column_index"
        ).fetchall():
            if table in found:
                found[table].append(column)
    return found
