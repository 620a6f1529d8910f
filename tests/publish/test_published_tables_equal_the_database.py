"""Published tables equal the database, change in one step, and are written only if they differ."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable, write_deltalake

from exporter.errors import BusyError, DatabaseError, UsageError
from exporter.publish import lake, run
from exporter.simulator import Scope, Simulator
from exporter.store import export, rates
from exporter.store.batches import Stream
from exporter.store.database import Database
from tests.publish.support import FEW, command, filled
from tests.support.files import limited_file_size

DAY = timedelta(days=1)

Rows = list[dict[str, Any]]


def database_rows(database: Database, name: str) -> Rows:
    with duckdb.connect(str(database.path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return ordered(connection.sql(f"FROM {name}").to_arrow_table())


def lake_rows(folder: Path) -> Rows:
    return ordered(DeltaTable(folder).to_pyarrow_table())


def rows_by_the_log(folder: Path) -> Rows:
    """Read the table without the library that wrote it: the log's JSON, then the files."""
    files: set[str] = set()
    for commit in sorted((folder / "_delta_log").glob("*.json")):
        for line in commit.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                files.add(action["add"]["path"])
            if "remove" in action:
                files.remove(action["remove"]["path"])
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        paths = [str(folder / file) for file in files]
        return ordered(engine.read_parquet(paths).to_arrow_table())


def ordered(table: pa.Table) -> Rows:
    return sorted(table.to_pylist(), key=repr)


def published(database: Database, target: Path, **options: Any) -> dict[str, run.Published]:
    done = run.publish(database, target, **{"retention": DAY, **options})
    return {table.name: table for table in done}


def written(done: dict[str, run.Published]) -> set[str]:
    return {name for name, table in done.items() if table.written}


@pytest.fixture
def synced(database: Database, scope: Scope, simulator: Simulator) -> Database:
    filled(database, simulator.world)
    return database


def test_every_row_of_every_table_is_published(synced: Database, tmp_path: Path) -> None:
    target = tmp_path / "lake"
    done = published(synced, target)
    assert tuple(done) == export.NAMES
    for name in export.NAMES:
        rows = database_rows(synced, name)
        assert rows, name
        assert lake_rows(target / name) == rows
        assert rows_by_the_log(target / name) == rows
        assert done[name].rows == len(rows)


def test_types_and_comments_equal_the_catalogue(synced: Database, tmp_path: Path) -> None:
    published(synced, tmp_path / "lake")
    kinds: set[tuple[str, str]] = set()
    with synced.reading() as connection:
        for source in export.sources(connection):
            table = DeltaTable(tmp_path / "lake" / source.name)
            assert table.metadata().description == source.comment != ""
            fields = json.loads(table.schema().to_json())["fields"]
            assert [(each["name"], each["metadata"]["comment"]) for each in fields] == [
                (name, comment) for name, _, comment in source.columns
            ]
            for each, (_, kind, _) in zip(fields, source.columns, strict=True):
                kinds.add((kind, json.dumps(each["type"])))
    array = {"type": "array", "elementType": "string", "containsNull": True}
    assert kinds == {
        ("BIGINT", '"long"'),
        ("BOOLEAN", '"boolean"'),
        ("DATE", '"date"'),
        ("DECIMAL(38,12)", '"decimal(38,12)"'),
        ("JSON", '"string"'),
        ("TIMESTAMP WITH TIME ZONE", '"timestamp"'),
        ("VARCHAR", '"string"'),
        ("VARCHAR[]", json.dumps(array)),
    }


def test_only_changed_tables_are_written(synced: Database, tmp_path: Path) -> None:
    target = tmp_path / "lake"
    published(synced, target)
    old = DeltaTable(target / "prices")
    before = lake_rows(target / "prices")
    assert written(published(synced, target)) == set()

    with synced.writing() as connection:
        connection.execute(sa.text("UPDATE prices SET source = 'contract'"))
        rates.refresh(connection)
    done = published(synced, target)
    assert {"prices", "daily_costs"} <= written(done)
    assert not {"training_jobs", "sync_runs", "data_as_of"} & written(done)
    assert done["prices"].version == old.version() + 1
    assert lake_rows(target / "prices") == database_rows(synced, "prices") != before
    assert ordered(old.to_pyarrow_table()) == before, "a reader of the old version continues"


