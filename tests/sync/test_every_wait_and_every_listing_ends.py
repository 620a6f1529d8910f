"""No answer holds a sync for ever: not its bytes, not its tokens, not its times."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from exporter.errors import ServiceError
from exporter.redaction import redact, redact_foreign
from exporter.sagemaker.deadline import bound_answers
from exporter.sagemaker.price_list import training_prices
from exporter.simulator import Behaviour, Fault, Scope, Simulator, World
from exporter.syncing.sizes import Sizes
from exporter.wire import ApiError
from tests.support.syncing import Hooks, KeptDatabase, Killed, Syncer
from tests.support.truth import differences

LIST, SEARCH, TAGS = "ListTrainingJobs", "Search", "ListTags"
SMALL = Sizes(page=3)
SEARCH_DENIED = frozenset({(None, None, SEARCH)})


@pytest.fixture
def syncer(kept: KeptDatabase, scope: Scope, simulator: Simulator) -> Syncer:
    return Syncer(kept, scope, simulator, SMALL)


def create(scope: Scope, world: World, names: list[str], *, apart: float = 10) -> None:
    for name in names:
        scope.finish(scope.start(scope.create_job(name, lives=False)))
        world.clock.advance(apart)


def calls(simulator: Simulator) -> Counter[str]:
    made = Counter(call.operation for call in simulator.calls)
    simulator.calls.clear()
    return made


def tokens(next_token: Callable[[], str]) -> Callable[[bytes], bytes]:
    return lambda body: json.dumps({**json.loads(body), "NextToken": next_token()}).encode()


def test_an_answer_has_a_deadline_however_its_bytes_come(simulator: Simulator) -> None:
    client = boto3.client("sagemaker", config=Config(retries={"total_max_attempts": 1}))
    bound_answers(client, seconds=0.5)
    client.list_training_jobs()
    simulator.inject(Fault("trickle", seconds=0.05))
    began = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        client.list_training_jobs()
    assert time.monotonic() - began < 5
    # The connection is not used again.
    assert client.list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize("different", [1, 3, 10**9])
def test_a_listing_whose_token_does_not_move_ends(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator, different: int
) -> None:
    numbers = count()
    edit = tokens(lambda: f"t{next(numbers) % different}")
    # All within a second, so that only tokens lead on; the service takes every token.
    now = world.clock.now()
    for number in range(2):
        scope.create_job(f"job-{number}", created_at=now, lives=False)
    simulator.inject(Fault("edited", operation=LIST, times=None, edit=edit))
    _take_any_token(simulator)
    with pytest.raises(ServiceError, match="ListTrainingJobs repeats a NextToken") as error:
        syncer.sync()
    assert error.value.exit_code == 7
    assert calls(simulator)[LIST] < 110
    simulator.clear_faults()
    syncer.sync()
    assert differences(syncer.query, scope) == []


def test_a_search_whose_token_does_not_move_is_left_for_other_lookups(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    create(scope, world, ["a", "b"])
    simulator.inject(Fault("edited", operation=SEARCH, times=None, edit=tokens(lambda: "t")))
    _take_any_token(simulator)
    syncer.sync()
    assert syncer.notices == [
        "111122223333: Search repeats a NextToken. Nothing is lost; the next run continues from "
        "here. Jobs are looked up one by one instead."
    ]
    assert calls(simulator)[SEARCH] == 2
    assert differences(syncer.query, scope) == []
    assert syncer.query("SELECT count(*) FROM training_job_details WHERE final") == [(2,)]


def test_tags_whose_token_does_not_move_stay_unknown(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    world.behaviour = Behaviour(denied=SEARCH_DENIED)
    create(scope, world, ["a", "b"])
    cycle = (f"t{number % 2}" for number in count())
    simulator.inject(Fault("edited", operation=TAGS, times=None, edit=tokens(lambda: next(cycle))))
    _take_any_token(simulator)
    syncer.sync()
    assert [notice for notice in syncer.notices if TAGS in notice] == [
        "111122223333: ListTags repeats a NextToken. Nothing is lost; the next run continues from "
        "here. Tags stay unknown."
    ]
    assert calls(simulator)[TAGS] == 3
    assert differences(syncer.query, scope) == []


def test_prices_whose_token_does_not_move_end(simulator: Simulator) -> None:
    simulator.inject(Fault("edited", times=None, edit=tokens(lambda: "t")))
    _take_any_token(simulator)
    with pytest.raises(ServiceError, match="pricing:GetProducts repeats a NextToken"):
        list(training_prices(boto3.client("pricing", region_name="eu-central-1"), "eu-west-1"))
    assert len(simulator.calls) == 2


@pytest.mark.parametrize("how", ["a total", "at least a total", "an error"])
def test_a_search_that_shows_only_some_results_is_divided(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator, how: str
) -> None:
    """The service shows two pages at most, whatever the window is."""
    create(scope, world, [f"job-{number}" for number in range(20)])
    world.clock.advance(600)

    def shorten(body: bytes) -> bytes:
        answer = json.loads(body)
        asked = simulator.calls
        by_token = bool(asked) and pages[0] % 2 == 1
        pages[0] += 1
        if by_token and "NextToken" in answer and how != "an error":
            del answer["NextToken"]
            total = 6 if how == "at least a total" else 20
            relation = "GreaterThanOrEqualTo" if how == "at least a total" else "EqualTo"
            answer["TotalHits"] = {"Value": total, "Relation": relation}
        elif "NextToken" not in answer:
            pages[0] = 0
        return json.dumps(answer).encode()

    pages = [0]
    simulator.inject(Fault("edited", operation=SEARCH, times=None, edit=shorten))
    if how == "an error":
        simulator.clear_faults()
        _refuse_third_pages(simulator)
    syncer.sync()
    made = calls(simulator)
    assert differences(syncer.query, scope) == []
    assert syncer.query("SELECT count(*) FROM training_job_details WHERE final") == [(20,)]
    assert made["DescribeTrainingJob"] == 0
    assert made[SEARCH] < 30


def test_a_full_sync_that_was_killed_is_resumed_and_not_begun_again(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    # Names in another order than the creation times.
    create(scope, world, [f"job-{number * 7 % 60:02}" for number in range(60)])
    syncer.sync()
    scope.delete_job("job-03")
    world.clock.advance(600)
    syncer.sizes = Sizes(page=10, batch_rows=10)
    left = [8]

    def die(_: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed

    with pytest.raises(Killed):
        syncer.sync(Hooks(after_commit=die), full=True)
    simulator.calls.clear()
    world.clock.advance(600)
    worker = syncer.sync(full=True)
    assert [run.mode for run in worker.runs] == ["full", "incremental"]
    first = next(call for call in simulator.calls if call.operation == LIST)
    assert first.params["CreationTimeAfter"] > scope.job("job-10").creation_time
    assert differences(syncer.query, scope) == []
    assert syncer.query(
        "SELECT training_job_name FROM training_jobs WHERE deleted_at IS NOT NULL"
    ) == [("job-03",)]


def test_a_job_from_the_future_hides_and_freezes_nothing(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    future = world.clock.now() + timedelta(days=3_000)
    # More than a page of them.
    for number in range(5):
        scope.create_job(f"future-{number}", created_at=future, lives=False)
    create(scope, world, ["a", "b"])
    syncer.sync()
    for number in range(3):
        [(before,)] = syncer.query("SELECT watermark FROM sync_scopes")
        world.clock.advance(3_600)
        create(scope, world, [f"later-{number}"])
        calls(simulator)
        syncer.sync()
        assert differences(syncer.query, scope) == []
        [(watermark, discovered_to)] = syncer.query(
            "SELECT watermark, discovered_to FROM sync_scopes"
        )
        assert watermark > before
        assert discovered_to == scope.job(f"later-{number}").creation_time
        assert calls(simulator)[LIST] <= 12


@pytest.mark.parametrize("first_pages", [0, 1, 3])
def test_a_listing_in_another_order_loses_nothing(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator, first_pages: int
) -> None:
    """Pages by name, of which the first happen to be in order of creation."""
    names = [f"{chr(97 + number)}-job" for number in range(3 * first_pages)]
    names += [f"z-{number * 7 % 20:02}" for number in range(20)]
    create(scope, world, names[3 * first_pages :])
    create(scope, world, names[: 3 * first_pages])
    real = simulator.answer

    def by_name(call: Any) -> Any:
        if call.operation == LIST:
            call = replace(call, params={**call.params, "SortBy": "Name"})
        return real(call)

    simulator.answer = by_name  # type: ignore[method-assign]
    syncer.sync()
    assert differences(syncer.query, scope) == []


@pytest.mark.parametrize("final", ["an end", "a final secondary status"])
def test_a_final_status_that_is_new_closes_a_job(
    syncer: Syncer, world: World, scope: Scope, final: str
) -> None:
    world.behaviour = Behaviour(new_statuses=("Preempted", "Hibernating", "Waiting"))
    job = scope.finish(scope.start(scope.create_job("a", lives=False)))
    changes: dict[str, Any] = {"training_job_status": "Preempted", "secondary_status": "Preempted"}
    if final != "an end":
        changes |= {"training_end_time": None, "secondary_status": "MaxWaitTimeExceeded"}
    scope.update(job, **changes)
    world.clock.advance(7_200)
    syncer.sync()
    assert differences(syncer.query, scope) == []
    assert syncer.query("SELECT open_reason FROM training_jobs") == [(None,)]
    # A status that is new and not final keeps a job open.
    scope.update(
        scope.create_job("b", lives=False),
        training_job_status="Hibernating",
        secondary_status="Waiting",
    )
    syncer.sync()
    assert syncer.query("SELECT open_reason FROM training_jobs ORDER BY training_job_name") == [
        (None,),
        ("running",),
    ]


def test_a_service_without_a_date_closes_the_jobs_that_wait(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    """The pool never gets a status; an hour after the end nothing waits for it any more."""
    world.behaviour = Behaviour(pool_quotas={"*": 0})
    simulator.inject(Fault("no_date", times=None))
    scope.finish(scope.start(scope.create_job("a", keep_alive_seconds=600, lives=False)))
    world.clock.advance(60)
    syncer.sync()
    assert syncer.query("SELECT open_reason FROM training_jobs") == [("pool status late",)]
    world.clock.advance(7_200)
    syncer.sync()
    assert syncer.query("SELECT open_reason FROM training_jobs") == [(None,)]
    assert syncer.query("SELECT watermark FROM sync_scopes") == [(None,)]


WORDS = (
    "a", "a.", "a-", "-a", "a b ", "eyJ-", "eyJ.", "token", "token ", "token=", 'token="',
    'token=\\"', "token='\"", "--token ", "-token -", "://", "a://", "a://b:c@", "Bearer ",
    "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN A PRIVATE KEY-----\n-----END ",
    "AKIA", "AKIAABCDEFGHIJKLMNOP", "sk-", "f", "\\", '"', " ", "token \t", "\ud800",
)  # fmt: skip


def test_redaction_takes_time_in_proportion_to_the_text() -> None:
    """Twice as much of any text may take twice as long, not four times; here it is ten times."""
    slow = []
    for word in WORDS:
        seconds = []
        for size in (20_000, 200_000):
            text = word * (size // len(word))
            began = time.process_time()
            redact_foreign(text)
            redact(text)
            seconds.append(time.process_time() - began)
        if seconds[1] > 40 * seconds[0] + 0.05:
            slow.append((word, seconds))
    assert slow == []


def _take_any_token(simulator: Simulator) -> None:
    """Make the service ignore every NextToken, as it does not know those of a test."""
    real = simulator.answer

    def without_token(call: Any) -> Any:
        params = {name: value for name, value in call.params.items() if name != "NextToken"}
        return real(replace(call, params=params))

    simulator.answer = without_token  # type: ignore[method-assign]


def _refuse_third_pages(simulator: Simulator) -> None:
    """Reject the second token of each search, as an index with a limit does."""
    real = simulator.answer
    page = [0]

    def answer(call: Any) -> Any:
        if call.operation == SEARCH:
            page[0] = page[0] + 1 if "NextToken" in call.params else 1
            if page[0] == 3:
                raise ApiError("ValidationException", "Too many results; narrow the search.")
        return real(call)

    simulator.answer = answer  # type: ignore[method-assign]
