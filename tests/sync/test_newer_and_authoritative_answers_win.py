"""Newer facts replace older ones, and authoritative answers count more than those of Search."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.sagemaker.rows import JobRow
from exporter.syncing.merge import Merged, MergePolicy, Observed, Stored, merge, observe
from tests.sync.builders import POLICY, after, described, details, job, listed, searched, stored

RUNNING = job("InProgress", secondary_status="Training", last_modified_time=after(1))
UPLOADING = replace(RUNNING, secondary_status="Uploading")
ENDED = job("Completed", last_modified_time=after(9), training_end_time=after(9))
FUTURE = replace(RUNNING, last_modified_time=after(99_999))


def merge_all(known: Stored | None, *answers: Observed) -> Merged:
    """Return a job after answers in the order of the calls."""
    merged = Merged(known, known) if known else None
    for answer in answers:
        merged = observe(merged, answer, POLICY)
    assert merged is not None
    return merged


@pytest.mark.parametrize(
    ("before", "answer", "after_it"),
    [
        # A later answer of List or Describe wins, whatever its times say.
        (RUNNING, listed(ENDED, 10), ENDED),
        (ENDED, listed(RUNNING, 10), RUNNING),
        (FUTURE, listed(RUNNING, 10), RUNNING),
        (FUTURE, described(ENDED, 10), ENDED),
        (RUNNING, listed(UPLOADING, -1), UPLOADING),
        # Search wins if its state is further along …
        (RUNNING, searched(ENDED, -99), ENDED),
        (
            RUNNING,
            searched(replace(UPLOADING, last_modified_time=after(2)), -1),
            replace(UPLOADING, last_modified_time=after(2)),
        ),
        # … or certainly from later, whatever its times say …
        (RUNNING, searched(UPLOADING, 1), UPLOADING),
        (FUTURE, searched(UPLOADING, 1), UPLOADING),
        # … otherwise the index may lag.
        (RUNNING, searched(UPLOADING, -1), RUNNING),
        (FUTURE, searched(UPLOADING, -1), FUTURE),
        # Search alone never goes back.
        (ENDED, searched(RUNNING, 10), ENDED),
        (ENDED, searched(replace(RUNNING, last_modified_time=None), 60), ENDED),
        (ENDED, searched(replace(ENDED, training_job_status="Failed"), 60), ENDED),
        # A missing time is unknown, never older, and erases no known time.
        (
            RUNNING,
            listed(replace(ENDED, last_modified_time=None), 10),
            replace(ENDED, last_modified_time=after(1)),
        ),
        # A time in whole seconds is no other time.
        (
            replace(RUNNING, last_modified_time=after(1.01)),
            listed(replace(RUNNING, last_modified_time=after(1)), 10),
            replace(RUNNING, last_modified_time=after(1.01)),
        ),
        (
            replace(RUNNING, last_modified_time=after(1)),
            listed(replace(RUNNING, last_modified_time=after(1.01)), 10),
            replace(RUNNING, last_modified_time=after(1)),
        ),
        # A new status brings a time of its own, however close.
        (
            replace(RUNNING, last_modified_time=after(0.5)),
            listed(replace(ENDED, last_modified_time=after(1)), 10),
            replace(ENDED, last_modified_time=after(1)),
        ),
        # An unknown status is kept as it is.
        (
            RUNNING,
            listed(replace(ENDED, training_job_status="Hibernating"), 10),
            replace(ENDED, training_job_status="Hibernating"),
        ),
        # A known end stays.
        (ENDED, listed(replace(ENDED, training_end_time=None), 10), ENDED),
    ],
)
def test_a_later_answer_wins_and_search_never_goes_back(
    before: JobRow, answer: Observed, after_it: JobRow
) -> None:
    assert merge(stored(before), answer, POLICY).job == after_it


@pytest.mark.parametrize("later", [-99, 10])
def test_a_training_plan_counts_even_from_an_older_answer(later: int) -> None:
    """Only ResourceConfig of a record of Search may name it, and its index lags."""
    planned = replace(RUNNING, training_plan_arn="arn:plan")

    assert merge(stored(ENDED), searched(planned, later), POLICY).job == replace(
        ENDED, training_plan_arn="arn:plan"
    )
    kept = replace(ENDED, training_plan_arn="arn:plan")
    assert merge(stored(kept), searched(ENDED, 10), POLICY).job == kept
    assert merge(stored(kept), listed(ENDED, 10), POLICY).job == kept


SETTLED = replace(
    ENDED,
    warm_pool_status="Reused",
    warm_pool_retained_seconds=300,
    warm_pool_reused_by_job="nightly-43",
)
AVAILABLE = replace(ENDED, warm_pool_status="Available", warm_pool_retained_seconds=100)


NO_FIGURES = replace(SETTLED, warm_pool_retained_seconds=None, warm_pool_reused_by_job=None)
TERMINATED = replace(ENDED, warm_pool_status="Terminated")
LONGER = replace(AVAILABLE, warm_pool_retained_seconds=400)
IN_USE = replace(ENDED, warm_pool_status="InUse")


@pytest.mark.parametrize("within_lag", [True, False])
@pytest.mark.parametrize(
    ("before", "answered", "by_list", "by_search"),
    [
        # A missing status erases nothing, and Search settles a pool at once, but for good.
        (SETTLED, AVAILABLE, AVAILABLE, SETTLED),
        (SETTLED, ENDED, SETTLED, SETTLED),
        (AVAILABLE, ENDED, AVAILABLE, AVAILABLE),
        (AVAILABLE, SETTLED, SETTLED, SETTLED),
        (AVAILABLE, IN_USE, replace(IN_USE), AVAILABLE),
        (SETTLED, TERMINATED, TERMINATED, SETTLED),
        (ENDED, AVAILABLE, AVAILABLE, AVAILABLE),
        # Final seconds are kept if they are missing later, and appear if they were.
        (SETTLED, NO_FIGURES, SETTLED, SETTLED),
        (NO_FIGURES, SETTLED, SETTLED, SETTLED),
        # The seconds of a waiting pool do not become final ones, and never fall.
        (AVAILABLE, TERMINATED, TERMINATED, TERMINATED),
        (AVAILABLE, LONGER, LONGER, LONGER),
        (LONGER, AVAILABLE, LONGER, LONGER),
        # Final seconds are what List says last; Search says at most more.
        (
            SETTLED,
            replace(SETTLED, warm_pool_retained_seconds=0),
            replace(SETTLED, warm_pool_retained_seconds=0),
            SETTLED,
        ),
    ],
)
def test_a_pool_goes_back_only_by_an_authoritative_answer(
    before: JobRow, answered: JobRow, by_list: JobRow, by_search: JobRow, *, within_lag: bool
) -> None:
    assert merge(stored(before), listed(answered, 10), POLICY).job == by_list
    search = searched(answered, -1 if within_lag else 10)
    assert merge(stored(before), search, POLICY).job == by_search


def test_a_job_without_news_is_not_written() -> None:
    known = stored(RUNNING, detail=details(), open_reason="running", details_due=False)
    item = merge_all(known, described(RUNNING, 60))
    assert item.stored == replace(known, seen_until=after(60))
    assert (item.history, item.write_job, item.write_details) == ((), False, False)


def test_a_listing_of_everything_verifies_what_it_confirms() -> None:
    known = stored(ENDED, detail=details(), details_due=True)
    policy = MergePolicy(POLICY.account_id, POLICY.rules, verify=True)
    item = observe(Merged(known, known), listed(ENDED, 60), policy)
    assert item.stored == replace(known, verified_at=after(60), seen_until=after(60))
    assert (item.changed, item.write_job) == (False, True)


def test_every_state_that_was_seen_becomes_history() -> None:
    answers = [listed(RUNNING, 2), described(ENDED, 10, billable_seconds=400)]
    item = merge_all(None, *answers)
    assert item.history == ((after(2), RUNNING), (after(10), ENDED))
    assert (item.is_new, item.changed) == (True, False)
    assert item.stored.job == ENDED


def test_search_adds_details_but_not_an_older_state() -> None:
    answers = [listed(ENDED, 10), searched(RUNNING, 9, tags="{}")]
    item = merge_all(None, *answers)
    assert item.history == ((after(10), ENDED),)
    assert item.stored.details is not None
    # Search shows an older state of the job, so its details are read again.
    assert item.stored.details_due
    assert not item.stored.details.final


def final_of(known: Stored) -> bool:
    return known.details is not None and known.details.final


def test_details_are_final_once_read_after_the_job_closed() -> None:
    known = stored(ENDED, detail=details(), open_reason=None, details_due=True)
    known = merge(known, described(ENDED, 12, billable_seconds=400), POLICY)
    assert final_of(known)
    assert not known.details_due


def test_a_failed_job_waits_an_hour_for_its_billable_seconds() -> None:
    failed = replace(ENDED, training_job_status="Failed")
    known = merge(stored(failed, detail=details()), described(failed, 30), POLICY)
    assert (final_of(known), known.details_due) == (False, True)
    known = merge(known, described(failed, 9 + 60), POLICY)
    assert (final_of(known), known.details_due) == (True, False)


def test_final_details_change_only_when_tags_are_refreshed() -> None:
    known = merge(stored(ENDED), described(ENDED, 12, billable_seconds=400, tags="{}"), POLICY)
    tagged = searched(ENDED, 500, billable_seconds=400, tags='{"team":"vision"}')
    assert merge(known, tagged, POLICY) == replace(known, seen_until=tagged.latest)
    refresh = MergePolicy(POLICY.account_id, POLICY.rules, refresh=True)
    refreshed = merge(known, tagged, refresh)
    assert refreshed.details is not None
    assert refreshed.details.row.tags == '{"team":"vision"}'
    assert final_of(refreshed)


def test_describe_erases_no_tags_and_search_does_not_erase_serverless() -> None:
    known = merge(stored(RUNNING), searched(RUNNING, 2, tags='{"a":"b"}', serverless=None), POLICY)
    known = merge(known, described(RUNNING, 3, tags=None, serverless=True), POLICY)
    known = merge(known, searched(RUNNING, 4, tags='{"a":"b"}', serverless=None), POLICY)
    assert known.details is not None
    assert (known.details.row.tags, known.details.row.serverless) == ('{"a":"b"}', True)
