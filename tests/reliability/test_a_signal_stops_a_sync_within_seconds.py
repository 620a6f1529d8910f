"""SIGTERM and Ctrl-C end a sync within five seconds, wherever it waits, and close its ledger."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.simulator import Behaviour, Fault, Scope, Simulator
from exporter.store.database import Database
from tests.reliability.ordeal import STOPS_WITHIN, differences, query, stored
from tests.support.processes import Ended, Running, Zygotes, holding, program, until

SAID = "sagemaker-exporter: Interrupted. What was committed is safe.\n"

Start = Callable[..., Running]


@pytest.fixture
def start(zygotes: Zygotes, simulator: Simulator, database: Database) -> Start:
    """Start a sync with pages of ten jobs and a commit every twenty rows."""

    def start(*arguments: str) -> Running:
        return zygotes.start(
            ["--db", str(database.path), "sync", "--max-rps", "0", *arguments],
            simulator.environment(),
            page=10,
            batch_rows=20,
        )

    return start


@pytest.fixture
def jobs(scope: Scope) -> Scope:
    for number in range(60):
        scope.clock.advance(1)
        scope.create_job(f"job-{number}", lives=False)
    return scope


def stop(process: Running, number: signal.Signals) -> Ended:
    """Send a signal, and check how long the process takes to end."""
    began = time.monotonic()
    process.send(number)
    ended = process.wait()
    assert time.monotonic() - began < STOPS_WITHIN
    return ended


def hangs(simulator: Simulator) -> bool:
    """Return whether a call hangs."""
    return any(call.fault == "hang" for call in simulator.calls)


def pages(simulator: Simulator) -> int:
    """Return how many calls of ListTrainingJobs the simulator has received."""
    return sum(call.operation == "ListTrainingJobs" for call in simulator.calls)


def ledger(database: Database) -> list[tuple[object, ...]]:
    return query(
        database,
        "SELECT mode, outcome, error, ended_at IS NOT NULL, jobs_inserted, watermark_after "
        "FROM sync_runs ORDER BY run_id",
    )


def test_a_call_that_hangs_is_left(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    simulator.inject(Fault("hang", operation="ListTrainingJobs", skip=4, seconds=60))
    process = start()
    until(lambda: hangs(simulator))
    ended = stop(process, signal.SIGINT)
    assert (ended.code, ended.out, ended.err) == (130, "", SAID)
    assert ledger(database) == [("backfill", "interrupted", "interrupted", True, 40, None)]
    assert len(stored(database)) == 40

    simulator.clear_faults()
    assert start().wait().code == 0
    assert differences(database, jobs) == []
    # The next sync resumed the listing.
    assert [row[:2] for row in ledger(database)[1:]] == [
        ("backfill", "complete"),
        ("incremental", "complete"),
    ]


def test_a_wait_between_two_attempts_is_left(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    simulator.inject(Fault("throttle", operation="ListTrainingJobs", skip=4, times=None))
    process = start()
    # Two throttles: it waits for half a second and more now.
    until(lambda: sum(call.fault == "throttle" for call in simulator.calls) > 1)
    assert stop(process, signal.SIGTERM).code == 143
    assert ledger(database) == [("backfill", "interrupted", "interrupted", True, 40, None)]


def test_a_wait_of_the_pacer_is_left(
    zygotes: Zygotes, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    process = zygotes.start(
        ["--db", str(database.path), "sync", "--max-rps", "0.1"], simulator.environment(), page=10
    )
    until(lambda: pages(simulator) > 0)
    assert stop(process, signal.SIGINT).code == 130
    assert ledger(database)[0][:2] == ("backfill", "interrupted")


def test_a_run_of_calls_without_waits_is_left(
    start: Start, simulator: Simulator, database: Database, jobs: Scope, scope: Scope
) -> None:
    """Without Search and without a pace, Describes follow one another without a wait."""
    simulator.world.behaviour = Behaviour(denied=frozenset({(None, None, "Search")}))
    simulator.on_answer = lambda _: time.sleep(0.05)
    process = start()
    until(lambda: any(call.operation == "DescribeTrainingJob" for call in simulator.calls))
    assert stop(process, signal.SIGTERM).code == 143
    assert ledger(database)[0][:2] == ("backfill", "interrupted")


def test_a_call_of_sts_that_hangs_is_left(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    simulator.inject(Fault("hang", operation="GetCallerIdentity", seconds=60))
    process = start()
    until(lambda: hangs(simulator))
    ended = stop(process, signal.SIGTERM)
    assert (ended.code, ended.err) == (143, SAID)
    assert ledger(database) == []


def test_a_wait_for_a_reader_is_left(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    """The ledger cannot be closed then; the next run closes it."""
    opened = threading.Event()
    # The first commit comes after two pages, so the fourth one is held back until there is a
    # reader, and the next commit waits for it.
    simulator.on_answer = lambda _: pages(simulator) > 3 and opened.wait(60)
    process = start("--lock-timeout", "60")
    until(lambda: pages(simulator) > 3)
    with holding(database.path, read_only=True) as reader:
        opened.set()
        until(lambda: f"PID {reader.pid}" in process.stderr())
        ended = stop(process, signal.SIGTERM)
    assert ended.code == 143
    assert ended.err == (
        f"Waiting for the database {database.path}, held by python3.11 (PID {reader.pid}).\n{SAID}"
    ).replace("python3.11", reader_name())
    assert ledger(database) == [("backfill", "running", None, False, 20, None)]
    assert start().wait().code == 0
    assert ledger(database)[0] == (
        "backfill", "interrupted", "the process died", True, 20, None
    )  # fmt: skip
    assert differences(database, jobs) == []


def test_a_wait_for_another_sync_is_left(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    simulator.inject(Fault("hang", operation="ListTrainingJobs", seconds=60))
    first = start()
    until(lambda: hangs(simulator))
    second = start()
    until(lambda: "Waiting for another sync" in second.stderr())
    assert stop(second, signal.SIGINT).code == 130
    assert stop(first, signal.SIGTERM).code == 143


def test_a_program_that_was_not_forked_stops(
    simulator: Simulator, tmp_path: Path, jobs: Scope
) -> None:
    """Started by itself, with every import of its own."""
    path = tmp_path / "own.duckdb"
    arguments = ["--db", str(path), "sync", "--max-rps", "0"]
    simulator.inject(Fault("hang", operation="ListTrainingJobs", seconds=60))
    with program(arguments, simulator.environment()) as process:
        until(lambda: hangs(simulator))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - began < STOPS_WITHIN
    assert (process.returncode, out, err) == (143, "", SAID)
    assert ledger(Database(path))[0][:2] == ("backfill", "interrupted")


def test_a_signal_loses_no_commit(
    start: Start, simulator: Simulator, database: Database, jobs: Scope
) -> None:
    assert start().wait().code == 0
    before = stored(database)
    watermark = query(database, "SELECT watermark FROM sync_scopes")
    jobs.clock.advance(600)
    jobs.create_job("one-more", lives=False)
    simulator.inject(Fault("hang", operation="Search", seconds=60))
    process = start()
    until(lambda: hangs(simulator))
    assert stop(process, signal.SIGTERM).code == 143
    assert stored(database).items() >= before.items()
    # The listing was not complete, so the watermark did not move.
    assert query(database, "SELECT watermark FROM sync_scopes") == watermark
    assert [row[2:] for row in ledger(database)] == [
        (None, True, 60, *watermark[0]),
        ("interrupted", True, 1, *watermark[0]),
    ]


def reader_name() -> str:
    """Return the name by which DuckDB calls another process: that of its executable."""
    return Path(sys.executable).resolve().name
