"""A wrong, odd or late answer neither freezes, doubles, loses nor deletes a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from exporter.sagemaker.failures import NotFound
from exporter.sagemaker.service import SEARCH_LAG
from exporter.simulator import Behaviour, Fault, Job, Scope, Simulator, World
from exporter.store.scopes import Run
from exporter.syncing.merge import Merged
from exporter.syncing.records import Commit
from exporter.syncing.sizes import Sizes
from tests.support.syncing import Hooks, KeptDatabase, Syncer
from tests.support.truth import Row, differences
from tests.sync.builders import job as job_row
from tests.sync.builders import stored

DELETED = "SELECT training_job_name FROM training_jobs WHERE deleted_at IS NOT NULL ORDER BY 1"
DOUBTED = "SELECT training_job_name FROM training_jobs WHERE missing_since IS NOT NULL ORDER BY 1"
HISTORY = """
    SELECT training_job_name, c.training_job_status, c.warm_pool_status
    FROM training_job_changes AS c JOIN training_jobs USING (training_job_arn, creation_time)
    ORDER BY 1, observed_at, c.rowid
"""


@pytest.fixture
def syncer(kept: KeptDatabase, scope: Scope, simulator: Simulator) -> Syncer:
    return Syncer(kept, scope, simulator)


def waiting(scope: Scope, name: str = "nightly-1") -> Job:
    """Return a job that has ended, with a pool that waits."""
    job = scope.create_job(name, keep_alive_seconds=3600, lives=False)
    return scope.finish(scope.start(job))


def not_found(operation: str) -> None:
    """Describe answers that it knows no job."""
    if operation == "DescribeTrainingJob":
        raise NotFound("Requested resource not found.")


def empty_search(operation: str, data: Any) -> None:
    if operation == "Search":
        data["Results"].clear()


#: Search shows nothing, and Describe knows nothing, while all jobs live.
KNOWS_NOTHING = Hooks(before_call=not_found, on_answer=empty_search)


@pytest.mark.parametrize("status", ["Reused", "Terminated"])
@pytest.mark.parametrize("seconds", [1, 60])
def test_a_sync_a_minute_after_another_stores_the_pool_that_search_shows(
    syncer: Syncer, world: World, scope: Scope, seconds: int, status: str
) -> None:
    job = waiting(scope)
    world.clock.advance(600)
    syncer.sync()
    scope.settle_pool(job, status, silent=True)
    world.clock.advance(seconds)
    syncer.sync()
    assert differences(syncer.query, scope) == []
    assert syncer.query("SELECT open_reason, details_due FROM training_jobs") == [(None, False)]


@pytest.mark.parametrize("year", [1999, 2096])
def test_a_wrong_modification_time_freezes_no_job(
    syncer: Syncer, world: World, scope: Scope, year: int
) -> None:
    """A wrong time in one answer of List, and then in every one."""
    job = scope.start(scope.create_job("nightly-1", keep_alive_seconds=3600, lives=False))

    def wrong(operation: str, data: Any) -> None:
        for summary in data["TrainingJobSummaries"] if operation == "ListTrainingJobs" else ():
            summary["LastModifiedTime"] = datetime(year, 1, 1, tzinfo=UTC)

    syncer.sync(Hooks(on_answer=wrong))
    scope.finish(job)
    world.clock.advance(5)
    syncer.sync()
    assert differences(syncer.query, scope) == []
    scope.settle_pool(job, "Reused")
    world.clock.advance(5)
    syncer.sync(Hooks(on_answer=wrong))
    pools = "SELECT warm_pool_status, open_reason FROM training_jobs"
    assert syncer.query(pools) == [("Reused", None)]


def test_times_in_whole_seconds_are_no_news(syncer: Syncer, world: World, scope: Scope) -> None:
    """List rounds, Describe and Search do not; the finer time stays, and nothing is written."""
    for number in range(3):
        world.clock.advance(0.321)
        scope.start(scope.create_job(f"nightly-{number}", lives=False))

    def rounded(operation: str, data: Any) -> None:
        for summary in data["TrainingJobSummaries"] if operation == "ListTrainingJobs" else ():
            for name in ("CreationTime", "LastModifiedTime"):
                summary[name] = int(summary[name])

    world.clock.advance(1)
    syncer.sync()
    before = syncer.query("SELECT t::VARCHAR FROM training_jobs AS t ORDER BY ALL")
    for _ in range(2):
        world.clock.advance(600)
        syncer.sync(Hooks(on_answer=rounded))
    assert syncer.query("SELECT t::VARCHAR FROM training_jobs AS t ORDER BY ALL") == before
    assert len(syncer.query(HISTORY)) == 3
    assert differences(syncer.query, scope) == []


def test_full_finds_a_deletion_although_a_date_was_ahead(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    """The job seems to be verified in ten years, long after the listing that does not show it."""
    scope.finish(scope.start(scope.create_job("nightly-1", lives=False)))
    simulator.inject(Fault("wrong_date", times=None, seconds=10 * 365 * 86_400.0))
    syncer.sync()
    simulator.clear_faults()
    world.clock.advance(timedelta(hours=1))
    scope.delete_job("nightly-1")
    syncer.sync(full=True)
    assert syncer.query(DELETED) == [("nightly-1",)]


def bury(syncer: Syncer, world: World, scope: Scope) -> None:
    """Create so many later jobs that the next listing does not reach back to the earlier ones."""
    syncer.sizes = Sizes(page=3)
    for number in range(30):
        world.clock.advance(60)
        scope.finish(scope.start(scope.create_job(f"short-{number:02}", lives=False)))
    world.clock.advance(timedelta(hours=1))
    syncer.sync()


def test_an_index_that_goes_back_takes_no_job_back(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    """Two copies of the index answer in turn, and the second one is behind."""
    job = scope.start(scope.create_job("nightly-1", keep_alive_seconds=21_600, lives=False))
    bury(syncer, world, scope)
    scope.finish(job, "Failed", failure_reason="out of memory", pool=True)
    world.clock.advance(600)
    syncer.sync()
    state = """
        SELECT training_job_status, warm_pool_status, warm_pool_retained_seconds, billable_seconds,
            failure_reason, open_reason
        FROM training_jobs JOIN training_job_details USING (training_job_arn, creation_time)
        WHERE training_job_name = 'nightly-1'
    """
    [row] = before = syncer.query(state)
    assert row[:3] == ("Failed", "Available", 600)
    assert None not in row

    def behind(operation: str, data: Any) -> None:
        for result in data["Results"] if operation == "Search" else ():
            record = result["TrainingJob"]
            record["TrainingJobStatus"] = "Completed"
            record["WarmPoolStatus"] = {
                "Status": "InUse",
                "ResourceRetainedBillableTimeInSeconds": 0,
            }
            del record["BillableTimeInSeconds"], record["FailureReason"]

    for seconds in (60, 600):
        world.clock.advance(seconds)
        syncer.sync(Hooks(on_answer=behind))
        assert syncer.query(state) == before


@pytest.mark.parametrize(
    ("option", "denied"), [("refresh_tags", None), ("details", "DescribeTrainingJob")]
)
def test_two_answers_about_a_job_in_a_run_write_its_history_once(
    syncer: Syncer, world: World, scope: Scope, option: str, denied: str | None
) -> None:
    jobs = [waiting(scope, f"nightly-{number}") for number in range(3)]
    bury(syncer, world, scope)
    if denied:
        world.behaviour = Behaviour(denied=frozenset({(None, None, denied)}))
    for job in jobs:
        scope.settle_pool(job, "Terminated", silent=True)
    world.clock.advance(SEARCH_LAG)

    def incomplete(operation: str, data: Any) -> None:
        """Leave a job out of Search, so that its window is listed if Describe is denied."""
        if operation == "Search" and denied:
            data["Results"][:] = data["Results"][1:]

    syncer.sync(Hooks(on_answer=incomplete), **{option: True})
    states = [("Completed", "Available"), ("Completed", "Terminated")]
    history = [row for row in syncer.query(HISTORY) if row[0].startswith("nightly")]
    assert history == [(job.name, *state) for job in jobs for state in states]
    assert differences(syncer.query, scope) == []


def test_a_job_that_ended_and_was_deleted_within_the_lag_is_deleted_with_its_last_state(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    world.behaviour = Behaviour(search_lag_seconds=60)
    jobs = [scope.start(scope.create_job(f"nightly-{n}", lives=False)) for n in range(6)]
    world.clock.advance(600)
    syncer.sync()
    for job in jobs:
        scope.finish(job)
    world.clock.advance(50)
    for job in jobs:
        scope.delete_job(job.name)
    world.clock.advance(15)  # the index shows that they ended, and not yet that they are gone
    run = syncer.sync(full=True).runs[0]
    assert run.jobs_deleted == 6
    rows = """
        SELECT training_job_name, training_job_status, deleted_at IS NOT NULL, open_reason,
            billable_seconds IS NOT NULL
        FROM training_jobs JOIN training_job_details USING (training_job_arn, creation_time)
        ORDER BY 1
    """
    assert syncer.query(rows) == [(job.name, "Completed", True, None, True) for job in jobs]


def test_a_commit_with_two_rows_for_a_job_is_refused() -> None:
    one = stored(job_row())
    arn = one.job.training_job_arn.upper()
    other = stored(job_row("Failed"))
    twice = [Merged(None, one), Merged(one, other)]
    run = Run("run", "111122223333", "eu-west-1", "full", one.updated_at)
    with pytest.raises(ValueError, match="two rows for one job"):
        Commit(run, None, twice)
    assert arn != one.job.training_job_arn


def test_one_sync_in_which_search_and_describe_know_nothing_deletes_nothing(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    for number in range(41):
        world.clock.advance(1)
        scope.start(scope.create_job(f"nightly-{number}", lives=False))
    world.clock.advance(timedelta(hours=1))
    later = scope.start(scope.create_job("later", lives=False))
    syncer.sync()
    world.clock.advance(timedelta(hours=1))
    # A window without a filter would cost more calls than the lookups.
    syncer.sizes = Sizes(page=100)
    syncer.sync(KNOWS_NOTHING)
    assert syncer.query(DELETED) == []
    # An index still shows jobs for some time after they are gone.
    world.clock.advance(SEARCH_LAG + timedelta(seconds=5))
    syncer.sync()
    assert (syncer.query(DELETED), syncer.query(DOUBTED)) == ([], [])
    assert differences(syncer.query, scope) == []
    assert later.name in {row[2] for row in syncer.stored().values()}


def test_a_job_is_deleted_if_two_syncs_do_not_find_it_and_comes_back_by_itself(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    old = scope.start(scope.create_job("old", lives=False))
    scope.start(scope.create_job("other", lives=False))
    bury(syncer, world, scope)
    for deleted, doubted in (([], [("old",)]), ([("old",)], [])):
        world.clock.advance(600)

        def hide(operation: str, data: Any) -> None:
            if operation == "Search":
                data["Results"][:] = [
                    result
                    for result in data["Results"]
                    if result["TrainingJob"]["TrainingJobName"] != "old"
                ]

        syncer.sync(Hooks(before_call=not_found, on_answer=hide))
        assert (syncer.query(DELETED), syncer.query(DOUBTED)) == (deleted, doubted)
    # It is asked for as long as a Search has room for its name.
    scope.finish(old)
    world.clock.advance(2 * SEARCH_LAG)
    syncer.sync()
    assert (syncer.query(DELETED), syncer.query(DOUBTED)) == ([], [])
    assert differences(syncer.query, scope) == []


def test_an_answer_in_between_ends_the_doubt(syncer: Syncer, world: World, scope: Scope) -> None:
    scope.start(scope.create_job("old", lives=False))
    bury(syncer, world, scope)
    for hooks, doubted in ((KNOWS_NOTHING, [("old",)]), (Hooks(), []), (KNOWS_NOTHING, [("old",)])):
        world.clock.advance(600)
        syncer.sync(hooks)
        assert (syncer.query(DELETED), syncer.query(DOUBTED)) == ([], doubted)


def test_a_job_that_the_listing_of_the_run_shows_is_never_deleted(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    """Describe knows nothing of it in any sync, but each listing has it."""
    for number in range(3):
        scope.start(scope.create_job(f"nightly-{number}", lives=False))
    syncer.sync()
    for full in (False, True, True, False):
        world.clock.advance(600)
        syncer.sync(KNOWS_NOTHING, full=full)
        assert syncer.query(DELETED) == []
    assert differences(syncer.query, scope) == []


def as_it_is(_: dict[str, Any]) -> None:
    pass


def upper(record: dict[str, Any]) -> None:
    record["TrainingJobArn"] = record["TrainingJobArn"].upper()


def to_seconds(record: dict[str, Any]) -> None:
    record["CreationTime"] = int(record["CreationTime"])


def rounded_up(record: dict[str, Any]) -> None:
    record["CreationTime"] = int(record["CreationTime"]) + 1


#: The ways in which an operation may spell the key of a job.
SPELLINGS = (as_it_is, upper, to_seconds, rounded_up)


@pytest.mark.parametrize("operation", ["ListTrainingJobs", "Search", "DescribeTrainingJob"])
def test_a_job_keeps_one_row_however_an_operation_spells_it(
    syncer: Syncer, world: World, scope: Scope, operation: str
) -> None:
    """An operation spells each job in another way, and in another way each time."""
    if operation == "DescribeTrainingJob":
        world.behaviour = Behaviour(denied=frozenset({(None, None, "Search")}))
    jobs = []
    for number in range(20):
        world.clock.advance(1.123)
        jobs.append(scope.start(scope.create_job(f"nightly-{number:02}", lives=False)))
    turns = count()

    def spelled(called: str, data: Any) -> None:
        if called == "Search":
            records = [result["TrainingJob"] for result in data["Results"]]
        else:
            records = data.get("TrainingJobSummaries", [data])
        for record in records if called == operation else ():
            SPELLINGS[next(turns) % 4](record)

    hooks = Hooks(on_answer=spelled)
    syncer.sync(hooks)
    first = keys(syncer)
    for number, option in enumerate(("details", "full", "full", "refresh_tags")):
        next(turns)
        world.clock.advance(700)
        scope.finish(jobs[number])
        syncer.sync(hooks, **{option: True})
        assert keys(syncer) == first
        assert (syncer.query(DELETED), syncer.query(DOUBTED)) == ([], [])
    assert [name for name, _ in first] == [job.name for job in jobs]
    ended = "SELECT training_job_name FROM training_jobs WHERE open_reason IS NULL ORDER BY 1"
    assert syncer.query(ended) == [(job.name,) for job in jobs[:4]]


def keys(syncer: Syncer) -> list[Row]:
    return syncer.query(
        "SELECT training_job_name, training_job_arn || creation_time FROM training_jobs ORDER BY 1"
    )
