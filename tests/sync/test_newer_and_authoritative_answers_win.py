"""Newer facts replace older ones, and authoritative answers count more than those of Search."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.sagemaker.rows import JobRow
from exporter.syncing.merge import MergePolicy, Observed, Stored, merge, merge_batch
from tests.sync.builders import POLICY, after, described, details, job, listed, searched, stored

RUNNING = job("InProgress", secondary_status="Training", last_modified_time=after(1))
ENDED = job("Completed", last_modified_time=after(9), training_end_time=after(9))


@pytest.mark.parametrize(
    ("before", "answer", "after_it"),
    [
        # Newer by LastModifiedTime, whichever operation answered.
        (RUNNING, listed(ENDED, 10), ENDED),
        (RUNNING, searched(ENDED, -99), ENDED),
        # Older by LastModifiedTime.
        (ENDED, listed(RUNNING, 10), ENDED),
        (ENDED, searched(RUNNING, 10), ENDED),
        # Equal LastModifiedTime: List and Describe are newer, Search only if it must be.
        (
            RUNNING,
            listed(replace(RUNNING, secondary_status="Uploading"), -1),
            replace(RUNNING, secondary_status="Uploading"),
        ),
        (
            RUNNING,
            searched(replace(RUNNING, secondary_status="Uploading"), 1),
            replace(RUNNING, secondary_status="Uploading"),
        ),
        (RUNNING, searched(replace(RUNNING, secondary_status="Downloading"), -1), RUNNING),
        # A missing time is unknown, never older, and erases no known time.
        (
            RUNNING,
            listed(replace(ENDED, last_modified_time=None), 10),
            replace(ENDED, last_modified_time=after(1)),
        ),
        # Search alone never turns an ended job back into a running one.
        (ENDED, searched(replace(RUNNING, last_modified_time=None), 60), ENDED),
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
def test_a_newer_answer_replaces_the_state_and_an_older_one_does_not(
    before: JobRow, answer: Observed, after_it: JobRow
) -> None:
    assert merge(stored(before), answer, POLICY).job == after_it


SETTLED = replace(
    ENDED,
    warm_pool_status="Reused",
    warm_pool_retained_seconds=300,
    warm_pool_reused_by_job="nightly-43",
)
AVAILABLE = replace(ENDED, warm_pool_status="Available", warm_pool_retained_seconds=100)


@pytest.mark.parametrize(
    ("before", "answered", "after_it"),
    [
        # A settled pool stays settled, and a missing status erases nothing.
        (SETTLED, AVAILABLE, SETTLED),
        (SETTLED, ENDED, SETTLED),
        (AVAILABLE, ENDED, AVAILABLE),
        # Final seconds are kept if they are missing later …
        (
            SETTLED,
            replace(SETTLED, warm_pool_retained_seconds=None, warm_pool_reused_by_job=None),
            SETTLED,
        ),
        # … but the seconds of a waiting pool do not become final ones.
        (
            AVAILABLE,
            replace(ENDED, warm_pool_status="Terminated"),
            replace(ENDED, warm_pool_status="Terminated"),
        ),
        (AVAILABLE, SETTLED, SETTLED),
        (
            AVAILABLE,
            replace(AVAILABLE, warm_pool_retained_seconds=400),
            replace(AVAILABLE, warm_pool_retained_seconds=400),
        ),
        # The seconds of a waiting pool never fall: fewer come from an index that lags.
        (replace(AVAILABLE, warm_pool_retained_seconds=400), AVAILABLE, None),
        (ENDED, AVAILABLE, AVAILABLE),
    ],
)
def test_a_settled_pool_stays_settled_and_its_seconds_never_fall(
    before: JobRow, answered: JobRow, after_it: JobRow | None
) -> None:
    """None as `after_it`: the stored job stays as it is."""
    assert merge(stored(before), listed(answered, 10), POLICY).job == (after_it or before)


def test_a_job_without_news_is_not_written() -> None:
    known = stored(RUNNING, detail=details(), open_reason="running", details_due=False)
    [item] = merge_batch({known.job.key: known}, [described(RUNNING, 60)], POLICY)
    assert item.stored == known
    assert (item.history, item.write_job, item.write_details) == ((), False, False)


def test_a_listing_of_everything_verifies_what_it_confirms() -> None:
    known = stored(ENDED, detail=details(), details_due=True)
    policy = MergePolicy(POLICY.account_id, POLICY.rules, verify=True)
    [item] = merge_batch({known.job.key: known}, [listed(ENDED, 60)], policy)
    assert item.stored == replace(known, verified_at=after(60))
    assert (item.changed, item.write_job) == (False, True)


def test_every_state_that_was_seen_becomes_history() -> None:
    answers = [listed(RUNNING, 2), described(ENDED, 10, billable_seconds=400)]
    [item] = merge_batch({}, answers, POLICY)
    assert item.history == ((after(2), RUNNING), (after(10), ENDED))
    assert (item.is_new, item.changed) == (True, False)
    assert item.stored.job == ENDED


def test_search_adds_details_but_not_an_older_state() -> None:
    answers = [searched(RUNNING, -2, tags="{}"), listed(ENDED, 10)]
    [item] = merge_batch({}, answers, POLICY)
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
    assert merge(known, tagged, POLICY) == known
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
