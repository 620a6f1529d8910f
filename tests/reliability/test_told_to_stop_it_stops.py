"""SIGTERM and Ctrl-C: gone within five seconds, from wherever it waits, the ledger closed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.simulator import Behaviour, Fault, Scope, Simulator
from exporter.store.database import Database
from tests.reliability.ordeal import STOPS_WITHIN, query, stored
from tests.reliability.processes import Ended, Running, Zygotes, holding, program, until
from tests.sync.support import differences

SAID = "sagemaker-exporter: Interrupted. What was committed is safe.\n"

Start = Callable[..., Running]


@pytest.fixture
def start(zygotes: Zygotes, simulator: Simulator, database: Database) -> Start:
    """Starts a sync of pages of ten that commits every twenty rows."""

    def start(*arguments: str) -> Running:
        return zygotes.start(
            ["--db", str(database.path), "sync", "--max-rps", "0", *arguments],
            simulator.environment(),
            PAGE=10,
            BATCH_ROWS=20,
        )

    return start


@pytest.fixture
def jobs(scope: Scope) -> Scope:
    for number in range(60):
        scope.clock.advance(1)
        scope.create_job(f"job-{number}", lives=False)
    return scope


def stop(process: Running, number: signal.Signals) -> Ended:
    """Tell it to stop, and take the time."""
    began = time.monotonic()
    process.send(number)
    ended = process.wait()
    assert time.monotonic() - began < STOPS_WITHIN
    return ended


def ledger(database: Database) -> list[tuple[object, ...]]:
    return query(
        database,
        "SELECT mode, outcome, error, ended_at IS NOT NULL, jobs_inserted, watermark_after "
        "FROM sync_runs ORDER BY run_id",
    )


def test_in_a_call_that_hangs(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    simulator.inject(Fault("hang", operation="ListTrainingJobs", skip=4, seconds=60))
    process = start()
    until(lambda: len(simulator.calls) > 5)
    ended = stop(process, signal.SIGINT)
    assert (ended.code, ended.out, ended.err) == (130, "", SAID)
    assert ledger(database) == [("backfill", "interrupted", "interrupted", True, 28, None)]
    assert len(stored(database)) == 28

    simulator.clear_faults()
    assert start().wait().code == 0
    assert differences(stored(database), jobs) == []
    # It went on where the other was.
    assert [row[:2] for row in ledger(database)[1:]] == [
        ("backfill", "complete"),
        ("incremental", "complete"),
    ]


def test_between_the_attempts_of_a_call(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    simulator.inject(Fault("throttle", operation="ListTrainingJobs", skip=4, times=None))
    process = start()
    # Two throttles: it waits for half a second and more now.
    until(lambda: sum(call.fault == "throttle" for call in simulator.calls) > 1)
    assert stop(process, signal.SIGTERM).code == 143
    assert ledger(database) == [("backfill", "interrupted", "interrupted", True, 28, None)]


def test_while_it_keeps_its_pace(
    zygotes: Zygotes, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    process = zygotes.start(
        ["--db", str(database.path), "sync", "--max-rps", "0.1"], simulator.environment(), PAGE=10
    )
    until(lambda: any(call.operation == "ListTrainingJobs" for call in simulator.calls))
    assert stop(process, signal.SIGINT).code == 130
    assert ledger(database)[0][:2] == ("backfill", "interrupted")


def test_among_many_calls_that_wait_for_nothing(
    start: Start, simulator: Simulator, database: Database, jobs: Scope, scope: Scope
) -> None:
    """Search denied and no pace to keep: hundreds of Describes without a wait between them."""
    simulator.world.behaviour = Behaviour(denied=frozenset({(None, None, "Search")}))
    simulator.on_answer = lambda _: time.sleep(0.05)
    process = start()
    until(lambda: any(call.operation == "DescribeTrainingJob" for call in simulator.calls))
    assert stop(process, signal.SIGTERM).code == 143
    assert ledger(database)[0][:2] == ("backfill", "interrupted")


def test_while_it_asks_who_it_is(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    simulator.inject(Fault("hang", operation="GetCallerIdentity", seconds=60))
    process = start()
    until(lambda: len(simulator.calls) > 0)
    ended = stop(process, signal.SIGTERM)
    assert (ended.code, ended.err) == (143, SAID)
    assert ledger(database) == []


def test_while_a_reader_keeps_the_file(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    """Its ledger cannot be closed then; the next run closes it."""
    opened = threading.Event()
    simulator.on_answer = lambda _: len(simulator.calls) > 5 and opened.wait(30)
    process = start("--lock-timeout", "60")
    until(lambda: len(simulator.calls) > 5)
    with holding(database.path, read_only=True) as reader:
        opened.set()
        until(lambda: f"PID {reader.pid}" in process.said())
        ended = stop(process, signal.SIGTERM)
    assert ended.code == 143
    assert ended.err == (
        f"Waiting for the database {database.path}, held by python3.11 (PID {reader.pid}).\n{SAID}"
    ).replace("python3.11", reader_name())
    assert ledger(database) == [("backfill", "running", None, False, 28, None)]
    assert start().wait().code == 0
    assert ledger(database)[0] == (
        "backfill", "interrupted", "the process died", True, 28, None
    )  # fmt: skip
    assert differences(stored(database), jobs) == []


def test_while_another_sync_is_running(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    simulator.inject(Fault("hang", operation="ListTrainingJobs", seconds=60))
    first = start()
    until(lambda: len(simulator.calls) > 1)
    second = start()
    until(lambda: "Waiting for another sync" in second.said())
    assert stop(second, signal.SIGINT).code == 130
    assert stop(first, signal.SIGTERM).code == 143


def test_the_program_itself_from_its_first_moment_on(
    simulator: Simulator, tmp_path: Path, jobs: Scope
) -> None:
    """Not forked but started: a signal while it imports and while it syncs."""
    path = tmp_path / "own.duckdb"
    arguments = ["--db", str(path), "sync", "--max-rps", "0"]
    simulator.inject(Fault("hang", operation="ListTrainingJobs", seconds=60))
    with program(arguments, simulator.environment()) as process:
        until(lambda: any(call.operation == "ListTrainingJobs" for call in simulator.calls), 60)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - began < STOPS_WITHIN
    assert (process.returncode, out, err) == (143, "", SAID)
    assert ledger(Database(path))[0][:2] == ("backfill", "interrupted")


def test_what_was_committed_before_a_signal_is_kept(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    assert start().wait().code == 0
    before = stored(database)
    watermark = query(database, "SELECT watermark FROM sync_scopes")
    jobs.clock.advance(600)
    jobs.create_job("one-more", lives=False)
    simulator.inject(Fault("hang", operation="Search", seconds=60))
    process = start()
    until(lambda: any(call.fault == "hang" for call in simulator.calls))
    assert stop(process, signal.SIGTERM).code == 143
    assert stored(database).items() >= before.items()
    # The listing was not complete: the watermark stands where it stood.
    assert query(database, "SELECT watermark FROM sync_scopes") == watermark
    assert [row[2:] for row in ledger(database)] == [
        (None, True, 60, *watermark[0]),
        ("interrupted", True, 1, *watermark[0]),
    ]


def reader_name() -> str:
    """How DuckDB calls the program of another process: by its executable."""
    import sys

    return Path(sys.executable).resolve().name
