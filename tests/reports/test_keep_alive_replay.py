"""The replay promises least, counts every pool once, and finds the best plan for all families."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.reports.replay import (
    Job,
    Outcomes,
    Plan,
    Specification,
    Window,
    events_of,
    replay,
)

WINDOW = Window(600, 6000)
PERIODS = (0, 60, 300, 600, 1200)
FAMILIES = ("a", "b", "c")


def job(family: str, created: int, length: int | None, keep_alive: int) -> Job:
    """Return a job on a grid of 20 seconds, whose price changes when half the time is over."""
    ended = None if length is None else (created + length) * 20.0
    rate = 1.0 if ended is None or ended < 3000 else 2.0
    return Job(family, created * 20.0, ended, keep_alive, rate)


#: Jobs of up to three families. The grid is so coarse that many times are equal.
jobs = st.lists(
    st.builds(
        job,
        st.sampled_from(FAMILIES),
        st.integers(0, 300),
        st.none() | st.integers(0, 60),
        st.sampled_from(PERIODS),
    ),
    min_size=1,
    max_size=14,
)
plans = st.dictionaries(st.sampled_from(FAMILIES), st.sampled_from(PERIODS))
few = settings(max_examples=60, deadline=None)


@dataclass
class Waiting:
    """A pool of the replay that this test does step by step."""

    job: Job
    start: float
    end: float
    is_reused: bool = False


def step_by_step(made: list[Job], plan: Plan, *, expires_first: bool) -> tuple[float, float]:
    """Return reuses and USD: a job takes the waiting pool that expires last, or first."""
    sign = -1 if expires_first else 1
    pools = [
        Waiting(job, job.ended, job.ended + plan.get(job.family, job.keep_alive))
        for job in made
        if job.ended is not None and plan.get(job.family, job.keep_alive)
    ]
    for created in sorted(job.created for job in made if job.created is not None):
        waiting = [
            pool for pool in pools if not pool.is_reused and pool.start <= created <= pool.end
        ]
        if waiting:
            taken = max(waiting, key=lambda pool: (sign * pool.end, pool.start))
            taken.end, taken.is_reused = created, True
    return (
        sum(pool.is_reused and WINDOW.since <= pool.start < WINDOW.until for pool in pools),
        sum(
            max(0, min(pool.end, WINDOW.until) - max(pool.start, WINDOW.since))
            * pool.job.usd_per_second
            for pool in pools
        ),
    )


def totals(outcomes: Outcomes) -> tuple[float, float]:
    return (
        sum(outcome.reuses for outcome in outcomes.values()),
        sum(outcome.usd for outcome in outcomes.values()),
    )


@few
@given(jobs, plans, st.booleans())
def test_a_job_takes_the_waiting_pool_that_expires_last_or_first(
    made: list[Job], plan: Plan, expires_first: bool
) -> None:
    found = replay(events_of(made), plan, WINDOW, expires_first=expires_first)
    assert totals(found) == pytest.approx(step_by_step(made, plan, expires_first=expires_first))


@few
@given(jobs, plans, st.sampled_from(FAMILIES))
def test_a_longer_period_never_loses_a_reuse(made: list[Job], plan: Plan, family: str) -> None:
    everywhere = Window(0, 10**9)
    reuses = [
        totals(replay(events_of(made), {**plan, family: period}, everywhere))[0]
        for period in PERIODS
    ]
    assert reuses == sorted(reuses)


@few
@given(jobs, plans, st.booleans())
def test_clusters_add_up_to_one_replay_of_all_jobs(
    made: list[Job], plan: Plan, expires_first: bool
) -> None:
    events = events_of(made)
    prepared = Specification(events, WINDOW, max(PERIODS), expires_first=expires_first)
    whole = replay(events, plan, WINDOW, expires_first=expires_first)
    found = prepared.outcomes(plan)
    for family in FAMILIES:
        reuses, usd = (whole[family].reuses, whole[family].usd) if family in whole else (0, 0.0)
        assert found[family].reuses == reuses
        assert found[family].usd == pytest.approx(usd)


@few
@given(jobs, st.sampled_from((0.0, 50.0, 400.0)))
def test_the_plan_is_never_worse_than_the_current_one_or_one_period_for_all(
    made: list[Job], reuse_usd: float
) -> None:
    prepared = Specification(events_of(made), WINDOW, max(PERIODS))
    plan = prepared.best(PERIODS, FAMILIES, reuse_usd)

    def value(tried: Plan) -> float:
        reuses, usd = totals(prepared.outcomes(tried))
        return reuses * reuse_usd - usd

    others = [{}, *(dict.fromkeys(FAMILIES, period) for period in PERIODS)]
    assert value(plan) >= max(map(value, others)) - 1e-6
    assert {job.family for job in made} >= set(plan)


def test_families_that_end_together_do_not_both_keep_pools_for_one_job() -> None:
    """Both families end a job every hour, and one job follows: one pool is enough."""
    made = []
    for hour in range(10):
        at = hour * 3600.0
        made += [Job("a", at, at + 100, 300, 1.0), Job("b", at, at + 100, 300, 1.0)]
        made.append(Job("c", at + 200, None, 0, 1.0))
    prepared = Specification(events_of(made), Window(0, 10**6), 3600)
    plan = prepared.best(PERIODS, FAMILIES, 500.0)

    value, best = (
        max(
            10 * 500.0 - totals(prepared.outcomes({"a": a, "b": b}))[1]
            for a, b in product(PERIODS, PERIODS)
            if totals(prepared.outcomes({"a": a, "b": b}))[0] == 10
        ),
        totals(prepared.outcomes(plan)),
    )

    assert sorted(plan.values()) == [0, 300]
    assert best == (10, 10 * 500.0 - value) == (10, 1000.0)


def test_at_the_same_moment_a_pool_starts_before_a_job_takes_it() -> None:
    made = [Job("a", 0, 1000, 60, 1.0), Job("a", 1000, None, 0, 1.0)]
    assert totals(replay(events_of(made), {}, WINDOW)) == (1, 0.0)
    assert totals(replay(events_of(made), {"a": 0}, WINDOW)) == (0, 0.0)


def test_a_chain_lasts_28_days() -> None:
    """Jobs of a day follow each other after a minute. The pool ends in the middle of a wait."""
    made = []
    for day in range(60):
        created = day * 86_460.0
        made.append(Job("a", created, created + 86_400, 600, 1.0))
    everywhere = Window(0, 10**9)
    events = events_of(made)
    # Each pool is idle for a minute. The 28th job ends 27 minutes after the 28 days are over.
    expected = pytest.approx((57, 57 * 60.0 + 600))
    assert totals(replay(events, {}, everywhere)) == expected
    assert totals(Specification(events, everywhere, 3600).outcomes({"a": 600})) == expected


def test_pools_outside_the_replayed_part_only_compete() -> None:
    made = [
        Job("a", 0, 1000, 600, 1.0),
        Job("a", None, 1050, 600, 1.0, counts=False),
        Job("a", 1100, None, 0, 1.0),
    ]
    assert totals(replay(events_of(made), {}, WINDOW)) == (0, 600.0)
    scaled = Specification(events_of(made), WINDOW, 3600, scales={"a": 2.5})
    assert totals(scaled.outcomes({"a": 600})) == (0, 1500.0)
