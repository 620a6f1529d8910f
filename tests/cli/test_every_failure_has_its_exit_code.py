"""Errors, signals and lost outputs end the command with the exit code of the contract."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from exporter.cli.app import App
from exporter.errors import (
    BusyError,
    CredentialsError,
    DatabaseError,
    ExporterError,
    PartialError,
    SchemaNewerError,
    ServiceError,
)
from exporter.store.database import Database
from tests.support.processes import until

if TYPE_CHECKING:
    from tests.cli.conftest import Command

SLOW_SQL = "SELECT count(*) FROM range(100000000000) AS a (x), range(1000)"


class FailingApp(App):
    """Raises an error where a command asks for its database."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def database(self, *, lock_timeout: float = 60.0) -> Database:
        raise self.error


def test_a_file_that_is_no_database_is_exit_8(command: Command, tmp_path: Path) -> None:
    junk = tmp_path / "junk.duckdb"
    junk.write_bytes(b"x" * 5000)
    for path, said in (
        (tmp_path, "is a directory"),
        (junk, "is not a DuckDB database"),
        (tmp_path / "none.duckdb", "There is no database at"),
    ):
        answer = command("--db", str(path), "status")
        assert (answer.code, answer.out) == (8, "")
        assert said in answer.err
        assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PartialError("x"), 3),
        (BusyError("x"), 4),
        (CredentialsError("x"), 5),
        (SchemaNewerError("x"), 6),
        (ServiceError("x"), 7),
        (DatabaseError("x"), 8),
        (ZeroDivisionError("x"), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_every_error_has_its_exit_code_and_no_traceback(
    command: Command, error: BaseException, code: int
) -> None:
    answer = command("status", app=FailingApp(error))
    assert answer.code == code
    assert "Traceback" not in answer.err
    assert len(answer.err.splitlines()) == (0 if code == 0 else 1)
    if isinstance(error, ExporterError | ZeroDivisionError):
        assert "Traceback" in command("status", "-v", app=FailingApp(error)).err


def test_an_error_keeps_its_lines_but_no_secret_and_no_escape_sequence(command: Command) -> None:
    error = PartialError("1 of 2:\n  a/b: \x1b[31mbad AKIAIOSFODNN7EXAMPLE")
    err = command("status", app=FailingApp(error)).err
    assert err == "sagemaker-exporter: 1 of 2:\n  a/b: \\x1b[31mbad [redacted]\n"
    err = command("status", "--log-format", "json", app=FailingApp(error)).err
    assert json.loads(err)["level"] == "error"


def test_a_reader_that_leaves_early_is_no_error(command: Command, filled: Database) -> None:
    query = subprocess.Popen(
        [sys.executable, "-m", "exporter", "query", "FROM range(300000)", "--format", "csv",
         "--db", str(filled.path)],
        env=command.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert query.stdout is not None
    assert query.stderr is not None
    query.stdout.readline()
    query.stdout.close()
    assert query.stderr.read() == b""
    query.stderr.close()
    assert query.wait(timeout=30) == 0


def test_a_working_directory_that_was_removed_is_no_bug(command: Command, filled: Database) -> None:
    command.directory.rmdir()
    assert command("--db", str(filled.path), "status").code == 0
    answer = command("status")
    assert (answer.code, answer.out) == (8, "")
    assert "There is no database at sagemaker.duckdb." in answer.err
    answer = command("db", "upgrade")
    assert (answer.code, answer.out) == (8, "")
    assert len(answer.err.splitlines()) == 1


def test_closed_standard_streams_change_neither_exit_code_nor_database(
    command: Command, filled: Database
) -> None:
    def code_without(streams: str, *args: str) -> int:
        line = shlex.join([sys.executable, "-m", "exporter", "--db", str(filled.path), *args])
        done = subprocess.run(
            ["/bin/sh", "-c", f"{line} {streams}"], env=command.environment(), check=False
        )
        return done.returncode

    before = filled.path.read_bytes()
    assert code_without(">&-", "report", "warm-pool-cost", "--month", "2026-10") == 0
    assert code_without("<&- >&- 2>&-", "status") == 0
    assert code_without("<&- >&- 2>&-", "status", "--max-age", "1s") == 3
    assert code_without("<&-", "query", "-") == 2
    assert filled.path.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("args", [("report",), ("status", "--json"), ("--help",)])
def test_output_that_does_not_fit_on_the_disk_is_exit_8(
    command: Command, filled: Database, args: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "exporter", "--db", str(filled.path), *args],
            env=command.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        8,
        "sagemaker-exporter: The output is incomplete: No space left on device.\n",
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_query_with_its_exit_code(
    command: Command, filled: Database, number: signal.Signals, code: int
) -> None:
    query = subprocess.Popen(
        [sys.executable, "-m", "exporter", "-q", "query", SLOW_SQL, "--db", str(filled.path)],
        env=command.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: is_open(filled.path))
        query.send_signal(number)
        _, err = query.communicate(timeout=30)
    finally:
        query.kill()  # it would run for days
    assert query.returncode == code
    # DuckDB may keep it from unwinding; then it ends after ten seconds, without a message.
    assert err in ("", "sagemaker-exporter: Interrupted. What was committed is safe.\n")


def is_open(path: Path) -> bool:
    """Return whether another process has a DuckDB file open."""
    try:
        duckdb.connect(str(path)).close()
    except duckdb.IOException:
        return True
    return False


def test_a_signal_that_python_drops_is_raised_again(command: Command) -> None:
    code = """
import os, signal, sys, time
from exporter.cli.interrupts import stoppable
class Dropper:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
with stoppable():
    try:
        Dropper()
        time.sleep(30)
    except KeyboardInterrupt as error:
        time.sleep(2.5)  # a cleanup is not interrupted
        print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=command.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "Terminated\n"
    assert done.stderr == ""  # no traceback of what Python dropped
