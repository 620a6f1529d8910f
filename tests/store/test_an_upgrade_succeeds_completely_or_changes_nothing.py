"""Upgrades of today's file to a later schema, which these tests invent."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporter.errors import DatabaseError, SchemaNewerError
from exporter.resources import folder
from exporter.store import migrate
from exporter.store.backup import restore
from exporter.store.check import check
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.migrate import Upgraded
from exporter.store.revision import SCHEMA_REVISION
from tests.support.files import content, limited_file_size, mode, names
from tests.support.processes import environment
from tests.support.rows import hooked

TODAY = SCHEMA_REVISION
NEXT = f"{int(TODAY) + 1:04}"

#: Changes rows, adds a column and a table, and on request is killed between two statements.
LATER = f"""
import os
from alembic import op

revision = "{NEXT}"
down_revision = "{TODAY}"


def upgrade() -> None:
    op.execute("ALTER TABLE training_jobs ADD COLUMN colour VARCHAR")
    op.execute("UPDATE training_jobs SET colour = 'blue'")
    if os.environ.get("DIE") == "half-way":
        os.kill(os.getpid(), 9)
    op.execute("CREATE TABLE colours AS SELECT DISTINCT colour FROM training_jobs")
    op.execute("UPDATE sync_runs SET plan = upper(plan)")
"""

Upgrade = Callable[..., Upgraded]


@pytest.fixture(scope="module")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program's migrations and the later one."""
    migrations = tmp_path_factory.mktemp("later") / "migrations"
    shutil.copytree(folder("migrations"), migrations, ignore=shutil.ignore_patterns("__pycache__"))
    (migrations / "versions" / f"{NEXT}_colours.py").write_text(LATER)
    return migrations


@pytest.fixture
def upgrade(migrations: Path) -> Upgrade:
    """Upgrades a database as the later program does."""

    def upgrade(database: Database, **options: Any) -> Upgraded:
        return migrate.upgrade(database, **{"migrations": migrations, **options})

    return upgrade


@pytest.fixture
def later(filled: Database) -> Database:
    """The filled database, as the later program opens it."""
    return Database(filled.path, revision=NEXT)


def test_an_upgrade_keeps_every_row_and_a_copy_of_the_file(
    later: Database, upgrade: Upgrade
) -> None:
    before = content(later.path)
    notes: list[str] = []
    copy = Path(f"{later.path}.before-{NEXT}")
    assert upgrade(later, notify=notes.append) == Upgraded(TODAY, NEXT, copy)
    assert notes == [f"Upgrading the schema from {TODAY} to {NEXT}; the copy is {copy}."]
    assert (mode(copy), content(copy)) == (0o600, before)
    after = content(later.path)
    assert after["alembic_version"] == [(NEXT,)]
    assert after["colours"] == [("blue",)]
    assert after["training_jobs"] == [(*row, "blue") for row in before["training_jobs"]]
    unchanged = {"training_job_details", "training_job_changes", "sync_scopes", "prices"}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    # A second upgrade does nothing, and the copy stays.
    assert upgrade(later) == Upgraded(NEXT, NEXT, None)
    assert content(copy) == before


def test_the_older_program_refuses_the_file_and_works_with_the_copy(
    filled: Database, later: Database, upgrade: Upgrade
) -> None:
    before = content(filled.path)
    upgrade(later)
    upgraded = filled.path.read_bytes()
    refusal = f"has schema {NEXT}; this program knows {TODAY}"
    with pytest.raises(SchemaNewerError, match=refusal) as error:
        check(filled)
    assert error.value.exit_code == 6
    with pytest.raises(SchemaNewerError):
        migrate.upgrade(filled)
    with pytest.raises(SchemaNewerError), filled.reading():
        pass
    assert filled.path.read_bytes() == upgraded

    done = restore(filled, Path(f"{filled.path}.before-{NEXT}"))
    assert content(filled.path) == before
    assert check(filled).faults == []
    assert done.kept is not None
    assert done.kept.read_bytes() == upgraded


def test_a_command_that_only_reads_an_older_file_names_the_upgrade_command(
    later: Database,
) -> None:
    before = later.path.read_bytes()
    with pytest.raises(DatabaseError) as error, later.reading():
        pass
    assert str(error.value) == (
        f"The database {later.path} has the older schema {TODAY}. "
        "Run `sagemaker-exporter db upgrade` (or `sync`)."
    )
    assert later.path.read_bytes() == before


