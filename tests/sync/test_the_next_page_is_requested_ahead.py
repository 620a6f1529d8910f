"""The next page of a listing is requested before the details of the page before."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from exporter.errors import ServiceError
from exporter.sagemaker.service import ListRequest, Page
from exporter.simulator import Fault, Scope, Simulator, World
from exporter.store.database import Database
from exporter.syncing.ahead import Ahead, in_background
from exporter.syncing.sizes import Sizes
from tests.support.syncing import Hooks, KeptDatabase, Syncer

PAGE = 10
EMPTY = Page((), None, None, None, datetime(2026, 11, 1, tzinfo=UTC))
REQUEST, OTHER = ListRequest(), ListRequest(token="next")


@pytest.fixture
def syncer(scope: Scope, simulator: Simulator, database: Database) -> Syncer:
    return Syncer(KeptDatabase(database.path), scope, simulator, Sizes(page=PAGE))


def test_the_calls_of_a_backfill_overlap(syncer: Syncer, world: World) -> None:
    world.generate(jobs=5 * PAGE, scopes=[syncer.scope])
    calls: list[str] = []
    syncer.sync(Hooks(before_call=calls.append))
    # The second page is requested before the details of the first, and so on.
    assert calls[:5] == ["ListTrainingJobs", *["ListTrainingJobs", "Search"] * 2]


def test_a_failure_ahead_comes_when_the_page_is_due(
    syncer: Syncer, world: World, simulator: Simulator
) -> None:
    world.generate(jobs=6 * PAGE, scopes=[syncer.scope])
    simulator.inject(Fault("unavailable", operation="ListTrainingJobs", skip=8, times=None))
    calls: list[str] = []
    with pytest.raises(ServiceError):
        syncer.sync(Hooks(before_call=calls.append))
    # The details of the page before are read and committed first.
    assert calls[-2:] == ["ListTrainingJobs", "Search"]
    ((jobs, details),) = syncer.query(
        "SELECT (SELECT count(*) FROM training_jobs), (SELECT count(*) FROM training_job_details)"
    )
    assert 0 < details <= jobs


def test_the_answer_is_waited_for() -> None:
    may_answer = threading.Event()
    fetched: list[ListRequest] = []

    def fetch(request: ListRequest) -> Page:
        assert may_answer.wait(10)
        fetched.append(request)
        return EMPTY

    ahead = Ahead(fetch, in_background)
    ahead.begin(REQUEST)
    assert fetched == []
    may_answer.set()
    assert ahead.take(REQUEST) == EMPTY
    assert ahead.take(OTHER) == EMPTY
    assert fetched == [REQUEST, OTHER]


def test_what_stops_a_request_ahead_is_raised_by_its_reader() -> None:
    class Stopped(BaseException):
        pass

    def fetch(_: ListRequest) -> Page:
        raise Stopped

    ahead = Ahead(fetch, in_background)
    ahead.begin(REQUEST)
    with pytest.raises(Stopped):
        ahead.take(REQUEST)
