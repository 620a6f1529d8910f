"""The promise as a property: whatever happened, the next good sync ends equal to the service."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exporter.errors import ExporterError
from exporter.sagemaker import service
from exporter.simulator import Behaviour, Clock, Fault, Simulator, World
from exporter.syncing.sizes import Sizes
from tests.support.syncing import (
    CHANGES,
    Hooks,
    KeptDatabase,
    Killed,
    Life,
    Syncer,
    differences,
    served,
)

#: The long run: EXPORTER_EXAMPLES=100000 pytest tests/sync -k interleaving
EXAMPLES = int(os.environ.get("EXPORTER_EXAMPLES", "60"))
LAG = 60
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

#: One change at the service, with a number that chooses its details.
change = st.tuples(st.sampled_from(CHANGES), st.integers(0, 1_000))
changes = st.lists(change, max_size=6)

behaviours = st.builds(
    Behaviour,
    filter_before_cut=st.booleans(),
    creation_time_is_range=st.booleans(),
    inclusive_bounds=st.booleans(),
    offset_tokens=st.booleans(),
    last_modified_in_summaries=st.booleans(),
    pool_moves_last_modified=st.booleans(),
    secondary_moves_last_modified=st.booleans(),
    pool_status_late_seconds=st.sampled_from([0.0, 90.0]),
    pool_seconds_while_available=st.sampled_from(["absent", "zero", "growing"]),
    pool_seconds_late_seconds=st.sampled_from([0.0, 600.0]),
    failed_without_times=st.booleans(),
    new_statuses=st.sampled_from([(), ("Hibernating",)]),
    deleting_seconds=st.sampled_from([0.0, 120.0]),
    missing_job_error=st.sampled_from(["ValidationException", "ResourceNotFound"]),
    search_lag_seconds=st.sampled_from([0.0, float(LAG)]),
    denied=st.sampled_from(
        [
            frozenset(),
            frozenset({(None, None, "Search")}),
            frozenset({(None, None, "ListTags"), (None, None, "Search")}),
        ]
    ),
)

#: A step: changes, the time that passes, and a sync that may be killed or meet a fault.
steps = st.lists(
    st.fixed_dictionaries(
        {
            "changes": changes,
            "between_pages": changes,
            "seconds": st.sampled_from([1, 30, 200, 4_000, 90_000]),
            "sync": st.sampled_from(["none", "sync", "full", "killed", "fault"]),
            "at": st.integers(0, 12),
            "since": st.sampled_from([None, None, 100, 5_000, 100_000]),
            "fault": st.sampled_from(["truncated", "reset", "rejected_token", "internal"]),
        }
    ),
    max_size=6,
)


#: The columns of training_job_changes, as one value.
_STATE = (
    "CAST((training_job_status, secondary_status, warm_pool_status, "
    "warm_pool_retained_seconds, warm_pool_reused_by_job, last_modified_time) AS VARCHAR)"
)

accounts = count(1)


#: Pages of three jobs, so that a handful of jobs has all the borders.
SMALL = Sizes(page=3)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(World(Clock(datetime(2026, 11, 1, tzinfo=UTC)))) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def kept(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptDatabase]:
    path = tmp_path_factory.mktemp("kept") / "jobs.duckdb"
    shutil.copyfile(migrated_file, path)
    database = KeptDatabase(path)
    yield database
    database.close()


def interfere(at: int, act: Callable[[], None]) -> Hooks:
    """Act at the n-th boundary of all calls and commits of a sync."""
    left = [at]

    def place(_: object) -> None:
        left[0] -= 1
        if left[0] == -1:
            act()

    return Hooks(before_call=place, after_call=place, before_commit=place, after_commit=place)


def die() -> None:
    raise Killed


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    # Each example has an account of its own, so the fixtures of the function may be shared.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(behaviour=behaviours, steps=steps, last=st.sampled_from(["sync", "full"]))
def test_the_next_good_sync_ends_equal_to_the_service(
    running: Simulator,
    kept: KeptDatabase,
    behaviour: Behaviour,
    steps: list[dict[str, object]],
    last: str,
) -> None:
    world = running.world
    world.behaviour = behaviour
    running.clear_faults()
    # An account of its own gives the example a fresh world.
    life = Life(world.scope(f"{next(accounts):012}", "eu-west-1"), world.clock)
    kept.empty()
    syncer = Syncer(kept, life.scope, running, SMALL)
    seen: dict[tuple[str, datetime], object] = {}

    for step in steps:
        for what, number in step["changes"]:  # type: ignore[attr-defined]
            life.happen(what, number)
        life.clock.advance(step["seconds"])  # type: ignore[arg-type]
        run_step(syncer, life, step)
        life.clock.advance(1)
        seen |= syncer.stored("true")

    # The next sync that begins after the lag finds what Search hid. By then, everything that the
    # service does late (Deleting, a pool status, pool seconds) has happened.
    life.clock.advance(timedelta(minutes=15) + service.SEARCH_LAG)
    # This --since fetches what a later one left out.
    syncer.sync(full=last == "full", since=LONG_AGO)
    assert differences(syncer.stored(), life.scope) == []
    # Another sync may have to confirm what the last one did not find.
    syncer.sync(full=last == "full")

    stored, there = syncer.stored(), served(life.scope)
    assert differences(stored, life.scope) == []
    # A job that AWS deleted is kept, and marked as deleted unless it had been closed before.
    unmarked = stored.keys() - there.keys()
    assert not unmarked if last == "full" else True
    closed = syncer.stored("deleted_at IS NULL AND open_reason IS NULL")
    assert unmarked <= closed.keys()
    # No job that was ever seen is lost.
    assert seen.keys() <= syncer.stored("true").keys()
    # The history ends in the stored state, and no state comes twice in a row.
    history: dict[object, list[object]] = {}
    for *key, state in syncer.query(
        f"SELECT training_job_arn, creation_time, {_STATE} FROM training_job_changes "
        "ORDER BY observed_at, rowid"
    ):
        history.setdefault(tuple(key), []).append(state)
    assert {key: states[-1] for key, states in history.items()} == {
        tuple(key): state
        for *key, state in syncer.query(
            f"SELECT training_job_arn, creation_time, {_STATE} FROM training_jobs"
        )
    }
    assert all(one != next_ for states in history.values() for one, next_ in pairwise(states))
    # The details of closed jobs equal those of the service.
    for row in syncer.query(
        "SELECT training_job_name, creation_time, instance_type, keep_alive_seconds, "
        "billable_seconds "
        "FROM training_job_details JOIN training_jobs USING (training_job_arn, creation_time) "
        "WHERE deleted_at IS NULL AND open_reason IS NULL"
    ):
        job = life.scope.find(row[0])
        if job is not None and job.creation_time == row[1]:
            answer = life.scope.describe(job)
            assert row[2:] == (
                answer["ResourceConfig"].get("InstanceType"),
                answer["ResourceConfig"].get("KeepAlivePeriodInSeconds"),
                answer.get("BillableTimeInSeconds"),
            )


def run_step(syncer: Syncer, life: Life, step: dict[str, object]) -> None:
    def change_meanwhile() -> None:
        for what, number in step["between_pages"]:  # type: ignore[attr-defined]
            life.happen(what, number)

    at = int(step["at"])  # type: ignore[call-overload]
    ago: int | None = step["since"]  # type: ignore[assignment]
    since = None if ago is None else life.clock.now() - timedelta(seconds=ago)
    if step["sync"] == "none":
        return
    try:
        if step["sync"] == "killed":
            syncer.sync(interfere(at, die), since=since)
        elif step["sync"] == "fault":
            syncer.simulator.inject(Fault(step["fault"], skip=at // 4, times=2))  # type: ignore[arg-type]
            syncer.sync(interfere(at, change_meanwhile), since=since)
        else:
            full = step["sync"] == "full"
            syncer.sync(interfere(at, change_meanwhile), full=full, since=since)
    except (Killed, ExporterError):
        pass
    finally:
        syncer.simulator.clear_faults()
