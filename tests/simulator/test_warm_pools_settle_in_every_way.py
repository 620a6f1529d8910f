"""Warm pools become Available, Reused or Terminated: on time, late, silently, or never."""

from dataclasses import replace
from typing import Any

import pytest

from exporter.simulator import Behaviour, Clock, Job, Scope, World


@pytest.fixture
def ended(scope: Scope, clock: Clock) -> Job:
    """A job that ran for ten minutes, ended, and keeps its instances."""
    job = scope.create_job("job", keep_alive_seconds=1800)
    clock.advance(200)
    scope.start(job)
    clock.advance(600)
    return scope.finish(job)


def pool(sagemaker: Any, name: str = "job") -> dict[str, Any] | None:
    rows = sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    described = sagemaker.describe_training_job(TrainingJobName=rows[0]["TrainingJobName"])
    assert described.get("WarmPoolStatus") == rows[0].get("WarmPoolStatus")
    shown: dict[str, Any] | None = rows[0].get("WarmPoolStatus")
    return shown


def test_a_running_job_is_in_use_or_shows_nothing(
    sagemaker: Any, world: World, scope: Scope
) -> None:
    scope.start(scope.create_job("one", keep_alive_seconds=60))
    world.behaviour = Behaviour(pool_in_use_while_running=False)
    scope.start(scope.create_job("two", keep_alive_seconds=60))
    assert pool(sagemaker, "one") == {"Status": "InUse"}
    assert pool(sagemaker, "two") is None


@pytest.mark.parametrize(("knob", "seconds"), [("absent", None), ("zero", 0), ("growing", 300)])
def test_a_waiting_pool_may_show_its_seconds_in_three_ways(
    sagemaker: Any, world: World, clock: Clock, ended: Job, knob: Any, seconds: int | None
) -> None:
    world.behaviour = Behaviour(pool_seconds_while_available=knob)
    clock.advance(300)
    assert ended.state.training_end_time
    shown = pool(sagemaker)
    assert shown == {"Status": "Available"} | (
        {} if seconds is None else {"ResourceRetainedBillableTimeInSeconds": seconds}
    )


def test_retained_seconds_grow_between_two_pages(sagemaker: Any, clock: Clock, ended: Job) -> None:
    assert ended.name
    grown = []
    for _ in range(3):
        clock.advance(10)
        grown.append((pool(sagemaker) or {})["ResourceRetainedBillableTimeInSeconds"])
    assert grown == [10, 20, 30]


def test_a_reused_pool_names_the_next_job(
    sagemaker: Any, scope: Scope, clock: Clock, ended: Job
) -> None:
    clock.advance(400)
    scope.settle_pool(ended, "Reused", reused_by=scope.create_job("next", keep_alive_seconds=60))
    assert pool(sagemaker, "job") == {
        "Status": "Reused",
        "ResourceRetainedBillableTimeInSeconds": 400,
        "ReusedByJob": "next",
    }


@pytest.mark.parametrize("moves", [False, True])
def test_settling_may_move_the_modification_time(
    sagemaker: Any, world: World, scope: Scope, clock: Clock, ended: Job, moves: bool
) -> None:
    world.behaviour = Behaviour(pool_moves_last_modified=moves)
    before = ended.state.last_modified_time
    clock.advance(1800)
    scope.settle_pool(ended, "Terminated", seconds=1795)
    row = sagemaker.list_training_jobs()["TrainingJobSummaries"][0]
    assert row["LastModifiedTime"] == (clock.now() if moves else before)
    assert row["WarmPoolStatus"]["ResourceRetainedBillableTimeInSeconds"] == 1795


def test_a_secondary_status_may_move_the_modification_time(
    world: World, scope: Scope, clock: Clock
) -> None:
    job = scope.create_job("job")
    clock.advance(60)
    world.behaviour = Behaviour(secondary_moves_last_modified=False)
    assert scope.start(job).state.last_modified_time == job.creation_time
    world.behaviour = Behaviour()
    clock.advance(60)
    other = scope.create_job("other")
    clock.advance(60)
    assert scope.start(other).state.last_modified_time == clock.now()


