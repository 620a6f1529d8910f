"""`--snapshot` publishes a consistent copy in one step, and readers may keep it open."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from exporter.config.model import Configuration, Source, SyncOptions
from exporter.errors import DatabaseError, UsageError
from exporter.simulator import Scope, Simulator
from exporter.store import snapshot
from exporter.store.database import Database
from exporter.syncing.run import run_sync
from tests.support.files import content, mode, names, write_and_die
from tests.support.processes import PATIENCE


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    folder.mkdir()
    return folder / "snapshot.duckdb"


def test_a_snapshot_equals_the_database_and_everybody_may_read_it(
    filled: Database, target: Path
) -> None:
    snapshot.publish(filled, target)
    assert content(target) == content(filled.path)
    assert mode(target) == 0o444
    snapshot.publish(filled, target, 0o640)
    assert mode(target) == 0o640
    assert names(target.parent) == [target.name]


def test_open_readers_keep_the_old_snapshot_and_new_readers_see_the_new_one(
    filled: Database, target: Path
) -> None:
    snapshot.publish(filled, target)
    reader = duckdb.connect(str(target), read_only=True)
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("UPDATE sync_scopes SET last_error = 'newer'")
    snapshot.publish(filled, target)
    query = "SELECT last_error FROM sync_scopes"
    assert reader.execute(query).fetchall() == [(None,)]
    reader.close()
    assert duckdb.connect(str(target), read_only=True).execute(query).fetchall() == [("newer",)]


def test_publishing_removes_the_log_of_a_killed_writer(filled: Database, target: Path) -> None:
    snapshot.publish(filled, target, 0o644)
    write_and_die(target, "CREATE TABLE scratch AS SELECT 1 AS one")
    snapshot.publish(filled, target)
    assert names(target.parent) == [target.name]
    assert content(target) == content(filled.path)


def test_every_reader_sees_complete_commits(filled: Database, target: Path) -> None:
    """A process opens the snapshot again and again while it is published."""
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("CREATE TABLE one AS SELECT 0 AS number")
        connection.execute("CREATE TABLE two AS SELECT 0 AS number")
    snapshot.publish(filled, target)
    code = (
        "import duckdb, sys, time\n"
        "seen = set()\n"
        "print('ready', flush=True)\n"
        "while 8 not in seen:\n"
        "    with duckdb.connect(sys.argv[1], read_only=True) as connection:\n"
        "        one, two = connection.execute(\n"
        "            'SELECT one.number, two.number FROM one, two').fetchone()\n"
        "    assert one == two, (one, two)\n"
        "    seen.add(one)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for _ in range(8):
            with duckdb.connect(str(filled.path)) as connection:
                connection.execute("BEGIN")
                connection.execute("UPDATE one SET number = number + 1")
                connection.execute("UPDATE two SET number = number + 1")
                connection.execute("COMMIT")
            snapshot.publish(filled, target)
        assert reader.wait(PATIENCE) == 0


@pytest.mark.usefixtures("simulator")
def test_a_snapshot_includes_the_new_watermark(
    database: Database, target: Path, scope: Scope
) -> None:
    options = SyncOptions(max_rps=0, snapshot=target, snapshot_mode=0o440)
    configuration = Configuration()

    def sync(options: SyncOptions = options) -> None:
        assert run_sync(database, [Source()], options, configuration).exit_code == 0

    scope.create_job("first")
    sync()
    assert content(target) == content(database.path)
    assert mode(target) == 0o440
    scope.clock.advance(60)
    first = target.stat()
    sync()
    assert content(target) == content(database.path)
    assert target.stat().st_ino != first.st_ino

    # A one-off that finds nothing has its row of the ledger.
    sync(SyncOptions(max_rps=0, snapshot=target, name_contains="none"))
    assert content(target) == content(database.path)


def test_an_impossible_snapshot_fails_before_the_sync(
    database: Database, target: Path, simulator: Simulator
) -> None:
    letter = target.with_name("letter")
    letter.write_text("Dear reader, this is longer than a header.")
    for path, error in (
        (database.path, UsageError),
        (letter, UsageError),
        (target.parent / "none" / "snapshot.duckdb", DatabaseError),
    ):
        with pytest.raises(error):
            run_sync(database, [Source()], SyncOptions(snapshot=path), Configuration())
    assert simulator.calls == []
    assert letter.read_text().startswith("Dear")


def test_a_link_to_the_database_is_never_a_target(filled: Database, tmp_path: Path) -> None:
    """DuckDB would keep one log for each name of the file."""
    link = tmp_path / "link.duckdb"
    link.symlink_to(filled.path)
    linked = Database(link)
    assert linked.path == filled.path
    shutil.copyfile(filled.path, tmp_path / "spare.duckdb")
    with pytest.raises(UsageError, match="the database itself"):
        snapshot.publish(filled, link)
