"""The write-ahead log of a killed process is replayed, moved away, or named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from exporter.errors import DatabaseError
from exporter.store.database import Database
from exporter.store.recovery import recover
from tests.support.files import content, names, write_and_die
from tests.support.processes import PATIENCE, ROOT, environment, holding


def set_value(value: str) -> str:
    return f"INSERT OR REPLACE INTO settings VALUES ('mark', '{value}')"


def mark(database: Database) -> list[str]:
    with database.reading() as connection:
        rows = connection.execute("SELECT value FROM settings WHERE name = 'mark'").all()
    return [str(row[0]) for row in rows]


@pytest.fixture
def outdated(database: Database) -> Path:
    """A file with an older log, as a kill during a checkpoint leaves them.

    Made of byte copies: the log of a killed process is kept, its file opened and closed twice
    (each time the log is folded in, and the file counts one checkpoint more), and put back.
    """
    write_and_die(database.path, set_value("one"))
    log = Path(f"{database.path}.wal")
    kept = log.with_name("kept.wal")
    shutil.copyfile(log, kept)
    for value in ("two", "three"):
        with duckdb.connect(str(database.path)) as connection:
            connection.execute(set_value(value))
    kept.replace(log)
    with pytest.raises(duckdb.IOException, match="WAL checkpoint iteration does not match"):
        duckdb.connect(str(database.path))
    return log


@pytest.mark.parametrize("writes", [False, True])
def test_an_outdated_log_is_moved_away_with_a_message(
    database: Database, outdated: Path, writes: bool
) -> None:
    notes: list[str] = []
    opened = Database(database.path, notify=notes.append)
    if writes:
        with opened.writing() as connection:
            connection.execute("INSERT INTO settings VALUES ('written', 'now')")
    assert mark(opened) == ["three"]
    assert notes == [
        f"A killed process left the database {database.path} with an outdated write-ahead log. "
        f"The file itself is complete. The log is now {outdated}.stale."
    ]
    assert names(database.path.parent) == ["jobs.duckdb", "jobs.duckdb.wal.stale"]
    # The next open finds nothing to recover.
    assert mark(opened) == ["three"]
    assert len(notes) == 1


def test_of_several_processes_one_moves_the_log_away(database: Database, outdated: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from exporter.store.database import Database\n"
        "database = Database(Path(sys.argv[1]), notify=print)\n"
        "sys.stdin.readline()\n"
        "with database.writing() as connection:\n"
        "    connection.raw.execute('INSERT INTO settings VALUES (?, ?)', [sys.argv[2], 'x'])\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(database.path), f"writer {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment({}),
            cwd=ROOT,
        )
        for number in range(3)
    ]
    printed = [process.communicate("go\n", timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert "".join(printed).count("outdated write-ahead log") == 1
    settings = {name for name, _ in content(database.path)["settings"]}
    assert {"mark", "writer 0", "writer 1", "writer 2"} <= settings


def test_commits_of_a_killed_process_are_replayed(database: Database) -> None:
    write_and_die(database.path, set_value("committed"))
    notes: list[str] = []
    assert mark(Database(database.path, notify=notes.append)) == ["committed"]
    assert notes == []


def test_a_truncated_log_keeps_its_complete_commits(database: Database) -> None:
    write_and_die(database.path, set_value("one"))
    log = Path(f"{database.path}.wal")
    whole = log.stat().st_size
    write_and_die(database.path, "CREATE TABLE half AS SELECT 1 AS one")
    assert log.stat().st_size != whole
    log.write_bytes(log.read_bytes()[:-7])
    assert mark(database) == ["one"]


def test_a_log_of_another_database_is_named_and_nothing_changes(
    database: Database, tmp_path: Path
) -> None:
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS one")
    write_and_die(other, "INSERT INTO theirs VALUES (2)")
    log = Path(f"{database.path}.wal")
    Path(f"{other}.wal").replace(log)
    before = database.path.read_bytes(), log.read_bytes()
    for opening in (database.reading, database.writing):
        with pytest.raises(DatabaseError) as error, opening():
            pass
        assert str(error.value).startswith(
            f"{database.path} and its write-ahead log {log} do not belong together: "
        )
        assert error.value.exit_code == 8
    assert (database.path.read_bytes(), log.read_bytes()) == before


def test_a_log_in_use_is_never_moved_away(
    database: Database,
) -> None:
    """Another process may recover the file first, and write to it."""
    error = Exception("File checkpoint iteration: 9, WAL checkpoint iteration: 8")
    notes: list[str] = []
    log = Path(f"{database.path}.wal")
    with holding(database.path, read_only=False, statement=set_value("alive")):
        assert log.exists()
        assert recover(database.path, error, notes.append)  # the answer means: try again
        assert log.exists()
    assert notes == []
    assert mark(database) == ["alive"]
    assert names(database.path.parent) == ["jobs.duckdb"]