def test_an_error_at_any_statement_leaves_the_older_schema(
    later: Database, upgrade: Upgrade, tmp_path: Path
) -> None:
    before = content(later.path)
    spare = tmp_path / "spare.duckdb"
    shutil.copyfile(later.path, spare)
    passed: list[str] = []
    with hooked(before=lambda _, statement: passed.append(statement)):
        upgrade(Database(spare, revision=NEXT))
    assert len(passed) > 300  # statements of comments and views included

    for at in (5, 9, 13, 14, 15, 50, len(passed) - 3):
        reached: list[str] = []

        def fail(raw: duckdb.DuckDBPyConnection, statement: str) -> None:
            reached.append(statement)  # noqa: B023 - called within this turn
            if len(reached) == at:  # noqa: B023 - likewise
                raw.execute("SELECT * FROM no_such_table")

        with hooked(before=fail), pytest.raises(DatabaseError, match="no_such_table"):
            upgrade(Database(later.path, revision=NEXT))
        assert content(later.path) == before, at
    assert upgrade(later).after == NEXT


def test_a_kill_half_way_leaves_the_older_schema_and_the_next_upgrade_succeeds(
    filled: Database, later: Database, migrations: Path, upgrade: Upgrade
) -> None:
    before = content(filled.path)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from exporter.store import migrate\n"
        "from exporter.store.database import Database\n"
        f"database = Database(Path(sys.argv[1]), revision='{NEXT}')\n"
        "migrate.upgrade(database, migrations=Path(sys.argv[2]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(filled.path), str(migrations)],
        env=environment({"DIE": "half-way"}),
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert check(filled).faults == []
    assert content(filled.path) == before
    copy = Path(f"{filled.path}.before-{NEXT}")
    assert content(copy) == before
    assert upgrade(later) == Upgraded(TODAY, NEXT, copy)
    assert content(copy) == before


def test_an_upgrade_among_shared_reads_keeps_nothing_open(
    later: Database, migrations: Path
) -> None:
    """A second open of the file in this process would drop the lock of the first."""
    before = content(later.path)
    opened: list[str] = []

    def open_for_writing(message: str) -> None:
        duckdb.connect(str(later.path)).close()
        opened.append(message)

    with later.sharing():
        with later.reading(check_schema=False) as connection:
            connection.execute("SELECT 1").all()
        done = migrate.upgrade(later, notify=open_for_writing, migrations=migrations)
    assert opened == [f"Upgrading the schema from {TODAY} to {NEXT}; the copy is {done.copy}."]
    assert content(Path(f"{later.path}.before-{NEXT}")) == before


def test_an_upgrade_without_room_for_the_copy_changes_nothing(
    later: Database, upgrade: Upgrade
) -> None:
    older = Path(f"{later.path}.before-{TODAY}")
    older.write_text("the copy of the upgrade before")
    before = later.path.read_bytes()
    with limited_file_size(100_000), pytest.raises(DatabaseError) as error:
        upgrade(later)
    assert error.value.exit_code == 8
    assert f"Cannot copy the database before the upgrade from schema {TODAY}" in str(error.value)
    assert later.path.read_bytes() == before
    assert older.exists()
    # The older copy is removed only after the newer one is complete.
    upgrade(later)
    assert [name for name in names(later.path.parent) if "before" in name] == [
        f"jobs.duckdb.before-{NEXT}"
    ]


@pytest.mark.skipif(
    duckdb.__version__ < "2",
    reason="in DuckDB 1.4 an error of the binder does not end the transaction: nothing is lost",
)
def test_an_upgrade_that_duckdb_dropped_is_reported(later: Database, upgrade: Upgrade) -> None:
    """DuckDB silently drops a transaction at COMMIT if an error was caught inside it."""
    before = content(later.path)

    def swallow(connection: Connection) -> None:
        with pytest.raises(duckdb.CatalogException):
            connection.execute("SELECT * FROM no_such_table")

    with pytest.raises((DatabaseError, duckdb.Error)):
        upgrade(later, install_views=swallow)
    assert content(later.path) == before


def test_a_new_file_is_complete_even_beside_a_stray_log(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    Path(f"{path}.wal").write_bytes(b"the log of a database that somebody removed")
    notes: list[str] = []
    migrate.upgrade(Database(path), notify=notes.append)
    assert notes == [f"A write-ahead log without its database is now {path}.wal.stale."]
    assert names(tmp_path) == ["new.duckdb", "new.duckdb.wal.stale"]
    assert mode(path) == 0o600
    assert check(Database(path)).faults == []
