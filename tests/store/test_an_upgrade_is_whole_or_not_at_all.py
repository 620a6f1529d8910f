"""A later schema, made up here: what its upgrade does to a file of today's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from exporter.errors import DatabaseError, SchemaNewerError
from exporter.resources import folder
from exporter.store import care, copies, laying, migrate, view_files
from exporter.store import database as db
from exporter.store.database import Database
from tests.support.files import Content, content, mode, names
from tests.support.processes import ROOT

#: It changes rows, adds a column and a table, and may be killed between two of its statements.
LATER = """
import os
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE training_jobs ADD COLUMN colour VARCHAR")
    op.execute("UPDATE training_jobs SET colour = 'blue'")
    if os.environ.get("DIE") == "half-way":
        os.kill(os.getpid(), 9)
    op.execute("CREATE TABLE colours AS SELECT DISTINCT colour FROM training_jobs")
    op.execute("UPDATE sync_runs SET plan = upper(plan)")
"""


@pytest.fixture
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrations with one more."""
    migrations = tmp_path_factory.mktemp("later") / "migrations"
    shutil.copytree(folder("migrations"), migrations, ignore=shutil.ignore_patterns("__pycache__"))
    (migrations / "versions" / "0002_colours.py").write_text(LATER)
    return migrations


@pytest.fixture
def program_of_later(later: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This program as it will be; undo it, and it is today's again."""
    monkeypatch.setattr(migrate, "folder", lambda _: later)
    for module in (db, care):
        monkeypatch.setattr(module, "SCHEMA_REVISION", "0002")
    return monkeypatch


def without_settings(tables: Content) -> Content:
    return {name: rows for name, rows in tables.items() if name != "settings"}


def test_it_loses_nothing_and_keeps_what_was_before(
    filled: Database, program_of_later: pytest.MonkeyPatch
) -> None:
    before = content(filled.path)
    told: list[str] = []
    done = care.upgrade(filled, notify=told.append)
    copy = Path(f"{filled.path}.before-0002")
    assert done == care.Upgraded("0001", "0002", copy)
    assert told == [f"Upgrading the schema from 0001 to 0002; a copy is in {copy}."]
    assert (mode(copy), content(copy)) == (0o600, before)
    after = content(filled.path)
    assert after["alembic_version"] == [("0002",)]
    assert after["colours"] == [("blue",)]
    assert after["training_jobs"] == [(*row, "blue") for row in before["training_jobs"]]
    unchanged = {"training_job_details", "training_job_changes", "sync_scopes", "prices"}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    # A second time there is nothing to do, and the copy stays.
    assert care.upgrade(filled) == care.Upgraded("0002", "0002", None)
    assert content(copy) == before


def test_the_older_program_refuses_it_and_works_again_with_the_copy(
    filled: Database, program_of_later: pytest.MonkeyPatch
) -> None:
    before = content(filled.path)
    care.upgrade(filled)
    program_of_later.undo()
    older = Database(filled.path)
    upgraded = filled.path.read_bytes()
    with pytest.raises(SchemaNewerError, match="has schema 0002; this program knows 0001") as error:
        care.check(older)
    assert error.value.exit_code == 6
    with pytest.raises(SchemaNewerError):
        migrate.upgrade(older)
    with pytest.raises(SchemaNewerError), older.reading():
        pass
    assert filled.path.read_bytes() == upgraded

    done = care.restore(older, Path(f"{filled.path}.before-0002"))
    assert content(filled.path) == before
    assert care.check(older).faults == []
    assert done.kept is not None
    assert done.kept.read_bytes() == upgraded


def test_a_command_that_only_reads_an_older_file_says_what_to_run(
    filled: Database, program_of_later: pytest.MonkeyPatch
) -> None:
    before = filled.path.read_bytes()
    with pytest.raises(DatabaseError) as error, Database(filled.path).reading():
        pass
    assert str(error.value) == (
        f"The database {filled.path} has the older schema 0001. "
        "Run `sagemaker-exporter db upgrade` (or `sync`)."
    )
    assert filled.path.read_bytes() == before


def test_an_error_at_any_statement_leaves_the_older_schema(
    filled: Database, program_of_later: pytest.MonkeyPatch
) -> None:
    """A failing statement, and a raise before one, at every so many of its statements."""
    before = content(filled.path)
    passed = 0

    def count(*_: Any) -> None:
        nonlocal passed
        passed += 1

    with program_of_later.context() as context:
        spare = filled.path.with_name("spare.duckdb")
        shutil.copyfile(filled.path, spare)
        context.setattr(migrate, "_copy_before", lambda *_: spare)
        event.listen(sa.Engine, "before_cursor_execute", count)
        try:
            migrate.upgrade(Database(spare))
        finally:
            event.remove(sa.Engine, "before_cursor_execute", count)
        assert passed > 300  # comments and views too
        for at in (5, 8, 9, 10, 50, passed - 3):
            reached = 0

            def fail(connection: sa.Connection, *_: Any) -> None:
                nonlocal reached
                reached += 1
                if reached == at:  # noqa: B023 - called within this turn
                    connection.exec_driver_sql("SELECT * FROM no_such_table")

            event.listen(sa.Engine, "before_cursor_execute", fail)
            try:
                with pytest.raises(sa.exc.ProgrammingError):
                    migrate.upgrade(Database(filled.path))
            finally:
                event.remove(sa.Engine, "before_cursor_execute", fail)
            assert content(filled.path) == before, at
    assert care.upgrade(filled).after == "0002"


def test_killed_half_way_the_older_schema_works_and_the_next_upgrade_succeeds(
    filled: Database, later: Path, program_of_later: pytest.MonkeyPatch
) -> None:
    before = content(filled.path)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from exporter.store import database as db, migrate\n"
        "migrate.folder = lambda _: Path(sys.argv[2])\n"
        "db.SCHEMA_REVISION = '0002'\n"
        "migrate.upgrade(db.Database(Path(sys.argv[1])))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(filled.path), str(later)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "DIE": "half-way"},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    with program_of_later.context() as context:
        context.setattr(care, "SCHEMA_REVISION", "0001")
        context.setattr(db, "SCHEMA_REVISION", "0001")
        assert care.check(filled).faults == []
    assert content(filled.path) == before
    copy = Path(f"{filled.path}.before-0002")
    assert content(copy) == before
    assert care.upgrade(filled) == care.Upgraded("0001", "0002", copy)
    assert content(copy) == before


def test_without_room_for_the_copy_nothing_is_changed(
    filled: Database, program_of_later: pytest.MonkeyPatch
) -> None:
    older = Path(f"{filled.path}.before-0001")
    older.write_text("the copy of the upgrade before")
    before = filled.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with program_of_later.context() as context:
        context.setattr(copies, "_write", full)
        with pytest.raises(DatabaseError) as error:
            migrate.upgrade(filled)
    assert error.value.exit_code == 8
    assert "No copy could be made before the upgrade from schema 0001" in str(error.value)
    assert filled.path.read_bytes() == before
    assert older.exists()
    # Only when there is a newer copy, the one before goes.
    care.upgrade(filled)
    assert [name for name in names(filled.path.parent) if "before" in name] == [
        "jobs.duckdb.before-0002"
    ]


@pytest.mark.skipif(
    duckdb.__version__ < "2",
    reason="in DuckDB 1.4 an error of the binder does not end the transaction: nothing is lost",
)
def test_an_upgrade_that_was_swallowed_is_no_upgrade(
    filled: Database, program_of_later: pytest.MonkeyPatch
) -> None:
    """DuckDB drops a whole transaction at COMMIT, without a word, when an error was caught."""
    before = content(filled.path)

    def swallow(connection: sa.Connection) -> None:
        with pytest.raises(sa.exc.ProgrammingError):
            connection.exec_driver_sql("SELECT * FROM no_such_table")

    program_of_later.setattr(laying, "_comments", lambda: [])
    program_of_later.setattr(view_files, "create_views", swallow)
    with pytest.raises((DatabaseError, sa.exc.DBAPIError)):
        migrate.upgrade(filled)
    assert content(filled.path) == before


def test_a_new_file_is_made_whole_and_beside_a_log_without_its_file(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    Path(f"{path}.wal").write_bytes(b"of a file that somebody removed")
    told: list[str] = []
    migrate.upgrade(Database(path), notify=told.append)
    assert told == [f"A write-ahead log without its database was kept as {path}.wal.stale."]
    assert names(tmp_path) == ["new.duckdb", "new.duckdb.wal.stale"]
    assert mode(path) == 0o600
    assert care.check(Database(path)).faults == []
