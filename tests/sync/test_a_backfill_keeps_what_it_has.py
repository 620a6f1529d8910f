"""A backfill commits each ten seconds with details, and goes on from there after any end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from exporter.errors import ServiceError
from exporter.simulator import Behaviour, Fault, Scope, Simulator, World
from exporter.store.database import Database
from exporter.syncing.records import Commit
from exporter.syncing.sizes import Sizes
from exporter.syncing.stopping import Interrupted
from tests.support.syncing import Hooks, KeptDatabase, Killed, Stopwatch, Syncer
from tests.support.truth import Truth

JOBS, PAGE = 300, 10
WITHOUT_SEARCH = Behaviour(denied=frozenset({(None, None, "Search")}))


@pytest.fixture
def syncer(world: World, scope: Scope, simulator: Simulator, database: Database) -> Syncer:
    """Pages of ten jobs at the default pace, by a clock that only waits and calls move."""
    world.generate(jobs=JOBS, scopes=[scope])
    kept = KeptDatabase(database.path)
    return Syncer(kept, scope, simulator, Sizes(page=PAGE, lookup_rows=50), stopwatch=Stopwatch())


@dataclass
class Watched:
    """The commits, the calls and the answers of a sync."""

    syncer: Syncer
    times: list[float] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    undetailed: list[int] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    last_page: set[str] = field(default_factory=set)
    described: set[str] = field(default_factory=set)

    def hooks(
        self,
        before_call: Callable[[str], None] = lambda _: None,
        after_commit: Callable[[Commit], None] = lambda _: None,
    ) -> Hooks:
        def call(operation: str) -> None:
            self.calls[operation] += 1
            before_call(operation)

        def commit(commit: Commit) -> None:
            assert self.syncer.stopwatch is not None
            self.times.append(self.syncer.stopwatch.seconds)
            ((missing,),) = self.syncer.query(
                "SELECT count(*) FROM training_jobs ANTI JOIN training_job_details "
                "USING (training_job_arn, creation_time)"
            )
            self.undetailed.append(missing)
            after_commit(commit)

        return Hooks(before_call=call, after_commit=commit, on_answer=self._answer)

    def _answer(self, operation: str, data: Any) -> None:
        if operation == "ListTrainingJobs":
            self.last_page = {row["TrainingJobArn"] for row in data["TrainingJobSummaries"]}
            self.listed |= self.last_page
        for result in data.get("Results", ()):
            self.described.add(result["TrainingJob"]["TrainingJobArn"])
        if operation == "DescribeTrainingJob":
            self.described.add(data["TrainingJobArn"])

    def is_kept(self, jobs: set[str], details: set[str]) -> bool:
        """Return whether what was read is stored, but perhaps for the page requested ahead."""
        return self.listed - self.last_page <= jobs <= self.listed and details == self.described


def faults(syncer: Syncer) -> list[str]:
    """Compare every table with the service."""
    truth = Truth(syncer.scope, syncer.query)
    return [
        *truth.jobs(full=True),
        *truth.details(all_jobs=False, tags=True),
        *truth.history(),
        *truth.ledger(),
    ]


def names(syncer: Syncer, table: str) -> set[str]:
    """Return the ARNs of a table."""
    return {arn for (arn,) in syncer.query(f"SELECT training_job_arn FROM {table}")}


def stored(syncer: Syncer) -> tuple[set[str], set[str]]:
    """Return the jobs and the details that are stored, by ARN."""
    return names(syncer, "training_jobs"), names(syncer, "training_job_details")


def test_commits_come_each_ten_seconds_with_details(syncer: Syncer) -> None:
    watched = Watched(syncer)
    syncer.sync(watched.hooks(), max_rps=1)
    assert syncer.stopwatch is not None
    # Pages of the listing and of Search alternate, so both take as long as one of them.
    assert JOBS / PAGE <= syncer.stopwatch.seconds < 1.3 * JOBS / PAGE
    assert max(later - before for before, later in pairwise([0, *watched.times])) < 15
    assert max(watched.undetailed) < 2 * PAGE
    assert watched.undetailed[-1] == 0
    assert faults(syncer) == []


def test_without_search_lookups_are_committed_as_often(syncer: Syncer, world: World) -> None:
    world.behaviour = WITHOUT_SEARCH
    watched = Watched(syncer)
    syncer.sync(watched.hooks(), max_rps=1)
    assert syncer.stopwatch is not None
    assert syncer.stopwatch.seconds > 100
    assert max(later - before for before, later in pairwise([0, *watched.times])) < 15
    assert faults(syncer) == []


@pytest.mark.parametrize(
    ("search", "at"), [(True, 9), (True, 40), (True, 70), (False, 20), (False, 60), (False, 220)]
)
def test_a_killed_backfill_goes_on_from_its_last_commit(
    syncer: Syncer, world: World, at: int, search: bool
) -> None:
    if not search:
        world.behaviour = WITHOUT_SEARCH
    first, second = Watched(syncer), Watched(syncer)

    def kill(_: str) -> None:
        if first.calls.total() == at:
            raise Killed

    with pytest.raises(Killed):
        syncer.sync(first.hooks(before_call=kill), max_rps=1)
    jobs, details = stored(syncer)
    assert (bool(jobs), bool(details)) == (at > 9, at > (9 if search else 60))
    may_change = names(syncer, "training_jobs WHERE open_reason IS NOT NULL")
    resumed, *_ = syncer.sync(second.hooks(), max_rps=1).runs
    assert faults(syncer) == []
    # A page repeats a job; a listing from the start has to see twenty jobs in order first.
    assert resumed.pages <= (JOBS - len(jobs)) / (PAGE - 1) + (2 if jobs else 6)
    # What was described is described again only if it can still change.
    assert second.described & details <= may_change


@pytest.mark.parametrize("search", [True, False])
def test_a_signal_loses_nothing_that_was_read(syncer: Syncer, world: World, search: bool) -> None:
    if not search:
        world.behaviour = WITHOUT_SEARCH
    at = 19 if search else 150
    watched = Watched(syncer)

    def interrupt(_: str) -> None:
        if watched.calls.total() == at:
            syncer.stop.set()

    with pytest.raises(Interrupted):
        syncer.sync(watched.hooks(before_call=interrupt), max_rps=1)
    jobs, details = stored(syncer)
    assert watched.is_kept(jobs, details)
    assert len(details) > (2 * PAGE if search else 0)
    assert syncer.query("SELECT mode, outcome, error, jobs_inserted FROM sync_runs") == [
        ("backfill", "interrupted", "interrupted", len(jobs))
    ]
    ((position,),) = syncer.query("SELECT listing_position FROM sync_scopes")
    assert [(position,)] == syncer.query("SELECT max(creation_time) FROM training_jobs")


@pytest.mark.parametrize("operation", ["ListTrainingJobs", "Search"])
def test_a_failure_loses_nothing_that_was_read(
    syncer: Syncer, simulator: Simulator, operation: str
) -> None:
    simulator.inject(Fault("unavailable", operation=operation, skip=9, times=None))
    watched = Watched(syncer)
    with pytest.raises(ServiceError):
        syncer.sync(watched.hooks(), max_rps=1)
    assert watched.is_kept(*stored(syncer))
    assert len(watched.described) > 2 * PAGE
    simulator.clear_faults()
    syncer.sync(max_rps=1)
    assert faults(syncer) == []
