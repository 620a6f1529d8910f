"""A file whose views another version of the program laid: read as if they were this one's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import exporter
from exporter.publish import run as publishing
from exporter.store import care
from exporter.store.database import Database
from exporter.store.view_files import views


def as_of_another_version(path: Path) -> None:
    """One view is missing, and another has neither our columns nor our figures."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP VIEW pool_steps")
        connection.execute("CREATE OR REPLACE VIEW daily_costs AS SELECT 7 AS cost_usd")
        connection.execute("UPDATE settings SET value = 'older' WHERE name = 'views'")


def everything(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    return {
        view.name: connection.execute(f"FROM {view.name} ORDER BY ALL").fetchall()
        for view in views()
    }


@pytest.fixture
def of_another_version(filled: Database) -> Database:
    as_of_another_version(filled.path)
    return filled


def test_views_are_ours_to_readers(filled: Database) -> None:
    with exporter.connect(filled.path) as connection:
        ours = everything(connection)
    assert len(ours["training_job_costs"]) == 6
    as_of_another_version(filled.path)
    before = filled.path.read_bytes()
    with exporter.connect(filled.path) as connection:
        assert everything(connection) == ours
    with filled.reading() as read:
        raw: Any = read.connection.driver_connection
        assert everything(raw) == ours
    assert filled.path.read_bytes() == before


def test_reports_and_what_is_published_are_ours(filled: Database, tmp_path: Path) -> None:
    wanted = exporter.report(filled.path, "warm-pool-chains", since="365d")
    as_of_another_version(filled.path)
    found = exporter.report(filled.path, "warm-pool-chains", since="365d")
    assert (found.columns, list(found.rows)) == (wanted.columns, list(wanted.rows))
    done = publishing.publish(filled, tmp_path / "lake", retention=timedelta(days=7))
    assert {each.name: each.rows for each in done}["training_job_costs"] == 6


def test_an_upgrade_lays_ours_into_the_file(of_another_version: Database) -> None:
    assert care.check(of_another_version).remarks == [
        "Views and comments are another version's: the next sync, or `db upgrade`, lays them anew."
    ]
    care.upgrade(of_another_version)
    checked = care.check(of_another_version)
    assert (checked.faults, checked.remarks) == ([], [])
