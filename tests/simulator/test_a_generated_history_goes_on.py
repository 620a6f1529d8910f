"""A seed decides a realistic history, which goes on when time passes."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from exporter.simulator import Behaviour, Clock, Scope, World
from exporter.simulator.pools import match_of

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def made(seed: int, jobs: int = 2000, **behaviour: object) -> tuple[World, Scope]:
    world = World(Clock(NOON), seed, Behaviour(**behaviour))  # type: ignore[arg-type]
    scope = world.scope("111122223333", "eu-west-1")
    world.generate(jobs=jobs, scopes=[scope])
    return world, scope


@pytest.fixture(scope="module")
def history() -> Scope:
    """A history that tests only read."""
    return made(7, 4000)[1]


def test_the_same_seed_gives_the_same_history() -> None:
    worlds = [made(seed) for seed in (3, 3, 4)]
    for world, _ in worlds:
        world.advance(timedelta(days=3))
    first, again, other = ([scope.summary(job) for job in scope.jobs()] for _, scope in worlds)
    assert first == again
    assert first != other


@pytest.mark.parametrize("jobs", [1, 7, 500])
def test_a_history_has_exactly_the_requested_number_of_jobs(jobs: int) -> None:
    world = World(Clock(NOON), 7)
    scopes = [world.scope("111122223333", region) for region in ("eu-west-1", "us-east-1")]
    world.generate(jobs=jobs, scopes=scopes)
    assert sum(len(scope.jobs()) for scope in scopes) == jobs
    assert len(scopes[0].jobs()) >= len(scopes[1].jobs())


def test_a_history_stays_within_its_period() -> None:
    world = World(Clock(NOON), 7)
    until = NOON - timedelta(days=10)
    since = until - timedelta(days=20)
    world.generate(jobs=300, since=since, until=until)
    (scope,) = world.scopes()
    assert all(since <= job.creation_time <= until for job in scope.jobs())


def test_some_jobs_run_and_some_pools_wait_at_the_end_of_a_history(history: Scope) -> None:
    statuses = Counter(job.state.training_job_status for job in history.jobs())
    pools = Counter(job.state.warm_pool_status for job in history.jobs())
    assert set(statuses) == {"Completed", "Failed", "Stopped", "InProgress"}
    assert set(pools) == {None, "Reused", "Terminated", "Available", "InUse"}
    assert statuses["Completed"] > 0.7 * len(history.jobs())


def test_names_follow_every_common_pattern(history: Scope) -> None:
    names = [job.name for job in history.jobs()]
    for pattern in (
        r"pipelines-[a-z0-9]{12}-PreprocessorTraining-[A-Za-z]{10}",
        r"resnet-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}",
        r"bert-ft-[a-f0-9]{7}-[a-f0-9]{6}-\d+",
        r"hpo-\d{3}-[0-9a-f]{8}",
        r"nightly-\d+",
    ):
        assert any(re.fullmatch(pattern, name) for name in names), pattern
    tuned = [job for job in history.jobs() if job.name.startswith("hpo-")]
    assert all(job.spec.tuning_job_arn for job in tuned)


def test_a_history_has_every_kind_of_specification(history: Scope) -> None:
    specs = [job.spec for job in history.jobs()]
    assert any(spec.managed_spot for spec in specs)
    assert any(spec.instance_groups for spec in specs)
    assert any(spec.training_plan_arn for spec in specs)
    assert any(spec.subnets and spec.volume_kms_key_id for spec in specs)
    assert len({spec.instance_type for spec in specs}) > 8
    assert len({job.state.tags.get("team") for job in history.jobs()}) > 4


def test_failed_jobs_have_reasons_and_some_never_start(history: Scope) -> None:
    failed = [job for job in history.jobs() if job.state.training_job_status == "Failed"]
    assert all(job.state.failure_reason for job in failed)
    assert any("--api_key" in str(job.state.failure_reason) for job in failed)
    never = [job for job in failed if job.state.training_start_time is None]
    assert never
    assert all(job.state.billable_seconds is None for job in never)


def test_a_reused_pool_names_a_job_that_came_in_time(history: Scope) -> None:
    reused = [job for job in history.jobs() if job.state.warm_pool_status == "Reused"]
    assert len(reused) > 500
    for job in reused:
        name, ended = job.state.warm_pool_reused_by_job, job.state.training_end_time
        assert name is not None
        assert ended is not None
        following = history.job(name)
        waited = following.creation_time - ended
        assert timedelta() <= waited <= timedelta(seconds=job.spec.keep_alive_seconds or 0)
        assert match_of(following.spec) == match_of(job.spec)
        retained = job.state.warm_pool_retained_seconds or 0
        assert abs(retained - waited.total_seconds()) <= 3


def test_an_expired_pool_was_retained_for_its_whole_keep_alive(history: Scope) -> None:
    for job in history.jobs():
        if job.state.warm_pool_status == "Terminated":
            assert job.state.warm_pool_retained_seconds == job.spec.keep_alive_seconds


def test_running_jobs_end_and_new_jobs_appear() -> None:
    world, scope = made(7)
    before = {job.name: scope.summary(job) for job in scope.jobs()}
    running = [job for job in scope.jobs() if job.state.training_job_status == "InProgress"]
    assert running
    happened = world.advance(timedelta(days=14))
    assert happened > 50
    created = len(scope.jobs()) - len(before)
    assert created == pytest.approx(14 * world.jobs_per_day, rel=0.3)
    assert all(job.state.training_job_status != "InProgress" for job in running)
    changed = [name for name, row in before.items() if scope.summary(scope.job(name)) != row]
    assert len(changed) >= len(running)
    for job in scope.jobs():
        scope.check(job)


def test_small_steps_lead_to_the_same_jobs_as_one_large_step() -> None:
    one, scope_of_one = made(7)
    other, scope_of_other = made(7)
    for world in (one, other):
        world.jobs_per_day = 0
    one.advance(timedelta(days=1))
    for _ in range(24):
        other.advance(timedelta(hours=1))
    known = {job.name: scope_of_one.summary(job) for job in scope_of_one.jobs()}
    for job in scope_of_other.jobs():
        assert known[job.name] == scope_of_other.summary(job)


def test_a_year_may_pass_at_once() -> None:
    world, scope = made(7, 100)
    world.jobs_per_day = 3
    world.advance(timedelta(days=365))
    assert len(scope.jobs()) == pytest.approx(100 + 3 * 365, rel=0.1)


def test_hand_made_jobs_go_on(world: World, scope: Scope, clock: Clock) -> None:
    job = scope.create_job("by-hand", keep_alive_seconds=600)
    alone = scope.create_job("alone", keep_alive_seconds=600, lives=False)
    seen = []
    for _ in range(500):
        world.advance(60)
        state = job.state
        seen.append((state.training_job_status, state.warm_pool_status))
    order = list(dict.fromkeys(seen))
    assert order == [
        ("InProgress", None),
        ("InProgress", "InUse"),
        ("Completed", "Available"),
        ("Completed", "Terminated"),
    ]
    assert job.state.warm_pool_retained_seconds == 600
    assert alone.state.secondary_status == "Starting"
    assert clock.now() == NOON + timedelta(seconds=500 * 60)


def test_a_job_moved_by_hand_goes_on_from_there(world: World, scope: Scope) -> None:
    job = scope.create_job("job", keep_alive_seconds=600)
    world.advance(1)
    scope.start(job)
    scope.finish(job, "Completed", billable_seconds=5)
    world.advance(599)
    assert job.state.warm_pool_status == "Available"
    world.advance(1)
    assert job.state.warm_pool_status == "Terminated"
    assert job.state.warm_pool_retained_seconds == 600


def test_a_deleted_job_does_not_change_any_more(world: World, scope: Scope) -> None:
    scope.create_job("job")
    world.advance(1)
    scope.delete_job("job")
    assert world.advance(timedelta(days=3)) == 0


def test_the_behaviour_applies_to_generated_jobs() -> None:
    moves = made(7, 500, pool_moves_last_modified=True)[1]
    stays = made(7, 500, pool_moves_last_modified=False)[1]
    for scope, after in ((moves, True), (stays, False)):
        job = next(j for j in scope.jobs() if j.state.warm_pool_status == "Terminated")
        ended = job.state.training_end_time
        assert ended is not None
        assert (job.state.last_modified_time > ended) is after
    none = made(7, 500, pool_quotas={"*": 0})[1]
    assert {job.state.warm_pool_status for job in none.jobs()} == {None}


def test_a_clock_does_not_go_back() -> None:
    clock = Clock(NOON)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="aware"):
        Clock(NOON.replace(tzinfo=None))


def test_a_real_clock_follows_the_system_clock() -> None:
    clock = Clock.real()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    clock.advance(timedelta(days=1))
    assert clock.now() > datetime.now(UTC) + timedelta(hours=23)
