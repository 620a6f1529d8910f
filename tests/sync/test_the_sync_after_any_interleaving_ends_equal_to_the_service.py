"""The promise as a property: whatever happened, the next good sync ends equal to the service."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exporter.errors import ExporterError
from exporter.sagemaker import service
from exporter.simulator import Behaviour, Clock, Fault, RecordedCall, Simulator, World
from exporter.syncing.sizes import Sizes
from tests.support.syncing import (
    CHANGES,
    FUTURE,
    Hooks,
    KeptDatabase,
    Killed,
    Life,
    Syncer,
)
from tests.support.truth import Truth

#: The long run: EXPORTER_EXAMPLES=20000 pytest tests/sync -k interleaving
EXAMPLES = int(os.environ.get("EXPORTER_EXAMPLES", "40"))
#: Comma-separated: what stays out of the examples, to look for a fault behind a known one.
WITHOUT = frozenset(os.environ.get("EXPORTER_WITHOUT", "").split(","))
LAG = 60
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TEN_YEARS = 10 * 365 * 86_400
ANSWERING = ("ListTrainingJobs", "DescribeTrainingJob", "Search")


def seldom(kind: str, usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Draw the usual value three times out of four, so that few oddities meet in an example."""
    return st.sampled_from([usual] * 3 * len(others) + ([] if kind in WITHOUT else list(others)))


#: One change at the service, with a number that chooses its details.
change = st.tuples(
    st.sampled_from([*CHANGES * 6, *([] if "future" in WITHOUT else [FUTURE])]),
    st.integers(0, 1_000),
)
changes = st.lists(change, max_size=6)
operations = [frozenset({each}) for each in ANSWERING] + [frozenset(ANSWERING)]

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
    failed_without_seconds=st.booleans(),
    new_statuses=st.sampled_from([(), ("Hibernating",)]),
    deleting_seconds=st.sampled_from([0.0, 120.0]),
    missing_job_error=st.sampled_from(["ValidationException", "ResourceNotFound"]),
    listing_order=seldom(
        "disorder",
        None,
        ("Name", "Ascending"),
        ("CreationTime", "Descending"),
        ("Name", "Descending"),
    ),
    other_case=seldom("case", frozenset(), *operations),
    whole_seconds=seldom("seconds", frozenset(), *operations),
    denied=st.sampled_from(
        [
            frozenset(),
            frozenset({(None, None, "Search")}),
            frozenset({(None, None, "ListTags"), (None, None, "Search")}),
        ]
    ),
)

#: The lag of one Search after the other: a later answer may show an older state.
lags = st.sampled_from(
    [[0.0], [float(LAG)], *([] if "lags" in WITHOUT else [[0.0, 60.0], [5.0, 60.0, 0.0]])]
)

faults = st.one_of(
    st.builds(
        Fault,
        st.sampled_from(["truncated", "reset", "rejected_token", "internal"]),
        skip=st.integers(0, 3),
        times=st.just(2),
    ),
    *(
        []
        if "describe" in WITHOUT
        else [
            # Describe fails once, or once claims that living jobs are gone.
            st.builds(
                Fault,
                st.sampled_from(["internal", "denied", "not_found"]),
                operation=st.just("DescribeTrainingJob"),
                times=st.sampled_from([1, None]),
            ),
        ]
    ),
    *(
        []
        if "date" in WITHOUT
        else [
            # A Date that is missing, late, or so far ahead that the time never comes.
            st.builds(
                Fault, st.just("no_date"), skip=st.integers(0, 2), times=st.sampled_from([1, None])
            ),
            st.builds(
                Fault,
                st.just("wrong_date"),
                skip=st.integers(0, 2),
                times=st.sampled_from([1, None]),
                seconds=st.sampled_from([-3_600.0, float(TEN_YEARS)]),
            ),
        ]
    ),
)

#: A step: changes, the time that passes, and a sync that may be killed or meet a fault.
steps = st.lists(
    st.fixed_dictionaries(
        {
            "changes": changes,
            "meanwhile": st.lists(st.tuples(st.integers(0, 12), changes), max_size=3),
            "seconds": st.sampled_from([1, 30, 200, 4_000, 90_000]),
            "sync": st.sampled_from(["none", "sync", "full", "killed", "fault"]),
            "dies_at": st.integers(0, 12),
            "since": st.sampled_from([None, None, 100, 5_000, 100_000]),
            "fault": faults,
            "odd": seldom(
                "odd",
                None,
                "half_pair",
                "half_pair_status",
                "bad_byte",
                "nul",
                "huge",
                "far_year",
                "nulls",
                "null_beside",
                "wrong_shape",
                "nameless",
                "modified_ahead",
            ),
        }
    ),
    max_size=6,
)