def test_a_new_column_is_published(synced: Database, tmp_path: Path) -> None:
    target = tmp_path / "lake"
    published(synced, target, names=FEW)
    with synced.writing() as connection:
        connection.execute(sa.text("ALTER TABLE prices ADD COLUMN note VARCHAR DEFAULT 'mine'"))
        connection.execute(sa.text("COMMENT ON TABLE prices IS 'Prices, with notes'"))
    assert written(published(synced, target, names=FEW)) == {"prices"}
    assert lake_rows(target / "prices") == database_rows(synced, "prices")
    assert DeltaTable(target / "prices").metadata().description == "Prices, with notes"
    assert written(published(synced, target, names=FEW)) == set()


def test_rows_of_another_program_are_replaced(synced: Database, tmp_path: Path) -> None:
    folder = tmp_path / "lake" / "prices"
    published(synced, folder.parent, names=FEW)
    DeltaTable(folder).delete()
    assert lake_rows(folder) == []
    assert written(published(synced, folder.parent, names=FEW)) == {"prices"}
    assert lake_rows(folder) == database_rows(synced, "prices")
    DeltaTable(folder).optimize.compact()
    assert written(published(synced, folder.parent, names=FEW)) == set()


def test_old_files_are_removed_after_the_retention(synced: Database, tmp_path: Path) -> None:
    folder = tmp_path / "lake" / "prices"
    for number in range(3):
        with synced.writing() as connection:
            connection.execute(sa.text(f"UPDATE prices SET source = '{number}'"))
        published(synced, folder.parent, names=FEW)
    (left := folder / "part-left-by-a-kill.parquet").touch()
    for file in folder.glob("*.parquet"):
        os.utime(file, (0, 0))
    assert len(list(folder.glob("*.parquet"))) == 4
    assert published(synced, folder.parent, names=FEW)["prices"].files_removed == 1
    assert not left.exists()
    assert lake.clear(folder, timedelta(0)) == 2
    assert lake_rows(folder) == database_rows(synced, "prices")
    assert written(published(synced, folder.parent, names=FEW)) == set()


@pytest.mark.parametrize("first", [True, False])
def test_the_publish_after_a_kill_repairs_the_tables(
    synced: Database, tmp_path: Path, *, first: bool
) -> None:
    """After each kill, the test publishes to a copy of the target."""
    target = tmp_path / "lake"
    if not first:
        published(synced, target, names=FEW)
    before = {name: lake_rows(target / name) for name in FEW if not first}
    with synced.writing() as connection:
        for table in ("training_jobs", "prices"):
            column = "team" if table == "training_jobs" else "source"
            connection.execute(sa.text(f"UPDATE {table} SET {column} = 'after'"))
    for where in ("opened", "half", "committed"):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.publish.stops", where, str(synced.path), str(target)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == f"{where}\n"
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        repaired = tmp_path / f"repaired-{where}"
        shutil.copytree(target, repaired)
        for name, rows in before.items():
            now = lake_rows(repaired / name)
            assert now in (rows, database_rows(synced, name))
        published(synced, repaired, names=FEW)
        for name in FEW:
            assert lake_rows(repaired / name) == database_rows(synced, name)


