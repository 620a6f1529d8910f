"""The program waits for readers and writers of other processes, and names them."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from exporter.errors import BusyError
from exporter.simulator import Fault, Scope, Simulator
from exporter.store.database import Database
from exporter.store.locks import is_syncing, sync_lock
from tests.reliability.ordeal import differences, query
from tests.support.processes import Zygotes, holding, until


def sync(path: Path, *options: str) -> list[str]:
    return ["--db", str(path), "sync", "--max-rps", "0", *options]


@pytest.mark.parametrize("read_only", [True, False])
def test_a_timeout_names_the_pid_of_the_lock_holder(
    zygotes: Zygotes, simulator: Simulator, database: Database, scope: Scope, read_only: bool
) -> None:
    scope.create_job("job")
    with holding(database.path, read_only=read_only) as holder:
        ended = zygotes.run(sync(database.path, "--lock-timeout", "0.5"), simulator.environment())
    waiting, failure = ended.err.splitlines()
    name = f"(PID {holder.pid})"
    assert ended.code == 4
    assert waiting.startswith(f"Waiting for the database {database.path}, held by ")
    assert waiting.endswith(f"{name}.")
    assert failure.startswith(f"sagemaker-exporter: The database {database.path} is kept open by ")
    assert name in failure
    assert "for longer than 0.5 s. Nothing is lost." in failure

    assert zygotes.run(sync(database.path), simulator.environment()).code == 0
    assert differences(database, scope) == []


def test_a_reader_that_arrives_during_a_sync_is_waited_for_once(
    zygotes: Zygotes, simulator: Simulator, database: Database, scope: Scope
) -> None:
    """The sync does not wait a second time to record the failure in the ledger."""
    scope.create_job("job")
    opened = threading.Event()
    simulator.on_answer = lambda call: call.operation == "ListTrainingJobs" and opened.wait(30)
    process = zygotes.start(sync(database.path, "--lock-timeout", "1"), simulator.environment())
    until(lambda: any(call.operation == "ListTrainingJobs" for call in simulator.calls))
    with holding(database.path, read_only=True) as reader:
        opened.set()
        ended = process.wait()
    waiting, failure = ended.err.splitlines()  # a second wait would print a second line
    assert (ended.code, f"PID {reader.pid}" in waiting, f"PID {reader.pid}" in failure) == (
        4, True, True
    )  # fmt: skip


def test_a_writer_continues_as_soon_as_the_file_is_free(database: Database) -> None:
    notes: list[str] = []
    with holding(database.path, read_only=False) as holder:

        def free(line: str) -> None:
            notes.append(line)
            holder.kill()

        waiting = Database(database.path, lock_timeout=20, notify=free)
        with waiting.writing() as connection:
            connection.execute("INSERT INTO settings VALUES ('a', 'b')")
    assert [f"PID {holder.pid}" in line for line in notes] == [True]
    with waiting.reading() as connection:
        rows = connection.execute("SELECT value FROM settings WHERE name = 'a'").all()
    assert [tuple(row) for row in rows] == [("b",)]


def test_a_reader_waits_for_writers_but_not_for_readers(database: Database) -> None:
    impatient = Database(database.path, lock_timeout=0.1)
    with (
        holding(database.path, read_only=False) as writer,
        pytest.raises(BusyError, match=f"PID {writer.pid}") as error,
        impatient.reading(),
    ):
        pass
    assert error.value.exit_code == 4
    with holding(database.path, read_only=True), impatient.reading() as connection:
        assert connection.execute("SELECT 42").all()[0][0] == 42


def test_the_file_is_free_during_calls_to_the_service(
    zygotes: Zygotes, simulator: Simulator, database: Database, scope: Scope
) -> None:
    scope.create_job("job")
    for operation in ("ListTrainingJobs", "Search"):
        simulator.clear_faults()
        simulator.inject(Fault("hang", operation=operation, seconds=30))
        simulator.calls.clear()
        process = zygotes.start(sync(database.path), simulator.environment())
        until(lambda: any(call.fault for call in simulator.calls))
        time.sleep(0.05)
        # Another process may open the file, even for writing.
        with holding(database.path, read_only=False):
            pass
        process.send(signal.SIGKILL)
        process.wait()


def test_a_second_sync_waits_until_the_first_ends_or_dies(
    zygotes: Zygotes, simulator: Simulator, database: Database, scope: Scope
) -> None:
    scope.create_job("job")
    simulator.inject(Fault("hang", operation="ListTrainingJobs", seconds=60))
    first = zygotes.start(sync(database.path), simulator.environment())
    until(lambda: any(call.fault for call in simulator.calls))

    second = zygotes.run(sync(database.path, "--lock-timeout", "0.3"), simulator.environment())
    assert second.code == 4
    assert second.err.splitlines() == [
        f"Waiting for another sync of {database.path} (PID {first.pid}).",
        f"sagemaker-exporter: Another sync of {database.path} is running (PID {first.pid}). "
        "Nothing is lost; the next run catches up.",
    ]

    third = zygotes.start(sync(database.path), simulator.environment())
    until(lambda: "Waiting for another sync" in third.stderr())
    first.send(signal.SIGKILL)
    assert third.wait().code == 0
    first.wait()
    outcomes = query(database, "SELECT outcome, error FROM sync_runs ORDER BY started_at")
    assert outcomes == [("complete", None)]
    assert differences(database, scope) == []


def test_a_file_and_a_link_to_it_share_one_lock(database: Database, tmp_path: Path) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(database.path)
    with (
        sync_lock(database.path, 0),
        pytest.raises(BusyError, match="Another sync of"),
        sync_lock(Database(link).path, 0),
    ):
        pass


def test_concurrent_syncs_of_one_file_all_succeed(
    zygotes: Zygotes, simulator: Simulator, database: Database, scope: Scope
) -> None:
    for number in range(20):
        scope.create_job(f"job-{number}")
    processes = [
        zygotes.start(sync(database.path), simulator.environment(), page=5, batch_rows=10)
        for _ in range(3)
    ]
    assert [process.wait().code for process in processes] == [0, 0, 0]
    assert differences(database, scope) == []
    assert query(database, "SELECT count(*), sum(jobs_inserted) FROM sync_runs") == [(3, 20)]


def test_no_lock_file_stays_without_a_database(tmp_path: Path) -> None:
    """A process that has waited for a lock whose file is removed takes a new one."""
    path = tmp_path / "new.duckdb"
    first = ExitStack()
    first.enter_context(sync_lock(path, 0))
    with sync_lock(path, 5, sleep=lambda _: first.close()):
        assert [file.name for file in tmp_path.iterdir()] == ["new.duckdb.lock"]
        with pytest.raises(BusyError), sync_lock(path, 0):
            pass
        assert is_syncing(path)
    assert list(tmp_path.iterdir()) == []
    assert not is_syncing(path)
    path.touch()
    with sync_lock(path, 0):
        pass
    assert (tmp_path / "new.duckdb.lock").exists()
