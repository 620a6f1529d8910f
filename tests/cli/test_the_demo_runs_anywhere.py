"""`demo` needs no account and no network, and writes only its own file."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pytest

from exporter import demo
from exporter.store.database import Database

if TYPE_CHECKING:
    from tests.cli.conftest import Command

NOWHERE = "http://127.0.0.1:1"


def test_a_demo_replaces_one_that_was_interrupted_and_ignores_a_proxy(command: Command) -> None:
    def interrupt(line: str) -> None:
        if "first sync" in line:
            raise KeyboardInterrupt

    path = command.directory / "demo.duckdb"
    interrupted = demo.Demo(path, datetime.now(UTC), jobs=100)
    with pytest.raises(KeyboardInterrupt):
        demo.run(interrupted, notify=interrupt, show=lambda _: None)
    assert path.exists()
    answer = command.process(
        "demo", "--jobs", "100", AWS_PROFILE="nobody", HTTP_PROXY=NOWHERE, https_proxy=NOWHERE
    )
    assert (answer.code, answer.err) == (0, "")
    assert "sync: 1 of 1 scope complete, 100 new, 0 changed, 0 deleted" in answer.out
    assert "What the warm pools cost, compared with the training" in answer.out
    with Database(path).reading() as connection:
        jobs = connection.execute("SELECT count(*) FROM training_jobs").scalar()
        assert jobs >= 100


def test_a_file_that_no_demo_wrote_stays(command: Command) -> None:
    path = command.directory / "demo.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    before = path.read_bytes()
    answer = command("demo")
    assert (answer.code, answer.out) == (8, "")
    assert "demo.duckdb exists, and no demo wrote it." in answer.err
    assert path.read_bytes() == before


def test_the_commands_that_it_ends_with_run_as_printed(command: Command) -> None:
    answer = command.process("demo", "--jobs", "100")
    _, _, end = answer.out.partition("Try next:\n")
    lines = end.partition("With your own AWS profile:\n")[0].splitlines()
    assert len(lines) == 5
    for line in lines:
        done = subprocess.run(  # noqa: S602 - as a user pastes it
            line.strip(),
            shell=True,
            cwd=command.directory,
            env=command.environment(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b""), line
