"""Readers and writers of other processes: waited for, named, and never in the way for long."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from exporter.errors import BusyError
from exporter.simulator import Fault, Scope, Simulator
from exporter.store.database import Database
from exporter.store.locks import sync_lock
from tests.reliability.ordeal import query, stored
from tests.support.processes import Zygotes, holding, until
from tests.support.syncing import differences


def sync(path: Path, *options: str) -> list[str]:
    return ["--db", str(path), "sync", "--max-rps", "0", *options]


@pytest.mark.parametrize("read_only", [True, False])
def test_a_sync_ends_with_the_holders_pid_when_the_timeout_is_over(
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
    assert differences(stored(database), scope) == []


def test_a_reader_who_comes_in_the_middle_of_a_sync_is_named_once_the_timeout_is_over(
    zygotes: Zygotes, simulator: Simulator, database: Database, scope: Scope
) -> None:
    """And the timeout is not waited for a second time, to write that into the ledger."""
    scope.create_job("job")
    opened = threading.Event()
    simulator.on_answer = lambda call: call.operation == "ListTrainingJobs" and opened.wait(30)
    process = zygotes.start(sync(database.path, "--lock-timeout", "1"), simulator.environment())
    until(lambda: any(call.operation == "ListTrainingJobs" for call in simulator.calls))
    with holding(database.path, read_only=True) as reader:
        opened.set()
        ended = process.wait()
    waiting, failure = ended.err.splitlines()  # a second wait would say so a second time
    assert (ended.code, f"PID {reader.pid}" in waiting, f"PID {reader.pid}" in failure) == (
        4, True, True
    )  # fmt: skip


def test_it_goes_on_as_soon_as_the_file_is_free(database: Database) -> None:
    told: list[str] = []
    with holding(database.path, read_only=False) as holder:

        def free(line: str) -> None:
            told.append(line)
            holder.kill()

        waiting = Database(database.path, lock_timeout=20, notify=free)
        with waiting.writing() as connection:
            connection.exec_driver_sql("INSERT INTO settings VALUES ('a', 'b')")
    assert [f"PID {holder.pid}" in line for line in told] == [True]
    with waiting.reading() as connection:
        rows = connection.exec_driver_sql("SELECT value FROM settings WHERE name = 'a'").all()
    assert [tuple(row) for row in rows] == [("b",)]


def test_a_reader_waits_for_a_writer_and_readers_never_for_each_other(database: Database) -> None:
    impatient = Database(database.path, lock_timeout=0.1)
    with (
        holding(database.path, read_only=False) as writer,
        pytest.raises(BusyError, match=f"PID {writer.pid}") as error,
        impatient.reading(),
    ):
        pass
    assert error.value.exit_code == 4
    with holding(database.path, read_only=True), impatient.reading() as connection:
        assert connection.exec_driver_sql("SELECT 42").all()[0][0] == 42


def test_no_connection_is_held_while_the_service_is_asked(
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
        # Anybody may write meanwhile, let alone read.
        with holding(database.path, read_only=False):
            pass
        process.send(signal.SIGKILL)
        process.wait()


def test_a_second_sync_waits_its_turn_and_the_lock_dies_with_its_process(
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
        "Nothing is lost; the next run does what this one would have done.",
    ]

    third = zygotes.start(sync(database.path), simulator.environment())
    until(lambda: "Waiting for another sync" in third.said())
    first.send(signal.SIGKILL)
    assert third.wait().code == 0
    first.wait()
    outcomes = query(database, "SELECT outcome, error FROM sync_runs ORDER BY started_at")
    assert outcomes == [("complete", None)]
    assert differences(stored(database), scope) == []


def test_the_lock_is_one_for_both_names_of_a_file(database: Database, tmp_path: Path) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(database.path)
    with (
        sync_lock(database.path, 0),
        pytest.raises(BusyError, match="Another sync of"),
        sync_lock(Database(link).path, 0),
    ):
        pass


def test_two_syncs_at_once_of_one_file_both_end_well(
    zygotes: Zygotes, simulator: Simulator, database: Database, scope: Scope
) -> None:
    for number in range(20):
        scope.create_job(f"job-{number}")
    processes = [
        zygotes.start(sync(database.path), simulator.environment(), page=5, batch_rows=10)
        for _ in range(3)
    ]
    assert [process.wait().code for process in processes] == [0, 0, 0]
    assert differences(stored(database), scope) == []
    assert query(database, "SELECT count(*), sum(jobs_inserted) FROM sync_runs") == [(3, 20)]
