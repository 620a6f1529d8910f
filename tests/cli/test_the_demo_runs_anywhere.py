"""`demo`: needs no account and no network, and touches nothing but its own file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from exporter import demo
from exporter.store.database import Database

if TYPE_CHECKING:
    from tests.cli.conftest import Command

NOWHERE = "http://127.0.0.1:1"


def test_behind_a_proxy_and_again_after_it_was_cut_short(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "run_sync", interrupted)
        assert command("demo", "--jobs", "100").code == 130
    answer = command.process(
        "demo", "--jobs", "100", AWS_PROFILE="nobody", HTTP_PROXY=NOWHERE, https_proxy=NOWHERE
    )
    assert (answer.code, answer.err) == (0, "")
    assert "sync: 1 of 1 scope complete, 100 new, 0 changed, 0 deleted" in answer.out
    assert "What the warm pools cost, compared with the training" in answer.out
    with Database(command.directory / "demo.duckdb").reading() as connection:
        jobs = connection.exec_driver_sql("SELECT count(*) FROM training_jobs").scalar_one()
        assert jobs >= 100


def test_a_file_of_its_name_that_is_not_its_own_stays(command: Command) -> None:
    path = command.directory / "demo.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    before = path.read_bytes()
    answer = command("demo")
    assert (answer.code, answer.out) == (8, "")
    assert "demo.duckdb exists, and no demo wrote it." in answer.err
    assert path.read_bytes() == before
