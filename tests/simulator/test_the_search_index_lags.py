"""Search shows the world as it was: old states, no new jobs, and deleted ones still there."""

from collections.abc import Callable
from typing import Any

import pytest

from exporter.simulator import Behaviour, Clock, Scope, World

Names = Callable[[], dict[str, str]]


@pytest.fixture(params=["CreationTime", "LastModifiedTime"])
def seen(request: pytest.FixtureRequest, sagemaker: Any, world: World) -> Names:
    """Give a look into the index, a minute old: names and statuses."""
    world.behaviour = Behaviour(search_lag_seconds=60)

    def look() -> dict[str, str]:
        answer = sagemaker.search(Resource="TrainingJob", SortBy=request.param, MaxResults=100)
        rows = [row["TrainingJob"] for row in answer["Results"]]
        return {row["TrainingJobName"]: row["TrainingJobStatus"] for row in rows}

    return look


def test_a_new_job_is_not_there_yet(seen: Names, scope: Scope, clock: Clock) -> None:
    scope.create_job("new")
    assert seen() == {}
    clock.advance(59.999)
    assert seen() == {}
    clock.advance(0.001)
    assert seen() == {"new": "InProgress"}


def test_a_finished_job_still_runs(seen: Names, scope: Scope, clock: Clock) -> None:
    job = scope.create_job("job")
    clock.advance(100)
    scope.start(job)
    clock.advance(30)
    scope.finish(job)
    clock.advance(30)
    assert seen() == {"job": "InProgress"}
    clock.advance(30)
    assert seen() == {"job": "Completed"}


def test_a_deleted_job_is_still_there(seen: Names, scope: Scope, clock: Clock) -> None:
    scope.create_job("job")
    clock.advance(100)
    scope.delete_job("job")
    assert seen() == {"job": "InProgress"}
    clock.advance(60)
    assert seen() == {}


def test_a_namesake_is_found_as_its_predecessor(
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


def test_states_are_kept_as_far_back_as_a_lag_reaches(
    seen: Names, scope: Scope, clock: Clock
) -> None:
    job = scope.create_job("job")
    for _ in range(400):
        clock.advance(10)
        scope.update(job, secondary_status="Training")
    assert len(job.past) < 100
    assert seen() == {"job": "InProgress"}
