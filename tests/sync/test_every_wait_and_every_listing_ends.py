"""No answer holds a sync for ever: not its bytes, not its tokens, not its times."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from exporter.errors import ServiceError
from exporter.prices import refresh
from exporter.redaction import redact, redact_foreign
from exporter.sagemaker.deadline import bound_answers
from exporter.sagemaker.price_list import training_prices
from exporter.simulator import Behaviour, Fault, Scope, Simulator, World
from exporter.store.database import Database
from exporter.syncing.sizes import Sizes
from tests.support.odd import editor
from tests.support.syncing import Hooks, Killed, Syncer, differences

LIST, SEARCH, TAGS = "ListTrainingJobs", "Search", "ListTags"
SMALL = Sizes(page=3)
SEARCH_DENIED = frozenset({(None, None, SEARCH)})


@pytest.fixture
def syncer(database: Database, scope: Scope, simulator: Simulator) -> Syncer:
    return Syncer(database, scope, simulator, SMALL)


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


@pytest.mark.parametrize(
    "next_token",
    [lambda: "t", lambda n=count(): f"t{next(n) % 3}", lambda n=count(): f"t{next(n)}"],
    ids=["the same", "a cycle", "the same rows"],
)
def test_a_listing_whose_token_does_not_move_ends(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator, next_token: Callable[[], str]
) -> None:
    # All within a second, so that only tokens lead on; the service takes every token.
    now = world.clock.now()
    for number in range(2):
        scope.create_job(f"job-{number}", created_at=now, lives=False)
    simulator.inject(Fault("edited", operation=LIST, times=None, edit=tokens(next_token)))
    real = simulator.answer

    def without_token(call: Any) -> Any:  # noqa: ANN401 - as the front passes it
        params = {name: value for name, value in call.params.items() if name != "NextToken"}
        return real(replace(call, params=params))

    simulator.answer = without_token  # type: ignore[method-assign]
    with pytest.raises(ServiceError, match="ListTrainingJobs repeats a NextToken") as error:
        syncer.sync()
    assert error.value.exit_code == 7
    assert calls(simulator)[LIST] < 110
    simulator.clear_faults()
    syncer.sync()
    assert differences(syncer.stored(), scope) == []
