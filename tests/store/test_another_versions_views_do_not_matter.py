"""A file with another version's views reads as if this version had installed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

import exporter
from exporter.store.check import check
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.migrate import upgrade_locked
from exporter.store.view_files import views
from tests.support import lakes


def make_views_differ(path: Path) -> None:
    """Drop one view, and give two others different columns and values."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP VIEW internal.pool_steps")
        for name in ("daily_costs", "internal.cost_lines"):
            connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT 7 AS cost_usd")
        connection.execute("UPDATE settings SET value = 'older' WHERE name = 'views'")


def everything(connection: Connection) -> dict[str, list[Any]]:
    return {
        view.name: [
            tuple(row) for row in connection.execute(f"FROM {view.name} ORDER BY ALL").all()
        ]
        for view in views()
    }


def public(path: Path) -> dict[str, list[Any]]:
    with exporter.connect(path) as connection:
        return {
            view.name: connection.execute(f"FROM {view.name} ORDER BY ALL").fetchall()
            for view in views()
            if not view.is_internal
        }


@pytest.fixture
def with_other_views(filled: Database) -> Database:
    make_views_differ(filled.path)
    return filled


def test_readers_get_the_views_of_this_version(filled: Database) -> None:
    with filled.reading() as read:
        ours = everything(read)
    assert len(ours["training_job_costs"]) == 6
    ours_in_python = public(filled.path)
    make_views_differ(filled.path)
    before = filled.path.read_bytes()
    assert public(filled.path) == ours_in_python
    with Database(filled.path).reading() as read:
        assert everything(read) == ours
    assert filled.path.read_bytes() == before


def test_reports_and_published_tables_use_the_views_of_this_version(
    filled: Database, tmp_path: Path
) -> None:
    wanted = exporter.report(filled.path, "warm-pool-chains", since="365d")
    make_views_differ(filled.path)
    found = exporter.report(filled.path, "warm-pool-chains", since="365d")
    assert (found.columns, found.rows) == (wanted.columns, wanted.rows)
    done = lakes.write(filled, tmp_path / "lake")
    assert {each.name: each.rows for each in done.tables}["training_job_costs"] == 6


def test_an_upgrade_installs_the_views_of_this_version(with_other_views: Database) -> None:
    assert check(with_other_views).remarks == [
        "Another version installed the views and comments. "
        "The next sync, or `db upgrade`, recreates them."
    ]
    upgrade_locked(with_other_views)
    checked = check(with_other_views)
    assert (checked.faults, checked.remarks) == ([], [])
