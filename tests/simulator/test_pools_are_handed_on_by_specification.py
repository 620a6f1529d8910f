"""Families share pools, quotas limit them, and a caller changes the keep-alive of a family."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.simulator import Behaviour, Clock, JobSpec, Scope, World
from exporter.simulator.families import Family, Habits, Naming
from exporter.simulator.sessions import Session, Task

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SPEC = JobSpec("ml.g5.xlarge", keep_alive_seconds=600)


def numbered(name: Naming) -> str:
    return f"{name.base}-{name.number}"


def session(
    base: str, minute: float, spec: JobSpec = SPEC, jobs: int = 1, pause: float = 60, **task: Any
) -> Session:
    """Return jobs of ten minutes; a cold start takes four minutes, a warm one takes one."""
    family = Family(base, numbered, (spec,), {}, Habits(10, jobs, 0, 1))
    first = Task(0, 240, 60, 600, **task)
    tasks = (first, *(first._replace(pause=pause) for _ in range(jobs - 1)))
    return Session(family, spec, "k", NOON + timedelta(minutes=minute), tasks)


def run(*sessions: Session, minutes: float = 600, **behaviour: Any) -> Scope:
    world = World(Clock(NOON), behaviour=Behaviour(**behaviour))
    scope = world.scope("111122223333", "eu-west-1")
    world.schedule(scope, sessions)
    world.advance(timedelta(minutes=minutes))
    return scope


def shown(scope: Scope) -> dict[str, tuple[float, dict[str, Any] | None]]:
    """Return by name: the minutes from creation to start, and the pool."""
    found = {}
    for job in scope.jobs():
        scope.check(job)
        start = job.state.training_start_time
        assert start is not None
        waited = (start - job.creation_time) / timedelta(minutes=1)
        found[job.name] = (waited, scope.summary(job).get("WarmPoolStatus"))
    return found


def reused(seconds: int, by: str) -> dict[str, Any]:
    return {
        "Status": "Reused",
        "ResourceRetainedBillableTimeInSeconds": seconds,
        "ReusedByJob": by,
    }


def expired(seconds: int) -> dict[str, Any]:
    return {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": seconds}


def test_a_job_takes_the_pool_of_another_family_and_starts_warm() -> None:
    assert shown(run(session("a", 0), session("b", 20))) == {
        "a-1": (4, reused(360, "b-1")),
        "b-1": (1, expired(600)),
    }


@pytest.mark.parametrize(
    "change",
    [
        {"volume_size_gb": 31},
        {"instance_count": 2},
        {"role_arn": "arn:aws:iam::111122223333:role/other"},
        {"subnets": ("subnet-1",), "security_group_ids": ("sg-1",)},
        {"encrypt_traffic": True},
        {"network_isolation": True},
        {"managed_spot": True},
    ],
)
def test_a_job_that_requests_something_else_starts_cold(change: dict[str, Any]) -> None:
    found = shown(run(session("a", 0), session("b", 20, replace(SPEC, **change))))
    assert found["a-1"] == (4, expired(600))
    assert found["b-1"][0] == 4


def test_each_pool_waits_as_long_as_the_job_before_it_requested() -> None:
    without = replace(SPEC, keep_alive_seconds=None)
    found = shown(run(session("a", 0), session("b", 20, without), session("c", 33)))
    assert found == {
        "a-1": (4, reused(360, "b-1")),
        "b-1": (1, None),
        "c-1": (4, expired(600)),
    }


def test_a_session_goes_on_earlier_after_a_warm_start() -> None:
    scope = run(session("a", 0, jobs=3))
    created = [(job.creation_time - NOON) / timedelta(minutes=1) for job in scope.jobs()]
    assert created == [0, 15, 27]


@pytest.mark.parametrize(("rule", "taken"), [("expires last", "b-1"), ("expires first", "a-1")])
def test_the_behaviour_decides_which_of_several_pools_is_taken(rule: Any, taken: str) -> None:
    found = shown(run(session("a", 0), session("b", 2), session("c", 20), pool_taken=rule))
    pools = {name: pool or {} for name, (_, pool) in found.items()}
    taker = {name: pool["ReusedByJob"] for name, pool in pools.items() if "ReusedByJob" in pool}
    assert taker == {taken: "c-1"}


@pytest.mark.parametrize(("rule", "pool"), [("absent", None), ("Terminated", "Terminated")])
def test_waiting_pools_never_exceed_the_quota(rule: Any, pool: str | None) -> None:
    """The second of three jobs that end together finds the quota full."""
    sessions = [session("a", 0), session("b", 1), session("c", 30)]
    found = shown(run(*sessions, pool_quotas={SPEC.instance_type: 1}, pool_without_quota=rule))
    assert found == {
        "a-1": (4, expired(600)),
        "b-1": (4, pool and {"Status": pool}),
        "c-1": (4, expired(600)),
    }


def test_jobs_that_the_service_failed_leave_no_pool() -> None:
    ends = {
        "a": ("Failed", "AlgorithmError: exit code 1"),
        "b": ("Failed", "ClientError: no such key"),
        "c": ("Failed", "InternalServerError: try again"),
        "d": ("Stopped", None),
    }
    sessions = [
        session(base, 60 * number, status=status, failure_reason=reason)
        for number, (base, (status, reason)) in enumerate(ends.items())
    ]
    kept = {name: pool is not None for name, (_, pool) in shown(run(*sessions)).items()}
    assert kept == {"a-1": True, "b-1": True, "c-1": False, "d-1": True}


def test_a_chain_lasts_28_days_at_most() -> None:
    long = session("a", 0)
    tasks = tuple(Task(60, 240, 60, 86_400 * 9.999) for _ in range(4))
    scope = run(long._replace(tasks=tasks), minutes=60 * 24 * 60)
    statuses = [job.state.warm_pool_status for job in scope.jobs()]
    assert statuses == ["Reused", "Reused", None, "Terminated"]


def test_a_caller_changes_the_keep_alive_of_a_family() -> None:
    world = World(Clock(NOON))
    scope = world.scope("111122223333", "eu-west-1")
    world.schedule(scope, [session("a", 0, jobs=4), session("b", 900)])
    world.advance(timedelta(minutes=16))
    scope.keep_alive["a"] = 0
    world.advance(timedelta(minutes=16))
    scope.keep_alive["a"] = 3600
    world.advance(timedelta(minutes=2000))
    requested = {job.name: job.spec.keep_alive_seconds for job in scope.jobs()}
    assert requested == {"a-1": 600, "a-2": 600, "a-3": None, "a-4": 3600, "b-1": 600}
    assert shown(scope)["a-2"] == (1, reused(60, "a-3"))
    assert shown(scope)["a-3"] == (1, None)
    assert shown(scope)["a-4"] == (4, expired(3600))


def test_a_pool_that_a_test_ended_is_not_taken() -> None:
    world = World(Clock(NOON))
    scope = world.scope("111122223333", "eu-west-1")
    world.schedule(scope, [session("a", 0), session("b", 20)])
    world.advance(timedelta(minutes=15))
    scope.settle_pool(scope.job("a-1"))
    world.advance(timedelta(minutes=60))
    assert shown(scope) == {"a-1": (4, expired(60)), "b-1": (4, expired(600))}
