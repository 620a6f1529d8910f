"""Search shows an earlier world: old states, no new jobs, and jobs that are deleted by now."""

from collections.abc import Callable
from typing import Any

import pytest

from exporter.simulator import Behaviour, Clock, Scope, World

Names = Callable[[], dict[str, str]]


@pytest.fixture(params=["CreationTime", "LastModifiedTime"])
def seen(request: pytest.FixtureRequest, sagemaker: Any, world: World) -> Names:
    """Return the names and statuses in the index, which is a minute old."""
    world.behaviour = Behaviour(search_lag_seconds=60)

    def look() -> dict[str, str]:
        answer = sagemaker.search(Resource="TrainingJob", SortBy=request.param, MaxResults=100)
        rows = [row["TrainingJob"] for row in answer["Results"]]
        return {row["TrainingJobName"]: row["TrainingJobStatus"] for row in rows}

    return look


def test_a_new_job_is_not_found_yet(seen: Names, scope: Scope, clock: Clock) -> None:
    scope.create_job("new")
    assert seen() == {}
    clock.advance(59.999)
    assert seen() == {}
    clock.advance(0.001)
    assert seen() == {"new": "InProgress"}


def test_a_finished_job_still_shows_as_running(seen: Names, scope: Scope, clock: Clock) -> None:
    job = scope.create_job("job")
    clock.advance(100)
    scope.start(job)
    clock.advance(30)
    scope.finish(job)
    clock.advance(30)
    assert seen() == {"job": "InProgress"}
    clock.advance(30)
    assert seen() == {"job": "Completed"}


def test_a_deleted_job_is_still_found_for_a_while(seen: Names, scope: Scope, clock: Clock) -> None:
    scope.create_job("job")
    clock.advance(100)
    scope.delete_job("job")
    assert seen() == {"job": "InProgress"}
    clock.advance(60)
    assert seen() == {}


def test_search_finds_the_predecessor_of_a_reused_name(
    sagemaker: Any, seen: Names, scope: Scope, clock: Clock
) -> None:
    first = scope.create_job("job")
    clock.advance(100)
    scope.finish(first, "Failed")
    clock.advance(100)
    scope.delete_job("job")
    second = scope.create_job("job")
    assert first.arn == second.arn
    assert seen() == {"job": "Failed"}
    filters = [{"Name": "TrainingJobName", "Operator": "Equals", "Value": "job"}]
    by_name = sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": filters})
    assert by_name["Results"][0]["TrainingJob"]["CreationTime"] == first.creation_time
    described = sagemaker.describe_training_job(TrainingJobName="job")
    assert described["CreationTime"] == second.creation_time
    clock.advance(60)
    assert seen() == {"job": "InProgress"}


def test_states_are_kept_for_the_search_lag(seen: Names, scope: Scope, clock: Clock) -> None:
    job = scope.create_job("job")
    for _ in range(400):
        clock.advance(10)
        scope.update(job, secondary_status="Training")
    assert len(job.past) < 100
    assert seen() == {"job": "InProgress"}