accounts = count(1)


#: Pages of three jobs, so that a handful of jobs has all the borders.
SMALL = Sizes(page=3)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(World(Clock(datetime(2026, 11, 1, tzinfo=UTC))), record=False) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def kept(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptDatabase]:
    path = tmp_path_factory.mktemp("kept") / "jobs.duckdb"
    shutil.copyfile(migrated_file, path)
    database = KeptDatabase(path)
    yield database
    database.close()


def interfere(acts: Sequence[tuple[int, Callable[[], None]]]) -> Hooks:
    """Act at the n-th boundaries of all calls and commits of a sync."""
    passed = count()

    def place(_: object) -> None:
        number = next(passed)
        for at, act in acts:
            if at == number:
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
@given(behaviour=behaviours, lags=lags, steps=steps, last=st.sampled_from(["sync", "full"]))
def test_the_next_good_sync_ends_equal_to_the_service(
    running: Simulator,
    kept: KeptDatabase,
    behaviour: Behaviour,
    lags: list[float],
    steps: list[dict[str, Any]],
    last: str,
) -> None:
    world = running.world
    world.behaviour = behaviour
    running.clear_faults()
    lag = cycle(lags)

    def answered(call: RecordedCall) -> None:
        if call.operation == "Search":
            world.behaviour = replace(world.behaviour, search_lag_seconds=next(lag))

    running.on_answer = answered
    # An account of its own gives the example a fresh world.
    life = Life(world.scope(f"{next(accounts):012}", "eu-west-1"), world.clock)
    kept.empty()
    syncer = Syncer(kept, life.scope, running, SMALL)
    odd: set[str] = set()
    lied = False

    for step in steps:
        for what, number in step["changes"]:
            life.happen(what, number)
        # Not whole seconds, so that an operation which cuts times shows other ones.
        life.clock.advance(step["seconds"] + 0.457)
        if step["odd"] is not None and life.scope.jobs():
            # One job's record is odd until the next step.
            name = life.scope.jobs()[step["dies_at"] % len(life.scope.jobs())].name
            odd.add(name)
            world.behaviour = replace(world.behaviour, odd_records={name: step["odd"]})
        if step["fault"].kind == "not_found":
            # Two false answers in two syncs are two witnesses: that is the limit of the promise.
            step = {**step, "fault": Fault("internal")} if lied else step
            lied = lied or step["sync"] == "fault"
        run_step(syncer, life, step)
        world.behaviour = replace(world.behaviour, odd_records={})
        life.clock.advance(1)

    # The next sync that begins after the lag finds what Search hid. By then, everything that the
    # service does late (Deleting, a pool status, pool seconds) has happened.
    life.clock.advance(timedelta(minutes=15) + service.SEARCH_LAG)
    # This --since fetches what a later one left out.
    syncer.sync(full=last == "full", since=LONG_AGO)
    # A deletion takes two witnesses, and Describe may be the only one in a sync.
    life.clock.advance(service.SEARCH_LAG)
    syncer.sync(full=last == "full")
    running.on_answer = None

    full = last == "full"
    truth = Truth(
        life.scope,
        syncer.query,
        lag=max(lags) + 1 if behaviour.pool_seconds_while_available == "growing" else 0,
        cut=bool(behaviour.whole_seconds),
        # Only a full listing reads a closed job again, after its record was odd.
        unknowable=frozenset() if full else odd,
        once_odd=odd,
    )
    tags = (None, None, "ListTags") not in behaviour.denied
    wrong = truth.jobs(full=full) + truth.history()
    if (None, None, "Search") in behaviour.denied:
        # Without it, no listing reads the details of a closed job again.
        truth = replace(truth, unknowable=odd)
    wrong += truth.details(all_jobs=False, tags=tags)
    wrong += truth.ledger(lies=lied)
    assert not wrong, "\n".join(wrong)


def run_step(syncer: Syncer, life: Life, step: dict[str, Any]) -> None:
    def happening(drawn: list[tuple[str, int]]) -> Callable[[], None]:
        def happen() -> None:
            for what, number in drawn:
                life.happen(what, number)

        return happen

    kind, ago = step["sync"], step["since"]
    since = None if ago is None else life.clock.now() - timedelta(seconds=ago)
    if kind == "none":
        return
    acts = [(at, happening(drawn)) for at, drawn in step["meanwhile"]]
    if kind == "killed":
        acts.append((step["dies_at"], die))
    if kind == "fault":
        syncer.simulator.inject(step["fault"])
    try:
        syncer.sync(interfere(acts), full=kind == "full", since=since)
    except (Killed, ExporterError):
        pass
    finally:
        syncer.simulator.clear_faults()
