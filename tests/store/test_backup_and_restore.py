"""`db backup` copies a database while others read it; `db restore` puts the copy back."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from exporter.errors import BusyError, DatabaseError, SchemaNewerError, UsageError
from exporter.store.backup import backup, restore
from exporter.store.check import check
from exporter.store.database import Database
from tests.support.files import content, limited_file_size, mode, names, write_and_die
from tests.support.processes import holding

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder for backups."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def test_a_backup_equals_the_file_and_is_private(filled: Database, folder: Path) -> None:
    filled.path.chmod(0o644)
    checked = backup(filled, folder / "copy.duckdb")
    assert names(folder) == ["copy.duckdb"]
    assert mode(folder / "copy.duckdb") == 0o600
    assert (folder / "copy.duckdb").read_bytes() == filled.path.read_bytes()
    assert checked == check(filled)


def test_others_may_read_during_a_backup(filled: Database, folder: Path) -> None:
    with holding(filled.path, read_only=True):
        backup(filled, folder / "copy.duckdb")
    assert content(folder / "copy.duckdb") == content(filled.path)


def test_a_backup_waits_for_a_writer_and_names_it(filled: Database, folder: Path) -> None:
    with holding(filled.path, read_only=False) as writer:
        impatient = Database(filled.path, lock_timeout=0.1)
        with pytest.raises(BusyError, match=f"PID {writer.pid}"):
            backup(impatient, folder / "copy.duckdb")
    assert names(folder) == []


def test_a_backup_contains_commits_of_a_killed_process(filled: Database, folder: Path) -> None:
    write_and_die(filled.path, "CREATE TABLE mine AS SELECT 42 AS answer")
    before = filled.path.read_bytes()
    with holding(filled.path, read_only=True):
        backup(filled, folder / "copy.duckdb")
        # The file itself is unchanged, because a reader holds it.
        assert filled.path.read_bytes() == before
    assert names(folder) == ["copy.duckdb"]
    assert content(folder / "copy.duckdb")["mine"] == [(42,)]


def test_readers_of_an_older_backup_keep_it_when_a_new_one_replaces_it(
    filled: Database, folder: Path
) -> None:
    target = folder / "copy.duckdb"
    backup(filled, target)
    write_and_die(target, "CREATE TABLE by_somebody AS SELECT 1 AS one")
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 42 AS answer")
    with duckdb.connect(str(target), read_only=True) as reader:
        backup(filled, target)
        assert reader.execute("FROM by_somebody").fetchall() == [(1,)]
    # The old log is removed: DuckDB would refuse to open the new file beside it.
    assert names(folder) == ["copy.duckdb"]
    assert content(target)["mine"] == [(42,)]


def test_a_backup_overwrites_only_databases(filled: Database, folder: Path) -> None:
    letter = folder / "letter.txt"
    letter.write_text("Dear reader, this is longer than a header.")
    (folder / "link").symlink_to(filled.path)
    for target in (letter, folder, filled.path, folder / "link", folder / "internal.db"):
        with pytest.raises(UsageError):
            backup(filled, target)
    with pytest.raises(DatabaseError, match="There is no directory"):
        backup(filled, folder / "none" / "copy.duckdb")
    assert letter.read_text().startswith("Dear reader")


def test_a_damaged_database_does_not_replace_a_good_backup(filled: Database, folder: Path) -> None:
    target = folder / "copy.duckdb"
    backup(filled, target)
    good = target.read_bytes()
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("DROP TABLE prices CASCADE")
    with pytest.raises(DatabaseError, match=r"has \d+ faults?: The table prices is missing"):
        backup(filled, target)
    assert (names(folder), target.read_bytes()) == (["copy.duckdb"], good)


def test_a_fault_of_the_ledger_is_named_and_copied(filled: Database, folder: Path) -> None:
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("UPDATE sync_runs SET jobs_inserted = 99 WHERE run_id = 'run-0001'")
    fault = "111122223333/eu-west-1 has 6 jobs, but its runs inserted 99."
    target = folder / "copy.duckdb"
    assert backup(filled, target).faults == [fault]
    assert content(target) == content(filled.path)
    assert restore(filled, target, now=lambda: NOW).checked.faults == [fault]
    assert content(filled.path) == content(target)


def test_what_killed_backups_leave_is_removed(filled: Database, folder: Path) -> None:
    """The folder of a living process is locked; one that is a minute old may not be yet."""
    now = datetime.now(UTC).timestamp()
    for name, age in (("dead", 120), ("young", 30), ("alive", 120)):
        (folder / f".copy.duckdb.new-{name}").mkdir()
        (folder / f".copy.duckdb.new-{name}" / "copy.duckdb").write_text("half")
        os.utime(folder / f".copy.duckdb.new-{name}", (now - age, now - age))
    (folder / ".copy.duckdb.new-link").symlink_to(folder / ".copy.duckdb.new-alive")
    descriptor = os.open(folder / ".copy.duckdb.new-alive", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        backup(filled, folder / "copy.duckdb")
    finally:
        os.close(descriptor)
    assert names(folder) == [
        ".copy.duckdb.new-alive", ".copy.duckdb.new-link", ".copy.duckdb.new-young", "copy.duckdb",
    ]  # fmt: skip
    assert names(folder / ".copy.duckdb.new-alive") == ["copy.duckdb"]


def test_a_restore_keeps_the_replaced_file(filled: Database, folder: Path) -> None:
    saved = folder / "copy.duckdb"
    backup(filled, saved)
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("CREATE TABLE mistake AS SELECT 1 AS one")
    before = content(filled.path)
    done = restore(filled, saved, now=lambda: NOW)
    assert done.kept == Path(f"{filled.path}.replaced-20261103T120000Z")
    assert content(done.kept) == before
    assert content(filled.path) == content(saved)
    assert mode(filled.path) == 0o600
    assert names(filled.path.parent) == sorted(
        ["backups", "jobs.duckdb", "jobs.duckdb.lock", done.kept.name]
    )


def test_a_restore_creates_a_missing_file(filled: Database, folder: Path, tmp_path: Path) -> None:
    backup(filled, folder / "copy.duckdb")
    fresh = Database(tmp_path / "fresh.duckdb")
    assert restore(fresh, folder / "copy.duckdb").kept is None
    assert content(fresh.path) == content(filled.path)


def test_a_restore_replaces_a_file_that_does_not_open(filled: Database, folder: Path) -> None:
    backup(filled, folder / "copy.duckdb")
    good = content(filled.path)
    os.truncate(filled.path, 20_000)
    Path(f"{filled.path}.wal").write_bytes(b"what was left of it")
    done = restore(filled, folder / "copy.duckdb", now=lambda: NOW)
    assert content(filled.path) == good
    assert done.kept is not None
    assert done.kept.stat().st_size == 20_000
    assert Path(f"{done.kept}.wal").read_bytes() == b"what was left of it"


def test_a_restore_waits_for_readers(filled: Database, folder: Path) -> None:
    backup(filled, folder / "copy.duckdb")
    before = filled.path.read_bytes()
    impatient = Database(filled.path, lock_timeout=0.1)
    with (
        holding(filled.path, read_only=True) as reader,
        pytest.raises(BusyError, match=f"PID {reader.pid}"),
    ):
        restore(impatient, folder / "copy.duckdb")
    assert filled.path.read_bytes() == before
    assert names(filled.path.parent) == ["backups", "jobs.duckdb", "jobs.duckdb.lock"]


def test_a_bad_backup_is_never_restored(filled: Database, folder: Path) -> None:
    before = filled.path.read_bytes()
    saved = folder / "copy.duckdb"
    backup(filled, saved)
    letter = folder / "letter.txt"
    letter.write_text("Dear reader")
    foreign = folder / "foreign.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS one")
    newer = folder / "newer.duckdb"
    backup(filled, newer)
    with duckdb.connect(str(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    os.truncate(saved, 20_000)
    for path, error, words in (
        (saved, DatabaseError, "damaged or truncated"),
        (letter, DatabaseError, "not a DuckDB database"),
        (foreign, DatabaseError, f"The DuckDB database {foreign} belongs to another program"),
        (newer, SchemaNewerError, "schema 9999"),
        (folder / "none", UsageError, "There is no file"),
        (filled.path, UsageError, "the database itself"),
    ):
        with pytest.raises(error, match=words):
            restore(filled, path)
        assert filled.path.read_bytes() == before
    assert names(filled.path.parent) == ["backups", "jobs.duckdb", "jobs.duckdb.lock"]


def test_a_target_that_cannot_be_written_stays_as_it_is(filled: Database, folder: Path) -> None:
    target = folder / "copy.duckdb"
    backup(filled, target)
    good = target.read_bytes()
    with limited_file_size(100_000), pytest.raises(DatabaseError, match="File too large"):
        backup(filled, target)
    assert (names(folder), target.read_bytes()) == (["copy.duckdb"], good)
