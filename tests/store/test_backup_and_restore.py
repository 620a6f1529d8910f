"""`db backup` and `db restore`: a checked copy while others read, and back again, safely."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from exporter.errors import BusyError, DatabaseError, SchemaNewerError, UsageError
from exporter.store import care, copies
from exporter.store.database import Database
from tests.support.files import content, mode, names, write_and_die
from tests.support.processes import holding

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where backups go."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def test_a_backup_is_the_same_and_its_owners_only(filled: Database, folder: Path) -> None:
    filled.path.chmod(0o644)
    checked = care.backup(filled, folder / "copy.duckdb")
    assert names(folder) == ["copy.duckdb"]
    assert mode(folder / "copy.duckdb") == 0o600
    assert (folder / "copy.duckdb").read_bytes() == filled.path.read_bytes()
    assert checked == care.check(filled)


def test_it_is_made_while_others_read(filled: Database, folder: Path) -> None:
    with holding(filled.path, read_only=True):
        care.backup(filled, folder / "copy.duckdb")
    assert content(folder / "copy.duckdb") == content(filled.path)


def test_it_waits_for_a_writer_and_names_it(filled: Database, folder: Path) -> None:
    with holding(filled.path, read_only=False) as writer:
        impatient = Database(filled.path, lock_timeout=0.1)
        with pytest.raises(BusyError, match=f"PID {writer.pid}"):
            care.backup(impatient, folder / "copy.duckdb")
    assert names(folder) == []


def test_what_a_killed_process_had_committed_is_in_it(filled: Database, folder: Path) -> None:
    write_and_die(filled.path, "CREATE TABLE mine AS SELECT 42 AS answer")
    before = filled.path.read_bytes()
    with holding(filled.path, read_only=True):
        care.backup(filled, folder / "copy.duckdb")
        # The file itself was not written to: whoever reads it holds it.
        assert filled.path.read_bytes() == before
    assert names(folder) == ["copy.duckdb"]
    assert content(folder / "copy.duckdb")["mine"] == [(42,)]


def test_the_backup_before_is_replaced_at_once_and_its_readers_keep_it(
    filled: Database, folder: Path
) -> None:
    target = folder / "copy.duckdb"
    care.backup(filled, target)
    write_and_die(target, "CREATE TABLE by_somebody AS SELECT 1 AS one")
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 42 AS answer")
    with duckdb.connect(str(target), read_only=True) as reader:
        care.backup(filled, target)
        assert reader.execute("FROM by_somebody").fetchall() == [(1,)]
    # The log of the old one is gone: with it, the new one could not be opened.
    assert names(folder) == ["copy.duckdb"]
    assert content(target)["mine"] == [(42,)]


def test_nothing_but_a_database_is_ever_overwritten(filled: Database, folder: Path) -> None:
    letter = folder / "letter.txt"
    letter.write_text("Dear reader, this is longer than a header.")
    (folder / "link").symlink_to(filled.path)
    for target in (letter, folder, filled.path, folder / "link"):
        with pytest.raises(UsageError):
            care.backup(filled, target)
    with pytest.raises(DatabaseError, match="There is no directory"):
        care.backup(filled, folder / "none" / "copy.duckdb")
    assert letter.read_text().startswith("Dear reader")


def test_a_damaged_database_does_not_replace_a_good_backup(filled: Database, folder: Path) -> None:
    target = folder / "copy.duckdb"
    care.backup(filled, target)
    good = target.read_bytes()
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("DROP TABLE prices CASCADE")
    with pytest.raises(DatabaseError, match=r"has \d+ faults?: The table prices is missing"):
        care.backup(filled, target)
    assert (names(folder), target.read_bytes()) == (["copy.duckdb"], good)


def test_what_a_killed_backup_left_is_cleared_away_when_it_is_old(
    filled: Database, folder: Path
) -> None:
    for name, age in ((".copy.duckdb.new-1", 7200), (".copy.duckdb.new-2", 60)):
        (folder / name).write_text("half")
        moment = datetime.now(UTC).timestamp() - age
        os.utime(folder / name, (moment, moment))
    care.backup(filled, folder / "copy.duckdb")
    assert names(folder) == [".copy.duckdb.new-2", "copy.duckdb"]


def test_a_backup_is_put_back_and_what_it_replaces_is_kept(filled: Database, folder: Path) -> None:
    backup = folder / "copy.duckdb"
    care.backup(filled, backup)
    with duckdb.connect(str(filled.path)) as connection:
        connection.execute("CREATE TABLE mistake AS SELECT 1 AS one")
    before = content(filled.path)
    done = care.restore(filled, backup, now=lambda: NOW)
    assert done.kept == Path(f"{filled.path}.replaced-20261103T120000Z")
    assert content(done.kept) == before
    assert content(filled.path) == content(backup)
    assert mode(filled.path) == 0o600
    assert names(filled.path.parent) == sorted(
        ["backups", "jobs.duckdb", "jobs.duckdb.lock", done.kept.name]
    )


def test_it_is_put_where_there_was_nothing(filled: Database, folder: Path, tmp_path: Path) -> None:
    care.backup(filled, folder / "copy.duckdb")
    fresh = Database(tmp_path / "fresh.duckdb")
    assert care.restore(fresh, folder / "copy.duckdb").kept is None
    assert content(fresh.path) == content(filled.path)


def test_it_takes_the_place_of_a_file_that_cannot_be_opened(filled: Database, folder: Path) -> None:
    care.backup(filled, folder / "copy.duckdb")
    good = content(filled.path)
    os.truncate(filled.path, 20_000)
    Path(f"{filled.path}.wal").write_bytes(b"what was left of it")
    done = care.restore(filled, folder / "copy.duckdb", now=lambda: NOW)
    assert content(filled.path) == good
    assert done.kept is not None
    assert done.kept.stat().st_size == 20_000
    assert Path(f"{done.kept}.wal").read_bytes() == b"what was left of it"


def test_it_waits_for_readers_and_for_a_running_sync(filled: Database, folder: Path) -> None:
    care.backup(filled, folder / "copy.duckdb")
    before = filled.path.read_bytes()
    impatient = Database(filled.path, lock_timeout=0.1)
    with (
        holding(filled.path, read_only=True) as reader,
        pytest.raises(BusyError, match=f"PID {reader.pid}"),
    ):
        care.restore(impatient, folder / "copy.duckdb")
    assert filled.path.read_bytes() == before
    assert names(filled.path.parent) == ["backups", "jobs.duckdb", "jobs.duckdb.lock"]


def test_a_bad_backup_replaces_nothing(filled: Database, folder: Path) -> None:
    before = filled.path.read_bytes()
    backup = folder / "copy.duckdb"
    care.backup(filled, backup)
    letter = folder / "letter.txt"
    letter.write_text("Dear reader")
    foreign = folder / "foreign.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS one")
    newer = folder / "newer.duckdb"
    care.backup(filled, newer)
    with duckdb.connect(str(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    os.truncate(backup, 20_000)
    for path, error, words in (
        (backup, DatabaseError, "damaged or cut short"),
        (letter, DatabaseError, "not a DuckDB database"),
        (foreign, DatabaseError, f"The DuckDB database {foreign} belongs to something else"),
        (newer, SchemaNewerError, "schema 9999"),
        (folder / "none", UsageError, "There is no file"),
        (filled.path, UsageError, "the database itself"),
    ):
        with pytest.raises(error, match=words):
            care.restore(filled, path)
        assert filled.path.read_bytes() == before
    assert names(filled.path.parent) == ["backups", "jobs.duckdb", "jobs.duckdb.lock"]


def test_a_target_that_cannot_be_written_stays_as_it_is(
    filled: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder / "copy.duckdb"
    care.backup(filled, target)
    good = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "_write", full)
    with pytest.raises(DatabaseError, match="No space left on device"):
        care.backup(filled, target)
    assert (names(folder), target.read_bytes()) == (["copy.duckdb"], good)
