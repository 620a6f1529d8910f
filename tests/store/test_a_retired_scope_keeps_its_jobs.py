"""`db forget` retires a scope: jobs stay, freshness forgets it, and a sync brings it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exporter.errors import UsageError
from exporter.reports import notes, status
from exporter.store.database import Database
from exporter.store.forget import Forgotten, forget
from exporter.store.scopes import ScopeKey, ScopeState, read_scope, write_scope
from tests.support.cases import ACCOUNT, World, job

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=30)
GONE, KEPT = ScopeKey(ACCOUNT, "eu-west-1"), ScopeKey(ACCOUNT, "us-east-1")


@pytest.fixture
def two_scopes(database: Database) -> Database:
    """Two scopes with a job each; the last sync of the first was a month ago and failed."""
    with database.writing() as connection:
        put = World(connection).put
        put([job("a-1", OLD)], region=GONE.region, seen=OLD)
        put([job("a-1", NOW - timedelta(hours=1))], region=KEPT.region, seen=NOW)
        state = read_scope(connection, GONE)
        write_scope(connection, replace(state, last_error="no access", failing_runs=9))
    return database


def test_freshness_forgets_the_scope_and_its_job_stays(two_scopes: Database) -> None:
    with two_scopes.reading() as connection:
        before = [(note.code, note.text) for note in notes.of_freshness(connection, None)]
    assert before == [
        ("failed_scope", f"{GONE} failed in its last 9 runs: no access"),
        ("as_of", "Data as of 2026-10-04T12:00:00Z."),
    ]
    assert forget(two_scopes, GONE, now=lambda: NOW) == Forgotten(GONE, NOW, jobs=1)
    with two_scopes.reading() as connection:
        after = [(note.code, note.text) for note in notes.of_freshness(connection, None)]
        found = status.read(connection, NOW)
        fresh = connection.execute("SELECT account_id, region FROM data_as_of").all()
        jobs = connection.execute(
            "SELECT region, training_job_name FROM training_jobs ORDER BY region"
        ).all()
    assert after == [("as_of", "Data as of 2026-11-03T12:00:00Z.")]
    assert [scope.name for scope in found.scopes] == [str(KEPT)]
    assert (found.retired, found.stale(timedelta(hours=2))) == ((str(GONE),), [])
    assert [tuple(row) for row in fresh] == [tuple(KEPT)]
    assert [tuple(row) for row in jobs] == [("eu-west-1", "a-1"), ("us-east-1", "a-1")]


def test_to_forget_twice_changes_nothing(two_scopes: Database) -> None:
    forget(two_scopes, GONE, now=lambda: NOW)
    again = forget(two_scopes, GONE, now=lambda: NOW + timedelta(days=1))
    assert again == Forgotten(GONE, NOW, jobs=1)


def test_a_sync_of_the_scope_brings_it_back_with_its_watermark(two_scopes: Database) -> None:
    forget(two_scopes, GONE, now=lambda: NOW)
    with two_scopes.writing() as connection:
        state = read_scope(connection, GONE)
        assert state.watermark == OLD
        write_scope(connection, replace(state, last_error=None, failing_runs=0))
    with two_scopes.reading() as connection:
        found = status.read(connection, NOW)
    assert ([scope.name for scope in found.scopes], found.retired) == ([str(GONE), str(KEPT)], ())


def test_a_scope_that_was_never_synced_names_those_in_use(two_scopes: Database) -> None:
    forget(two_scopes, GONE, now=lambda: NOW)
    with pytest.raises(UsageError) as raised:
        forget(two_scopes, ScopeKey(ACCOUNT, "us-east-2"))
    assert str(raised.value) == (
        f"No sync ever read {ACCOUNT}/us-east-2. Did you mean '{KEPT}'? In use: {KEPT}."
    )


def test_an_empty_scope_can_be_retired(database: Database) -> None:
    with database.writing() as connection:
        write_scope(connection, ScopeState(*GONE, last_error="denied", failing_runs=3))
    assert forget(database, GONE, now=lambda: NOW).jobs == 0
    with database.reading() as connection:
        assert status.read(connection, NOW).scopes == ()
