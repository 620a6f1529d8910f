"""A sync over HTTP, through an unmodified boto3, ends equal to the service in few calls."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from exporter.sagemaker.api import http_date
from exporter.sagemaker.service import SEARCH_LAG
from exporter.simulator import Behaviour, Fault, Scope, Simulator, World
from exporter.syncing.sizes import Sizes
from tests.support.syncing import Hooks, KeptDatabase, Killed, Syncer
from tests.support.truth import Row, differences

TABLES = ("training_jobs", "training_job_changes", "training_job_details")


@pytest.fixture
def syncer(kept: KeptDatabase, scope: Scope, simulator: Simulator) -> Syncer:
    return Syncer(kept, scope, simulator)


def calls(simulator: Simulator) -> Counter[str]:
    """Return the calls since the last time, by operation."""
    made = Counter(call.operation for call in simulator.calls)
    simulator.calls.clear()
    return made


def contents(syncer: Syncer) -> dict[str, set[Row]]:
    """Return whole rows, as texts, of the tables that a sync without news must not change."""
    return {table: set(syncer.query(f"SELECT t::VARCHAR FROM {table} AS t")) for table in TABLES}


def listings(simulator: Simulator) -> list[dict[str, Any]]:
    return [dict(c.params) for c in simulator.calls if c.operation == "ListTrainingJobs"]


def test_a_backfill_an_increment_and_a_sync_without_news_take_few_calls(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    # The growing seconds of a waiting pool would be news at every sync.
    world.behaviour = Behaviour(pool_seconds_while_available="absent")
    world.generate(jobs=5_000, scopes=[scope])
    backfill = syncer.sync()
    assert differences(syncer.query, scope) == []
    assert [run.mode for run in backfill.runs] == ["backfill"]
    assert backfill.runs[0].jobs_inserted == 5_000
    made = calls(simulator)
    assert made["ListTrainingJobs"] <= 52
    assert made["Search"] <= 55

    world.advance(timedelta(hours=5))
    world.clock.advance(SEARCH_LAG)
    syncer.sync()
    assert differences(syncer.query, scope) == []
    made = calls(simulator)
    assert made["ListTrainingJobs"] + made["Search"] <= 6

    # An authoritative answer an hour after its end closes a job that waits for a pool status.
    world.clock.advance(timedelta(hours=2))
    syncer.sync()
    before = contents(syncer)
    world.clock.advance(60)
    again = syncer.sync()
    for table, rows in contents(syncer).items():
        assert rows - before[table] == set(), table
    assert (again.runs[0].jobs_inserted, again.runs[0].jobs_changed) == (0, 0)
    [(watermark,)] = syncer.query("SELECT watermark FROM sync_scopes")
    before_it = again.runs[0].watermark_before
    assert before_it is not None
    assert watermark == again.runs[0].watermark_after
    assert watermark > before_it


def test_the_incremental_request_carries_both_bounds(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    scope.create_job("nightly-1", created_at=world.clock.now() - timedelta(hours=1))
    first = syncer.sync()
    simulator.calls.clear()
    world.clock.advance(900)
    syncer.sync(overlap=60)
    [request] = listings(simulator)
    watermark = first.runs[0].watermark_after
    assert watermark is not None
    assert request["LastModifiedTimeAfter"] == (watermark - timedelta(seconds=60)).replace(
        microsecond=0
    )
    [job] = scope.jobs()
    assert timedelta(seconds=60) <= job.creation_time - request["CreationTimeAfter"]
    assert (request["SortBy"], request["SortOrder"], request["MaxResults"]) == (
        "CreationTime",
        "Ascending",
        100,
    )


def test_a_pool_that_settles_without_a_new_modification_time_is_seen(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    job = scope.create_job("nightly-1", keep_alive_seconds=3600, lives=False)
    scope.start(job)
    scope.finish(job)
    syncer.sync()
    world.clock.advance(1800)
    scope.settle_pool(job, "Terminated", seconds=1800, silent=True)
    world.clock.advance(SEARCH_LAG)
    syncer.sync()
    assert differences(syncer.query, scope) == []
    assert syncer.query("SELECT open_reason, details_due FROM training_jobs") == [(None, False)]
    assert syncer.query(
        "SELECT warm_pool_status, warm_pool_retained_seconds FROM training_job_changes "
        "ORDER BY observed_at"
    ) == [("Available", 0), ("Terminated", 1800)]


@pytest.mark.parametrize("world_lag", [0.0, 90.0])
def test_a_change_that_search_hides_is_found_once_its_lag_is_over(
    syncer: Syncer, world: World, scope: Scope, world_lag: float
) -> None:
    world.behaviour = Behaviour(search_lag_seconds=world_lag)
    job = scope.create_job("nightly-1", keep_alive_seconds=3600, lives=False)
    scope.start(job)
    scope.finish(job)
    world.clock.advance(600)
    syncer.sync()
    scope.settle_pool(job, "Terminated", silent=True)
    world.clock.advance(1)
    syncer.sync()
    [(verified,)] = syncer.query("SELECT verified_at FROM training_jobs")
    assert verified <= world.clock.now()
    world.clock.advance(SEARCH_LAG)
    syncer.sync()
    assert differences(syncer.query, scope) == []


def test_a_reused_name_is_a_second_row(syncer: Syncer, world: World, scope: Scope) -> None:
    first = scope.create_job("nightly-1", lives=False)
    scope.start(first)
    syncer.sync()
    world.clock.advance(600)
    scope.delete_job("nightly-1")
    world.clock.advance(10)
    second = scope.create_job("nightly-1", instance_type="ml.g5.xlarge", lives=False)
    world.clock.advance(SEARCH_LAG)
    syncer.sync()
    assert syncer.query(
        "SELECT creation_time, instance_type, deleted_at IS NOT NULL, open_reason "
        "FROM training_jobs JOIN training_job_details USING (training_job_arn, creation_time) "
        "ORDER BY creation_time"
    ) == [
        (first.creation_time, "ml.m5.xlarge", True, None),
        (second.creation_time, "ml.g5.xlarge", False, "running"),
    ]


def test_full_finds_deletions_and_keeps_the_rows(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    world.generate(jobs=300, scopes=[scope])
    syncer.sync()
    closed = [job.name for job in scope.jobs() if job.state.training_job_status == "Completed"]
    for name in closed[:7]:
        scope.delete_job(name)
    world.clock.advance(600)
    syncer.sync()
    assert syncer.query("SELECT count(*) FROM training_jobs WHERE deleted_at IS NOT NULL") == [(0,)]
    full = syncer.sync(full=True)
    assert full.runs[0].jobs_deleted == 7
    assert syncer.query(
        "SELECT training_job_name FROM training_jobs WHERE deleted_at IS NOT NULL ORDER BY ALL"
    ) == [(name,) for name in sorted(closed[:7])]
    assert differences(syncer.query, scope) == []
    assert syncer.stored().keys() == {(job.arn, job.creation_time) for job in scope.jobs()}


def test_tags_are_refreshed_on_request(syncer: Syncer, world: World, scope: Scope) -> None:
    job = scope.create_job("nightly-1", tags={"team": "vision"}, lives=False)
    scope.start(job)
    scope.finish(job)
    world.clock.advance(SEARCH_LAG)
    syncer.sync()
    scope.update(job, silent=True, tags={"team": "speech"})
    world.clock.advance(SEARCH_LAG)
    tags = "SELECT tags->>'team' FROM training_job_details"
    syncer.sync()
    assert syncer.query(tags) == [("vision",)]
    syncer.sync(refresh_tags=True)
    assert syncer.query(tags) == [("speech",)]
    scope.update(job, silent=True, tags={"team": "nlp"})
    world.clock.advance(SEARCH_LAG)
    syncer.sync(full=True)
    assert syncer.query(tags) == [("nlp",)]


def test_limits_that_were_not_stored_come_with_the_next_look_at_a_running_job(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    limits = "SELECT training_job_name, max_runtime_seconds, max_wait_seconds " + (
        "FROM training_jobs JOIN training_job_details USING (training_job_arn, creation_time) "
        "ORDER BY 1"
    )
    known = [("ended", 3_600, None), ("running", 7_200, 14_400)]
    scope.finish(scope.create_job("ended", max_runtime_seconds=3_600, lives=False))
    scope.start(
        scope.create_job("running", max_runtime_seconds=7_200, managed_spot=True, lives=False)
    )
    world.clock.advance(timedelta(hours=2))
    syncer.sync()
    assert syncer.query(limits) == known

    with syncer.database.writing() as connection:  # as an earlier program stored them
        connection.execute(
            "UPDATE training_job_details SET max_runtime_seconds = NULL, max_wait_seconds = NULL"
        )
    world.clock.advance(timedelta(minutes=15))
    syncer.sync()
    assert syncer.query(limits) == [("ended", None, None), known[1]]
    syncer.sync(full=True)
    assert syncer.query(limits) == known


def test_since_bounds_a_backfill_and_an_earlier_one_fetches_the_rest(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    world.generate(jobs=600, scopes=[scope])
    oldest = min(job.creation_time for job in scope.jobs())
    month = world.clock.now() - timedelta(days=30)
    syncer.sync(since=month)
    wanted = {(j.arn, j.creation_time) for j in scope.jobs() if j.creation_time >= month}
    assert wanted <= syncer.stored().keys()
    assert len(syncer.stored()) <= len(wanted) + 1
    simulator.calls.clear()
    runs = syncer.sync(since=oldest - timedelta(days=1)).runs
    assert [run.mode for run in runs] == ["extend", "incremental"]
    assert differences(syncer.query, scope) == []
    assert syncer.query("SELECT discovered_from FROM sync_scopes") == [
        (oldest - timedelta(days=1),)
    ]


@pytest.mark.parametrize(
    ("options", "matches"),
    [
        ({"name_contains": "bert"}, lambda job: "bert" in job.name),
        ({"status": "Failed"}, lambda job: job.state.training_job_status == "Failed"),
        ({"warm_pool_status": "Reused"}, lambda job: job.state.warm_pool_status == "Reused"),
    ],
)
def test_a_sync_with_a_filter_moves_no_watermark(
    syncer: Syncer, world: World, scope: Scope, options: dict[str, Any], matches: Any
) -> None:
    world.generate(jobs=400, scopes=[scope])
    before = syncer.query("SELECT * FROM sync_scopes")
    run = syncer.sync(**options).runs[0]
    assert run.mode == "filter"
    assert syncer.stored().keys() == {
        (job.arn, job.creation_time) for job in scope.jobs() if matches(job)
    }
    assert syncer.query("SELECT * FROM sync_scopes") == before == []


@pytest.mark.parametrize("denied", ["ListTags", "Search", "DescribeTrainingJob"])
def test_a_sync_with_a_filter_fetches_the_details_of_what_it_finds_and_deletes_nothing(
    syncer: Syncer, world: World, scope: Scope, denied: str
) -> None:
    world.behaviour = Behaviour(denied=frozenset({(None, None, denied)}))
    for name in ("bert-1", "bert-2", "deleted", "other"):
        scope.start(scope.create_job(name, lives=False))
    syncer.sync(details=False)
    world.clock.advance(timedelta(hours=1))
    for name in ("bert-1", "bert-2", "deleted"):
        scope.finish(scope.job(name), "Completed")
    world.clock.advance(timedelta(hours=1))

    def delete_one(operation: str) -> None:
        if operation == "ListTrainingJobs":
            scope.delete_job("deleted")

    syncer.sync(Hooks(after_call=delete_one), status="Completed")
    found = """
        SELECT training_job_name, d.instance_type FROM training_jobs
        LEFT JOIN training_job_details AS d USING (training_job_arn, creation_time) ORDER BY 1
    """
    assert syncer.query(found) == [
        ("bert-1", "ml.m5.xlarge"),
        ("bert-2", "ml.m5.xlarge"),
        ("deleted", None),
        ("other", None),
    ]
    assert syncer.query("SELECT count(*) FROM training_jobs WHERE deleted_at IS NOT NULL") == [(0,)]


def test_a_sync_that_is_killed_every_few_calls_gets_further_each_time(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    world.generate(jobs=200, scopes=[scope])
    syncer.sync()
    world.advance(timedelta(days=1))
    # A batch per page, as if each page took half a minute.
    syncer.sizes = Sizes(batch_rows=1)
    now = world.clock.now()
    for number in range(1_500):
        job = scope.create_job(
            f"batch-{number}", created_at=now + timedelta(minutes=number), lives=False
        )
        scope.update(job, at=job.creation_time, training_job_status="Stopped")
    world.clock.advance(timedelta(days=90))

    reached = []
    for _ in range(40):
        left = [4]

        def die_soon(operation: str, left: list[int] = left) -> None:
            left[0] -= operation == "ListTrainingJobs"
            if left[0] < 0:
                raise Killed

        try:
            worker = syncer.sync(Hooks(before_call=die_soon))
        except Killed:
            [(position,)] = syncer.query("SELECT discovered_to FROM sync_scopes")
            reached.append(position)
        else:
            break
    else:
        pytest.fail("it never completed")
    assert len(reached) >= 3
    assert reached == sorted(set(reached))
    assert worker.runs[-1].outcome == "complete"
    assert differences(syncer.query, scope) == []
    # A resumed listing counts as begun when it first began.
    outcomes = syncer.query("SELECT outcome, count(*) FROM sync_runs GROUP BY ALL ORDER BY ALL")
    assert outcomes == [("complete", 3), ("interrupted", len(reached))]


def test_without_search_and_describe_the_window_is_listed_whole(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    world.behaviour = Behaviour(
        denied=frozenset({(None, None, "Search"), (None, None, "DescribeTrainingJob")})
    )
    old = scope.create_job("nightly-1", keep_alive_seconds=600, lives=False)
    scope.start(old)
    scope.finish(old)
    world.clock.advance(3600)
    scope.create_job("nightly-2", lives=False)
    syncer.sync()
    scope.settle_pool(old, "Terminated", silent=True)
    world.clock.advance(3600)
    syncer.sync()
    assert differences(syncer.query, scope) == []
    assert sum("Search is denied" in notice for notice in syncer.notices) == 2
    assert sum("DescribeTrainingJob is denied" in notice for notice in syncer.notices) == 2


def test_a_deleted_open_job_is_closed_even_if_describe_is_denied(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    world.behaviour = Behaviour(denied=frozenset({(None, None, "DescribeTrainingJob")}))
    for name in ("deleted", "again", "stays"):
        scope.start(scope.create_job(name, lives=False))
    syncer.sync()
    scope.delete_job("deleted")
    scope.delete_job("again")
    world.clock.advance(timedelta(hours=1))
    for number in range(250):
        world.clock.advance(60)
        scope.finish(scope.start(scope.create_job(f"later-{number}", lives=False)), "Completed")
    scope.start(scope.create_job("again", lives=False))
    world.clock.advance(timedelta(hours=1))
    deleted = "SELECT training_job_name FROM training_jobs WHERE deleted_at IS NOT NULL ORDER BY 1"
    for found in ([], [("again",), ("deleted",)]):
        syncer.sync()
        assert syncer.query(deleted) == found
    assert differences(syncer.query, scope) == []
    simulator.calls.clear()
    world.clock.advance(timedelta(hours=1))
    syncer.sync()
    # They are not looked up any more; otherwise the window would grow with the history.
    assert calls(simulator)["ListTrainingJobs"] == 1


@pytest.mark.parametrize(("details", "full"), [(False, False), (True, True)])
def test_a_job_missing_from_a_whole_listing_is_deleted_if_describe_is_denied(
    syncer: Syncer, world: World, scope: Scope, details: bool, full: bool
) -> None:
    world.behaviour = Behaviour(denied=frozenset({(None, None, "DescribeTrainingJob")}))
    for name in ("deleted", "stays"):
        scope.start(scope.create_job(name, lives=False))
    syncer.sync()
    scope.delete_job("deleted")
    world.clock.advance(timedelta(hours=1))
    deleted = "SELECT training_job_name FROM training_jobs WHERE deleted_at IS NOT NULL"
    for found in ([], [("deleted",)]):
        syncer.sync(details=details, full=full)
        assert syncer.query(deleted) == found
    assert differences(syncer.query, scope) == []


@pytest.mark.parametrize("as_range", [True, False])
def test_a_deletion_between_two_pages_hides_no_job(
    syncer: Syncer, world: World, scope: Scope, as_range: bool
) -> None:
    """Not among more jobs of a second than a page holds, and not behind a filter by time."""
    world.behaviour = Behaviour(offset_tokens=True, creation_time_is_range=as_range)
    for number in range(250):
        scope.finish(scope.start(scope.create_job(f"sweep-{number:03}", lives=False)))
    world.clock.advance(60)
    scope.create_job("later", lives=False)
    pages, oldest = count(1), count()

    def delete_one(operation: str) -> None:
        if operation == "ListTrainingJobs" and next(pages) in (2, 3):
            scope.delete_job(f"sweep-{next(oldest):03}")

    syncer.sync(Hooks(after_call=delete_one))
    # The sync read the two before they were deleted.
    deleted = [job.name for job, _ in scope.deleted]
    assert differences(syncer.query, scope, deleted) == []
    assert len(syncer.stored("true")) == 251


def test_a_job_that_deletions_hide_twice_is_found_by_the_next_relist(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    syncer.sizes = Sizes(page=3)
    world.behaviour = Behaviour(offset_tokens=True)
    for number in range(9):
        scope.finish(scope.start(scope.create_job(f"sweep-{number}", lives=False)))
    # The first deletion hides a job from page 3, and the others hide it from the first re-list.
    doomed = {3: ["sweep-0"], 6: ["sweep-1", "sweep-2", "sweep-3"]}
    pages = count(1)

    def delete_some(operation: str) -> None:
        if operation == "ListTrainingJobs":
            for name in doomed.get(next(pages), []):
                scope.delete_job(name)

    syncer.sync(Hooks(after_call=delete_some), details=False)
    deleted = [job.name for job, _ in scope.deleted]
    assert differences(syncer.query, scope, deleted) == []
    assert len(syncer.stored("true")) == 9


def test_a_relist_is_later_than_the_pages_that_it_repeats(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    """A job of the last page by token starts, and only the re-list shows it."""
    syncer.sizes = Sizes(page=3)
    jobs = [scope.create_job(f"sweep-{number}", lives=False) for number in range(9)]
    pages = count(1)

    def start_one(operation: str) -> None:
        if operation == "ListTrainingJobs" and next(pages) == 3:
            world.clock.advance(5)
            scope.start(jobs[8])

    syncer.sync(Hooks(after_call=start_one), details=False)
    assert differences(syncer.query, scope) == []
    states = syncer.query(
        "SELECT secondary_status FROM training_job_changes "
        "WHERE training_job_arn LIKE '%sweep-8' ORDER BY rowid"
    )
    assert states == [("Starting",), ("Training",)]


def test_a_job_that_a_shifted_token_hid_does_not_count_as_deleted(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    """One second holds more jobs than a page, and the first one is deleted between two pages."""
    world.behaviour = Behaviour(
        offset_tokens=True,
        denied=frozenset({(None, None, "DescribeTrainingJob"), (None, None, "Search")}),
    )
    for number in range(150):
        scope.start(scope.create_job(f"sweep-{number:03}", lives=False))
    syncer.sync()
    world.clock.advance(timedelta(hours=1))
    scope.create_job("later", lives=False)
    syncer.sync()
    world.clock.advance(timedelta(hours=1))
    pages = count(1)

    def delete_one(operation: str) -> None:
        if operation == "ListTrainingJobs" and next(pages) == 2:
            scope.delete_job("sweep-000")

    syncer.sync(Hooks(after_call=delete_one))
    deleted = "SELECT training_job_name FROM training_jobs WHERE deleted_at IS NOT NULL"
    assert syncer.query(deleted) == []
    for found in ([], [("sweep-000",)]):
        world.clock.advance(timedelta(hours=1))
        syncer.sync()
        assert syncer.query(deleted) == found
    assert differences(syncer.query, scope) == []


def test_full_with_since_leaves_no_gap_after_what_was_listed(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    """Not after a backfill that was cut short, and not after a month without a sync."""
    world.generate(jobs=600, scopes=[scope])
    commits = count(1)

    def die_at_the_second(_: object) -> None:
        if next(commits) == 2:
            raise Killed

    world.clock.advance(timedelta(days=1))
    with pytest.raises(Killed):
        syncer.sync(Hooks(before_commit=die_at_the_second), since=None)
    syncer.sync(full=True, since=world.clock.now() - timedelta(days=2))
    assert differences(syncer.query, scope) == []

    missed = scope.create_job("between-1", lives=False)
    world.clock.advance(timedelta(days=30))
    scope.create_job("later-1", lives=False)
    syncer.sync(full=True, since=world.clock.now() - timedelta(days=7))
    assert (missed.arn, missed.creation_time) in syncer.stored()
    assert differences(syncer.query, scope) == []


def test_an_old_open_job_that_no_lookup_may_find_is_listed_again(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    """The listing is unfiltered, but its window begins later than the job."""
    world.behaviour = Behaviour(
        denied=frozenset({(None, None, "Search"), (None, None, "DescribeTrainingJob")})
    )
    old = scope.create_job("nightly-1", keep_alive_seconds=600, lives=False)
    scope.start(old)
    scope.finish(old)
    syncer.sync()
    world.clock.advance(timedelta(days=30))
    scope.create_job("nightly-2", lives=False)
    syncer.sync()
    scope.settle_pool(old, "Terminated", silent=True)
    world.clock.advance(timedelta(days=1))
    syncer.sync(full=True, since=world.clock.now() - timedelta(days=2))
    assert differences(syncer.query, scope) == []


def test_a_throttled_listing_slows_down_and_is_counted(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    world.generate(jobs=300, scopes=[scope])
    simulator.inject(Fault("throttle", operation="ListTrainingJobs", skip=1, times=3))
    run = syncer.sync().runs[0]
    assert run.throttles == 3
    assert differences(syncer.query, scope) == []


@pytest.mark.parametrize("answers", [1, None])
def test_a_date_that_was_ahead_hides_no_job(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator, answers: int | None
) -> None:
    """The Date of one answer, or of a whole sync, is ahead; then jobs come and end before it."""
    world.generate(jobs=150, scopes=[scope])
    simulator.inject(Fault("wrong_date", times=answers, seconds=7_200))
    syncer.sync()
    simulator.clear_faults()
    for number in range(5):
        world.clock.advance(timedelta(minutes=30))
        job = scope.create_job(f"short-{number}", lives=False)
        world.clock.advance(10)
        scope.finish(scope.start(job), "Completed")
        world.clock.advance(timedelta(minutes=1))
        syncer.sync()
        assert differences(syncer.query, scope) == []


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the platform keeps its time zone")
def test_a_date_without_a_zone_is_utc_not_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        found = [
            http_date({"ResponseMetadata": {"HTTPHeaders": {"date": text}}})
            for text in (
                "Sun, 01 Nov 2026 06:30:00 GMT",
                "Sun, 01 Nov 2026 06:30:00 -0000",
                "Sun, 01 Nov 2026 06:30:00",
                "Sun, 01 Nov 2026 01:30:00 -0500",
                "yesterday",
            )
        ]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == [datetime(2026, 11, 1, 6, 30, tzinfo=UTC)] * 4 + [None]


def test_a_change_that_search_shows_early_is_stored_once(
    syncer: Syncer, world: World, scope: Scope
) -> None:
    """An answer of Search stands for a moment before the last sync, but it has a newer state."""
    job = scope.start(scope.create_job("long", lives=False))
    world.clock.advance(timedelta(hours=1))
    scope.create_job("later", lives=False)  # the next listing begins here
    world.clock.advance(timedelta(minutes=10))
    syncer.sync()
    world.clock.advance(20)
    scope.finish(job, "Completed")
    for _ in range(2):
        world.clock.advance(10)
        syncer.sync()
        assert differences(syncer.query, scope) == []
    history = """
        SELECT training_job_status FROM training_job_changes
        WHERE training_job_arn LIKE '%/long' ORDER BY observed_at
    """
    assert syncer.query(history) == [("InProgress",), ("Completed",)]
