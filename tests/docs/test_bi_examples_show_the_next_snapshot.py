"""docs/bi.md: what the page says about DuckDB is true, and its examples run."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from exporter.cli import main
from exporter.simulator import Scope, Simulator
from exporter.store import rates, snapshot
from exporter.store.database import Database
from tests.docs.pages import block, blocks

PAGE = "docs/bi.md"


@pytest.fixture
def published(demo_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Return a copy of the demo's database, with snapshot.duckdb in the current directory."""
    path = tmp_path / "sagemaker.duckdb"
    shutil.copyfile(demo_database.path, path)
    database = Database(path)
    snapshot.publish(database, tmp_path / "snapshot.duckdb")
    monkeypatch.chdir(tmp_path)
    return database


def publish_next(database: Database) -> None:
    """Delete one job and publish the next snapshot."""
    with database.writing() as connection:
        connection.execute(
            "DELETE FROM training_jobs WHERE training_job_name = "
            "(SELECT min(training_job_name) FROM training_jobs)"
        )
    snapshot.publish(database, Path("snapshot.duckdb"))


def jobs(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("SELECT count(*) FROM training_jobs").fetchone()
    assert row
    return int(row[0])


def reader() -> duckdb.DuckDBPyConnection:
    return duckdb.connect("snapshot.duckdb", read_only=True)


def test_a_process_with_an_open_connection_reads_the_old_snapshot(
    published: Database,
) -> None:
    with reader() as first:
        before = jobs(first)
        publish_next(published)
        assert jobs(first) == before
        with reader() as second:
            assert jobs(second) == before, "the same process has the old file open"
    with reader() as third:
        assert jobs(third) == before - 1


def test_a_tool_that_closes_after_each_query_reads_the_next_snapshot(published: Database) -> None:
    engine = sa.create_engine(
        "duckdb:///snapshot.duckdb", poolclass=sa.NullPool, connect_args={"read_only": True}
    )
    counts = []
    for _ in range(2):
        with engine.connect() as connection:
            counts.append(connection.exec_driver_sql("SELECT count(*) FROM training_jobs").scalar())
        publish_next(published)
    assert counts[0] is not None
    assert counts[1] == counts[0] - 1


def test_detach_and_attach_read_the_next_snapshot(published: Database) -> None:
    with duckdb.connect() as shell:
        shell.execute(block(PAGE, "ui-attach"))
        assert shell.fetchall()
        before = jobs(shell)
        publish_next(published)
        assert jobs(shell) == before
        shell.execute(block(PAGE, "ui-again"))
        assert jobs(shell) == before - 1


def test_views_over_parquet_read_the_next_export(published: Database) -> None:
    def export() -> None:
        for line in block(PAGE, "metabase-export").splitlines():
            words = line.replace('"', "").split(maxsplit=6)
            assert main(["--db", str(published.path), *words[1:]]) == 0

    export()
    with duckdb.connect() as metabase:
        metabase.execute(block(PAGE, "metabase-init"))
        total = "SELECT sum(cost_usd), count(*) FROM daily_costs"
        before = metabase.execute(total).fetchone()
        with published.writing() as connection:
            connection.execute("DELETE FROM prices")
            rates.refresh(connection)
            connection.execute("DELETE FROM training_jobs WHERE training_job_name LIKE 'r%'")
        export()
        after = metabase.execute(total).fetchone()
        assert before
        assert after
        assert after[0] is None
        assert after[1] < before[1]


def test_the_grafana_query_has_rows(published: Database) -> None:
    with reader() as grafana:
        rows = grafana.execute(block(PAGE, "grafana")).fetchall()
    assert len(rows) > 5


def test_the_notebook_cells_run(published: Database, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("notebook", "notebook-plain"):
        exec(block(PAGE, name), {})  # noqa: S102 - our own page
    assert "wasted_usd" in capfd.readouterr().out


def test_the_snapshot_command_runs(
    simulator: Simulator, scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope.create_job("nightly-1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(block(PAGE, "publish").split()[1:]) == 0
    assert (tmp_path / "snapshot.duckdb").stat().st_mode & 0o777 == 0o444


def test_every_example_is_tested_or_only_shown() -> None:
    only_shown = {"grafana.ini", "superset", "superset-engine-parameters"}
    tested = {
        *("publish", "grafana", "metabase-export", "metabase-init"),
        *("ui-attach", "ui-again", "notebook", "notebook-plain"),
    }
    found = {one.name for one in blocks(PAGE) if one.language != "console"}
    assert found == tested | only_shown