def test_a_pool_status_may_come_late(
    sagemaker: Any, world: World, clock: Clock, ended: Job
) -> None:
    assert ended.name
    world.behaviour = Behaviour(pool_status_late_seconds=30)
    clock.advance(29)
    assert pool(sagemaker) is None
    assert (
        sagemaker.list_training_jobs(WarmPoolStatusEquals="Available")["TrainingJobSummaries"] == []
    )
    clock.advance(1)
    assert pool(sagemaker)


def test_a_pool_status_may_never_come(
    sagemaker: Any, world: World, clock: Clock, ended: Job
) -> None:
    assert ended.name
    world.behaviour = Behaviour(pool_status_late_seconds=float("inf"))
    clock.advance(10**7)
    assert pool(sagemaker) is None


def test_retained_seconds_may_come_late(
    sagemaker: Any, world: World, scope: Scope, clock: Clock, ended: Job
) -> None:
    world.behaviour = Behaviour(pool_seconds_late_seconds=60)
    clock.advance(1800)
    scope.settle_pool(ended)
    assert pool(sagemaker) == {"Status": "Terminated"}
    clock.advance(60)
    assert pool(sagemaker) == {
        "Status": "Terminated",
        "ResourceRetainedBillableTimeInSeconds": 1800,
    }


@pytest.mark.parametrize("quota", ["*", "ml.m5.xlarge"])
def test_a_job_without_quota_gets_no_pool(
    sagemaker: Any, world: World, scope: Scope, quota: str
) -> None:
    world.behaviour = Behaviour(pool_quotas={quota: 0})
    job = scope.create_job("job", keep_alive_seconds=1800)
    scope.finish(scope.start(job))
    assert pool(sagemaker) is None
    config = sagemaker.describe_training_job(TrainingJobName="job")["ResourceConfig"]
    assert config["KeepAlivePeriodInSeconds"] == 1800


@pytest.mark.parametrize(
    "spec",
    [
        {"managed_spot": True},
        {
            "instance_groups": [
                {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "InstanceGroupName": "a"}
            ]
        },
        {"keep_alive_seconds": 0},
    ],
)
def test_spot_jobs_groups_and_jobs_without_keep_alive_have_no_pool(
    scope: Scope, spec: dict[str, Any]
) -> None:
    job = scope.create_job("job", **{"keep_alive_seconds": 1800, **spec})
    scope.finish(scope.start(job))
    assert "WarmPoolStatus" not in scope.summary(job)
    with pytest.raises(ValueError, match="no pool"):
        scope.settle_pool(job)


def test_a_test_may_give_or_deny_a_pool_to_one_job(scope: Scope) -> None:
    without = scope.start(scope.create_job("without", keep_alive_seconds=1800))
    failed = scope.start(scope.create_job("failed", keep_alive_seconds=1800))
    assert "WarmPoolStatus" not in scope.summary(scope.finish(without, pool=False))
    assert "WarmPoolStatus" in scope.summary(scope.finish(failed, "Failed", pool=True))


def test_a_job_that_the_service_failed_has_no_pool_and_may_have_no_seconds(
    sagemaker: Any, world: World, scope: Scope, clock: Clock
) -> None:
    for knob in (False, True):
        world.behaviour = replace(world.behaviour, failed_without_seconds=knob)
        job = scope.create_job(f"job-{knob}", keep_alive_seconds=1800)
        scope.start(job)
        clock.advance(60)
        scope.finish(job, "Failed", failure_reason="InternalServerError: try again")
    timed, untimed = (
        sagemaker.describe_training_job(TrainingJobName=f"job-{knob}") for knob in (False, True)
    )
    assert (timed["BillableTimeInSeconds"], timed["TrainingTimeInSeconds"]) == (60, 60)
    assert not {"BillableTimeInSeconds", "TrainingTimeInSeconds"} & set(untimed)
    # A time that AWS has shown does not disappear.
    assert "TrainingStartTime" in timed
    assert "TrainingStartTime" in untimed
    assert untimed["FailureReason"] == "InternalServerError: try again"
    assert "WarmPoolStatus" not in timed
