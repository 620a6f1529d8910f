"""A caught error loses no data, though DuckDB then silently drops the whole transaction."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy import event, exc

from exporter.errors import DatabaseError
from exporter.simulator import Scope, Simulator
from exporter.store import jobs, scopes
from exporter.store.database import Database
from exporter.store.scopes import Run, ScopeState
from exporter.syncing.records import Commit, Records
from tests.support.syncing import Killed, Syncer, differences

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
RUN = Run("run", "111122223333", "eu-west-1", "backfill", NOW)
STATE = ScopeState("111122223333", "eu-west-1", watermark=NOW)


def test_duckdb_drops_the_transaction_silently(database: Database) -> None:
    """DuckDB behaves as the other tests assume."""
    with database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO settings VALUES ('before', 'the error')")
        with suppress(exc.ProgrammingError):
            connection.exec_driver_sql("SELECT * FROM no_such_table")
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM settings WHERE name = 'before'").all()
    assert rows == []


@pytest.mark.parametrize("place", ["write_jobs", "append_changes", "write_details", "write_scope"])
def test_every_commit_is_read_back(
    database: Database,
    simulator: Simulator,
    scope: Scope,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """The sync notices an error caught anywhere in a commit, and the next sync repeats the work."""
    scope.create_job("job", keep_alive_seconds=60)
    syncer = Syncer(database, scope, simulator)

    def swallows(connection: sa.Connection, *_: Any) -> None:
        with suppress(exc.ProgrammingError):
            connection.exec_driver_sql("SELECT * FROM no_such_table")

    module = scopes if place == "write_scope" else jobs
    with monkeypatch.context() as context:
        context.setattr(module, place, swallows)
        with pytest.raises((DatabaseError, exc.DBAPIError, duckdb.Error)):
            syncer.sync()
    # Jobs and their history are one commit; details may be the next. No run is complete.
    assert len(syncer.stored("true")) == (place == "write_details")
    assert syncer.query("SELECT watermark FROM sync_scopes") in ([], [(None,)])
    assert syncer.query("SELECT outcome FROM sync_runs WHERE outcome = 'complete'") == []
    syncer.sync()
    assert differences(syncer.stored(), scope) == []


def test_a_missing_commit_is_named(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "write_scope", lambda *_: None)
    with pytest.raises(DatabaseError) as error:
        Records(database).commit(Commit(RUN, STATE))
    assert str(error.value) == (
        "A commit of run run is not in the database. "
        "Nothing before it is lost; the next run does it again."
    )


def test_an_error_before_any_statement_rolls_back_the_whole_commit(
    database: Database, simulator: Simulator, scope: Scope
) -> None:
    """The error comes within a commit, at each of its statements in turn."""
    scope.create_job("job", keep_alive_seconds=60)
    syncer = Syncer(database, scope, simulator)
    records = Records(database)
    commits: list[Commit] = []

    class Recording(Records):
        def commit(self, commit: Commit) -> None:
            commits.append(commit)

    with pytest.MonkeyPatch.context() as context:
        context.setattr("tests.support.syncing.Records.commit", Recording.commit)
        with suppress(Exception):
            syncer.sync()
    commit = next(each for each in commits if each.merged)

    def everything() -> list[list[tuple[Any, ...]]]:
        tables = ("training_jobs", "training_job_changes", "training_job_details", "sync_runs")
        return [syncer.query(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]

    before = everything()
    at = 0
    while True:
        at += 1
        reached = 0

        def place(*_: Any) -> None:
            nonlocal reached
            reached += 1
            if reached == at:  # noqa: B023 - called within this turn
                raise Killed

        event.listen(sa.Engine, "before_cursor_execute", place)
        try:
            records.commit(commit)
        except Killed:
            pass
        else:
            break
        finally:
            event.remove(sa.Engine, "before_cursor_execute", place)
        if everything() != before:
            # The error came after COMMIT, while the commit was read back.
            assert reached > 4
            break
    assert at > 4
    assert everything() != before
