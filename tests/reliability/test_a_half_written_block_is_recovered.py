"""A kill in the middle of writing any block loses no committed data.

DuckDB writes a checkpoint block by block. These tests write half of each block into the file of
a killed process, as a kill in the middle of that write would.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from exporter.errors import DatabaseError
from exporter.simulator import Scope, Simulator
from exporter.store.check import check
from exporter.store.database import Database
from tests.reliability.ordeal import differences
from tests.support.files import content, mode, names, write_and_die
from tests.support.syncing import Syncer

#: DuckDB's file format: three headers, then blocks.
HEADERS, BLOCK = 3 * 4096, 262_144
#: A row in each table that a commit writes.
COMMIT = """
BEGIN;
INSERT OR REPLACE INTO settings VALUES ('mark', 'committed');
UPDATE training_jobs SET team = 'Marked' WHERE training_job_name = 'job-3';
UPDATE training_job_details SET fetched_at = now();
UPDATE sync_runs SET error = 'marked';
COMMIT
"""


@pytest.fixture
def killed(database: Database, simulator: Simulator, scope: Scope) -> Path:
    """A file with some jobs, and the log of a commit before its checkpoint."""
    for number in range(30):
        scope.create_job(f"job-{number}", tags={"n": str(number)})
    syncer = Syncer(database, scope, simulator)
    for _ in range(3):
        simulator.world.advance(3_600)
        syncer.sync()
    write_and_die(database.path, COMMIT)
    return database.path


def torn_files(killed: Path, folder: Path) -> Iterator[Path]:
    """Yield copies, each with another block half written."""
    log = Path(f"{killed}.wal")
    # A checkpoint writes the name of the database into its blocks.
    after = folder / "after" / killed.name
    after.parent.mkdir()
    shutil.copyfile(killed, after)
    shutil.copyfile(log, f"{after}.wal")
    duckdb.connect(str(after)).close()
    assert not Path(f"{after}.wal").exists()
    old, new = killed.read_bytes(), after.read_bytes()
    for place in range(HEADERS, len(old), BLOCK):
        for written in (4_096, BLOCK // 2):
            half = new[place : place + written] + old[place + written : place + BLOCK]
            if half in (old[place : place + BLOCK], new[place : place + BLOCK]):
                continue
            path = folder / str(place) / str(written) / "jobs.duckdb"
            path.parent.mkdir(parents=True)
            path.write_bytes(old[:place] + half + old[place + len(half) :])
            path.chmod(0o640)
            shutil.copyfile(log, f"{path}.wal")
            yield path


def opens(path: Path) -> bool:
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.Error:
        return False
    return True


def test_any_half_written_block_is_recovered(
    killed: Path, tmp_path: Path, simulator: Simulator, scope: Scope
) -> None:
    (tmp_path / "torn").mkdir()
    paths = list(torn_files(killed, tmp_path / "torn"))
    broken = [path for path in paths if not opens(path)]
    assert broken  # if not, DuckDB handles this itself, and the recovery is superfluous
    wanted = content(killed)
    for path in paths:
        notes: list[str] = []
        database = Database(path, notify=notes.append)
        kept = Path(f"{path}.torn")
        before = path.read_bytes()
        assert ("mark", "committed") in {tuple(row) for row in _settings(database)}
        assert content(path) == wanted
        if path in broken:
            assert check(database).faults == []
            assert notes == [
                f"A killed process left the database {path} with one block half written. "
                f"No committed data is lost. The file as it was is now {kept}."
            ]
            assert kept.read_bytes() == before
            assert mode(path) == mode(kept) == 0o640
            assert names(path.parent) == [
                "jobs.duckdb", "jobs.duckdb.torn", "jobs.duckdb.torn.wal", "jobs.duckdb.wal",
            ]  # fmt: skip
        else:
            assert notes == []
    # The next sync continues from there.
    syncer = Syncer(Database(broken[0]), scope, simulator)
    syncer.sync(full=True)
    assert differences(syncer.database, scope) == []
    assert "jobs.duckdb.wal" not in names(broken[0].parent)


def _settings(database: Database) -> list[tuple[str, str]]:
    with database.reading() as connection:
        rows = connection.execute("SELECT name, value FROM settings").all()
    return [(str(name), str(value)) for name, value in rows]


def test_other_damage_is_named_and_left_alone(killed: Path, tmp_path: Path) -> None:
    """A kill leaves a log, and leaves both halves of the block intact."""
    (tmp_path / "torn").mkdir()
    broken = next(path for path in torn_files(killed, tmp_path / "torn") if not opens(path))
    before = broken.read_bytes()
    log = Path(f"{broken}.wal")
    kept = log.rename(tmp_path / "kept.wal")
    with pytest.raises(DatabaseError, match="is damaged or truncated"), Database(broken).reading():
        pass
    kept.rename(log)
    place = int(broken.parent.parent.name)
    scrambled = before[: place + 8] + bytes(byte ^ 0x55 for byte in before[place + 8 :])
    broken.write_bytes(scrambled)
    with pytest.raises(DatabaseError, match="is damaged or truncated"), Database(broken).reading():
        pass
    assert broken.read_bytes() == scrambled
    assert names(broken.parent) == ["jobs.duckdb", "jobs.duckdb.wal"]
