"""DuckDB silently drops a transaction in which an error was caught; a sync detects that."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from exporter.errors import DatabaseError
from exporter.simulator import Scope, Simulator
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.scopes import Run, ScopeState
from exporter.syncing.records import Commit, Records
from tests.support.rows import hooked
from tests.support.syncing import Hooks, Killed, Syncer
from tests.support.truth import differences

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
RUN = Run("run", "111122223333", "eu-west-1", "backfill", NOW)
STATE = ScopeState("111122223333", "eu-west-1", watermark=NOW)


def test_duckdb_drops_the_transaction_silently(database: Database) -> None:
    """This behaviour is why commits are read back."""
    with database.writing() as connection:
        connection.execute("INSERT INTO settings VALUES ('before', 'the error')")
        with suppress(duckdb.CatalogException):
            connection.execute("SELECT * FROM no_such_table")
    with database.reading() as connection:
        rows = connection.execute("SELECT * FROM settings WHERE name = 'before'").all()
    assert rows == []


#: The tables of a commit, in the order of its statements. After the last one, only COMMIT follows,
#: so nothing but the read-back detects the error.
TABLES = (
    "training_jobs",
    "training_job_changes",
    "training_job_details",
    "sync_scopes",
    "sync_runs",
)


@pytest.mark.parametrize("table", TABLES)
def test_a_sync_detects_a_swallowed_error_and_the_next_one_repeats_the_commit(
    database: Database, simulator: Simulator, scope: Scope, table: str
) -> None:
    scope.create_job("job", keep_alive_seconds=60)
    syncer = Syncer(database, scope, simulator)

    def swallow(raw: duckdb.DuckDBPyConnection, statement: str) -> None:
        """Cause an error in a transaction, and catch it."""
        if statement.startswith(f"INSERT INTO {table} "):
            with suppress(duckdb.CatalogException):
                raw.execute("SELECT * FROM no_such_table")

    with hooked(after=swallow), pytest.raises((DatabaseError, duckdb.Error)):
        syncer.sync()
    # Jobs and their history are one commit, details may be the next; and no run is complete.
    assert len(syncer.stored("true")) == (table == "training_job_details")
    assert syncer.query("SELECT watermark FROM sync_scopes") in ([], [(None,)])
    assert syncer.query("SELECT outcome FROM sync_runs WHERE outcome = 'complete'") == []
    syncer.sync()
    assert differences(syncer.query, scope) == []


def test_an_error_names_the_run_whose_commit_is_missing(database: Database) -> None:
    class Forgetful(Records):
        @staticmethod
        def _write(connection: Connection, turn: Any) -> None:
            """Write nothing."""

    with pytest.raises(DatabaseError) as error:
        Forgetful(database).commit(Commit(RUN, STATE))
    assert str(error.value) == (
        "A commit of run run is not in the database. "
        "Earlier commits are safe; the next run does it again."
    )


def test_an_error_before_any_statement_of_a_commit_leaves_nothing_of_it(
    database: Database, simulator: Simulator, scope: Scope
) -> None:
    scope.create_job("job", keep_alive_seconds=60)
    syncer = Syncer(database, scope, simulator)
    records = Records(database)
    commits: list[Commit] = []

    def keep_and_stop(commit: Commit) -> None:
        commits.append(commit)
        raise Killed

    with pytest.raises(Killed):
        syncer.sync(Hooks(before_commit=keep_and_stop))
    # The sync writes its ledger after the error; the first commit is the one with the job.
    commit = commits[0]
    assert commit.merged

    def everything() -> list[list[tuple[Any, ...]]]:
        tables = ("training_jobs", "training_job_changes", "training_job_details", "sync_runs")
        return [syncer.query(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]

    before = everything()
    at = 0
    while True:
        at += 1
        reached: list[str] = []

        def place(_: object, statement: str) -> None:
            reached.append(statement)  # noqa: B023 - called within this turn
            if len(reached) == at:  # noqa: B023 - likewise
                raise Killed

        try:
            with hooked(before=place):
                records.commit(commit)
        except Killed:
            pass
        else:
            break
        if everything() != before:
            # Only the read-back comes after COMMIT.
            assert len(reached) > 4
            break
    assert at > 4
    assert everything() != before


def test_an_error_after_a_commit_does_not_take_back_its_counts(
    database: Database, simulator: Simulator, scope: Scope
) -> None:
    """The sync dies before it knows that the commit has taken; then it closes its ledger."""
    scope.create_job("job", keep_alive_seconds=60)
    syncer = Syncer(database, scope, simulator)

    def stop(_: Commit) -> None:
        raise Killed

    with pytest.raises(Killed):
        syncer.sync(Hooks(after_commit=stop))
    assert len(syncer.stored()) == 1
    ended = "SELECT outcome, jobs_inserted FROM sync_runs"
    assert syncer.query(ended) == [("interrupted", 1)]