def test_other_files_are_never_changed(synced: Database, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    holiday = tmp_path / "holiday"
    holiday.mkdir()
    (holiday / "photo.jpg").write_text("mine")
    theirs = tmp_path / "theirs"
    write_deltalake(theirs / "prices", pa.table({"a": [1]}))
    plain = tmp_path / "plain"
    (plain / "training_jobs").mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), plain / "training_jobs" / "part-0.parquet")
    for target in (file, holiday, theirs, plain):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        with pytest.raises(UsageError, match=str(target)):
            published(synced, target)
        assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(DatabaseError, match="There is no directory"):
        published(synced, tmp_path / "nowhere" / "lake")
    for name in ("a[b]", "a%20b", "a\nb"):
        with pytest.raises(UsageError, match=r"allows no .* in a path"):
            published(synced, tmp_path / name)
        assert not (tmp_path / name).exists()


def test_a_failure_while_writing_is_reported_as_itself(synced: Database, tmp_path: Path) -> None:
    """Not as an error of the connection, which cannot close before its rows are read or dropped."""

    def fail(folder: Path, name: str, comment: str, rows: Stream, fingerprint: str) -> int:
        rows.read_next_batch()
        with limited_file_size(100):
            return lake.replace(folder, name, comment, rows, fingerprint)

    with pytest.raises(DatabaseError, match="Cannot publish to "):
        published(synced, tmp_path / "lake", replace=fail)


def test_concurrent_publishes_keep_the_first_commit(
    synced: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(synced, tmp_path / "lake", names=FEW)
    folder = tmp_path / "lake" / "prices"
    with synced.reading() as connection:
        source = next(each for each in export.sources(connection) if each.name == "prices")
        with export.read(connection, source) as reader:
            rows = pa.table(reader)

    def quicker() -> Iterator[pa.RecordBatch]:
        theirs = (folder, "prices", source.comment, rows.to_reader(), "first")
        other = Thread(target=lake.replace, args=theirs)
        other.start()
        other.join()
        yield from rows.to_batches()

    late = pa.RecordBatchReader.from_batches(rows.schema, quicker())
    with pytest.raises(BusyError, match="Another program wrote"):
        lake.replace(folder, "prices", source.comment, late, "late")
    assert lake.published(folder) == (2, "first")


def test_the_database_is_free_while_tables_are_written(synced: Database, tmp_path: Path) -> None:
    def write(_: run.Published) -> None:
        with synced.writing() as connection:
            connection.execute(sa.text("DELETE FROM training_job_details"))

    before = database_rows(synced, "training_job_details")
    published(synced, tmp_path / "lake", notify=write)
    assert database_rows(synced, "training_job_details") == []
    assert lake_rows(tmp_path / "lake" / "training_job_details") == before


def test_a_writer_is_waited_for(synced: Database, tmp_path: Path) -> None:
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(synced.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    impatient = Database(synced.path, lock_timeout=0)
    with pytest.raises(BusyError, match=f"PID {holder.pid}"):
        published(impatient, tmp_path / "lake", names=FEW)
    assert not (tmp_path / "lake").exists()
    patient = Database(
        synced.path, lock_timeout=30, notify=lambda _: holder.communicate("\n") and None
    )
    assert len(published(patient, tmp_path / "lake", names=FEW)) == len(FEW)


def test_the_command(
    synced: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    code, out, err = command(capfd, "--db", str(synced.path), "publish", "lake")
    assert (code, err) == (0, "publish: 11 of 11 tables written to lake\n")
    assert out.splitlines()[-1] == "data_as_of: 1 row, version 1, written"
    code, out, err = command(capfd, "--db", str(synced.path), "publish", "lake", "--json")
    printed = json.loads(out)
    assert (code, err, printed["version"], printed["target"]) == (0, "", 1, "lake")
    assert printed["tables"][-1] == {
        "name": "data_as_of",
        "rows": 1,
        "version": 1,
        "written": False,
        "files_removed": 0,
    }
    code, _, err = command(capfd, "--db", str(synced.path), "publish", "s3://bucket/lake")
    assert (code, "not a URL" in err) == (2, True)
    monkeypatch.setenv("SAGEMAKER_EXPORTER_PUBLISH_RETENTION", "5m")
    code, _, err = command(capfd, "--db", str(synced.path), "publish", "lake")
    assert (code, "at least 1h" in err) == (2, True)
