"""The plan lists what can have changed, and moves a listing from page to page without a gap."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exporter.config.model import SyncOptions
from exporter.sagemaker.rows import DetailRow
from exporter.sagemaker.service import ListRequest, Page
from exporter.store.scopes import ScopeState
from exporter.syncing.merge import Merged, StoredDetails, observe
from exporter.syncing.plan import (
    Capabilities,
    Listing,
    LookupRequest,
    OpenJob,
    advance,
    completed,
    first_request,
    lookup_requests,
    needs_another,
    next_listing,
    progressed,
    range_to_relist,
    without_search,
)
from tests.sync.builders import POLICY, after, job, listed, stored

NEW = ScopeState("111122223333", "eu-west-1")
SYNCED = replace(NEW, watermark=after(60), discovered_to=after(50), last_complete_at=after(61))
DAY = timedelta(days=1)
#: A request by creation time begins this much before the last one seen.
SLACK = timedelta(seconds=2)


def opened(*newer: int) -> list[OpenJob]:
    """Return open jobs, oldest first, each with the number of known jobs that are not older."""
    return [OpenJob(after(40) - DAY * n / 100, n) for n in sorted(newer, reverse=True)]


def test_the_first_sync_is_a_backfill() -> None:
    listing = next_listing(NEW, SyncOptions(), [], Capabilities())
    assert (listing.mode, listing.created_after, listing.modified_after) == ("backfill", None, None)
    assert first_request(listing) == ListRequest()


def test_since_the_year_one_lists_everything() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    listing = next_listing(NEW, SyncOptions(since=first), [], Capabilities())
    assert first_request(listing) == ListRequest(created_after=first)
    state = replace(SYNCED, discovered_to=after(0), watermark=after(0))
    listing = next_listing(state, SyncOptions(overlap=10**12), [], Capabilities())
    assert (listing.created_after, listing.modified_after) == (first, first)


def test_since_bounds_a_backfill_and_an_earlier_one_lists_the_missing_interval() -> None:
    first = next_listing(NEW, SyncOptions(since=after(-100)), [], Capabilities())
    assert (first.mode, first.created_after) == ("backfill", after(-100))
    state = completed(NEW, replace(first, began_at=after(60), started=True), after(61))
    assert state.discovered_from == after(-100)
    # The same --since or a later one: nothing is missing.
    for since in (after(-100), after(0)):
        again = next_listing(state, SyncOptions(since=since), [], Capabilities())
        assert again.mode == "incremental"
    earlier = next_listing(state, SyncOptions(since=after(-500)), [], Capabilities())
    assert (earlier.mode, earlier.created_after, earlier.created_before) == (
        "extend",
        after(-500),
        after(-100),
    )
    extended = completed(state, replace(earlier, began_at=after(70), started=True), after(71))
    assert (extended.discovered_from, extended.watermark) == (after(-500), state.watermark)
    assert needs_another(earlier, resumed=False)


def test_an_incremental_listing_has_a_floor_and_a_modification_filter() -> None:
    listing = next_listing(SYNCED, SyncOptions(overlap=300), [], Capabilities())
    assert (listing.mode, listing.created_after, listing.modified_after) == (
        "incremental",
        after(45),
        after(55),
    )


@pytest.mark.parametrize(
    ("newer", "capabilities", "floor", "filtered"),
    [
        # 45 open jobs: one Search returns all of them.
        ((*range(40), 50_000), Capabilities(), after(45), True),
        # 300 running jobs among the newest 500: listing the window is 6 calls, Search 3.
        (range(200, 500), Capabilities(), after(45), True),
        # The same without Search: 300 Describes, so the window is listed whole.
        (range(200, 500), Capabilities(search=False), opened(498)[0].created, False),
        # An open job of weeks ago is described alone; the window begins after it.
        ((*range(200, 500), 60_000), Capabilities(search=False), opened(499)[0].created, False),
        # One job without Search: one Describe.
        ((0,), Capabilities(search=False), after(45), True),
        # No lookup by name is allowed: the window is listed whole.
        ((3, 700), Capabilities(search=False, describe=False), opened(700)[0].created, False),
    ],
)
def test_open_jobs_are_looked_up_or_listed_whichever_takes_fewer_calls(
    newer: range, capabilities: Capabilities, floor: datetime, filtered: bool
) -> None:
    listing = next_listing(SYNCED, SyncOptions(), opened(*newer), capabilities)
    assert listing.created_after == floor
    assert (listing.modified_after is not None) == filtered


def test_an_unfinished_listing_is_finished_first() -> None:
    begun = Listing("backfill", began_at=after(5), started=True, position=after(3))
    state = progressed(NEW, begun)
    assert (state.watermark, state.discovered_to) == (None, after(3))
    again = next_listing(state, SyncOptions(), [], Capabilities())
    assert replace(again, reason="") == begun
    assert first_request(again).created_after == after(3) - SLACK
    assert needs_another(again, resumed=True)
    assert not needs_another(again, resumed=False)
    # Except if everything is to be listed anyway.
    assert (
        next_listing(
            replace(state, watermark=after(1)), SyncOptions(full=True), [], Capabilities()
        ).mode
        == "full"
    )


def test_a_filter_makes_a_one_off() -> None:
    options = SyncOptions(
        created_after=after(-10),
        created_before=after(10),
        name_contains="bert",
        status="Failed",
        warm_pool_status="Reused",
        training_plan_arn="arn:plan",
    )
    listing = next_listing(replace(SYNCED, listing_mode="full"), options, [], Capabilities())
    assert first_request(listing) == ListRequest(
        created_after=after(-11).replace(minute=49, second=59),
        created_before=after(10),
        filters={
            "NameContains": "bert",
            "StatusEquals": "Failed",
            "WarmPoolStatusEquals": "Reused",
            "TrainingPlanArnEquals": "arn:plan",
        },
    )


LATER = after(100)
#: A listing whose order has been seen.
SORTED = Listing("backfill", in_order=300)


def page(*minutes: float, token: str | None = "more", date: datetime | None = LATER) -> Page:
    """Return a page of jobs created minutes after noon, requested a second before its Date."""
    rows = [replace(job(), creation_time=after(m), training_job_name=f"j-{m}") for m in minutes]
    return Page(rows, token, date and date - timedelta(seconds=1), date, date or LATER)


def test_the_next_page_is_requested_by_the_last_creation_time_not_by_token() -> None:
    listing = SORTED
    listing, request = advance(listing, first_request(listing), page(1, 2))
    assert (listing.began_at, listing.position) == (after(100) - timedelta(seconds=1), after(2))
    assert request == ListRequest(created_after=after(2) - SLACK)
    listing, request = advance(listing, request, page(2, 3, date=after(101)))
    # The listing began when the first page was requested.
    assert listing.began_at == after(100) - timedelta(seconds=1)
    assert request == ListRequest(created_after=after(3) - SLACK)
    listing, request = advance(listing, request, page(3, token=None))
    assert request is None


def test_only_a_missing_token_ends_a_listing() -> None:
    listing = SORTED
    listing, request = advance(listing, first_request(listing), page(token="t1"))
    assert request == ListRequest(token="t1")
    listing, request = advance(listing, request, page(1, token="t2"))
    assert request == ListRequest(created_after=after(1) - SLACK)
    listing, request = advance(listing, request, page(token=None))
    assert (request, listing.position) == (None, after(1))


def test_more_jobs_in_two_seconds_than_a_page_holds_are_listed_by_token() -> None:
    listing = Listing("backfill", position=after(1), started=True)
    request = first_request(listing)
    second = 1 / 60
    listing, following = advance(listing, request, page(1, 1, token="t1"))
    assert following == replace(request, token="t1")
    listing, following = advance(listing, following, page(1, 1 + 2 * second, token="t2"))
    assert following == ListRequest(created_after=after(1))


@pytest.mark.parametrize("minutes", [(), (1,)])
def test_a_page_without_new_jobs_drops_the_modification_filter(minutes: tuple[float, ...]) -> None:
    listing = Listing(
        "incremental", created_after=after(1), modified_after=after(5), position=after(1)
    )
    listing, request = advance(listing, first_request(listing), page(*minutes, token="t1"))
    assert listing.modified_after is None
    assert request == ListRequest(created_after=after(1) - SLACK)


def test_a_range_that_was_listed_by_token_is_listed_again() -> None:
    """A deletion shifts the jobs after it, so that the next page by token omits one."""
    listing = Listing("backfill", position=after(1), started=True)
    request = ListRequest(created_after=after(1), token="t1")
    reached, following = advance(listing, request, page(1, token="t2"))
    assert following == replace(request, token="t2")
    assert range_to_relist(reached, request, following) is None
    reached, following = advance(reached, following, page(1, 2, token="t3"))
    assert following == ListRequest(created_after=after(2) - SLACK)
    assert range_to_relist(reached, request, following) == Listing(
        "backfill", created_after=after(1), created_before=after(2) + timedelta(seconds=1)
    )
    # At the end of the listing, its own bound is the only one.
    assert range_to_relist(reached, request, None) == Listing("backfill", created_after=after(1))
    # A page by creation time overlaps the page before it.
    assert range_to_relist(reached, following, None) is None
    one_off = replace(reached, filters=(("NameContains", "a"),))
    assert range_to_relist(one_off, request, None) is None


def test_a_service_that_ignores_the_order_is_listed_by_token() -> None:
    listing = SORTED
    first, following = advance(listing, first_request(listing), page(60, 30, token="t1"))
    assert (first.position, following) == (None, ListRequest(token="t1"))
    # Even after a page that happens to be in order: the next one may not be.
    second, following = advance(first, ListRequest(token="t1"), page(10, 20, token="t2"))
    assert (second.position, following) == (None, ListRequest(token="t2"))
    request = ListRequest(token="t2")
    last, following = advance(second, request, page(5, 2, token=None))
    assert (last.position, following) == (after(60), None)
    # Deletions shift these tokens as well.
    assert range_to_relist(last, request, following) == Listing("backfill")


def test_a_burst_listed_newest_first_counts_as_unsorted_even_within_seconds() -> None:
    """Continuing from its last creation time would lose every job before the burst."""
    listing = SORTED
    burst = page(60 + 20 / 60, 60 + 10 / 60, 60, token="t1")
    listing, following = advance(listing, first_request(listing), burst)
    assert (listing.position, following) == (None, ListRequest(token="t1"))
    # Times that the service rounds to seconds may seem to go back by one.
    rounded = page(60, 60 - 1 / 60, 60 + 1 / 60, token="t1")
    listing, _ = advance(SORTED, first_request(SORTED), rounded)
    assert listing.position == after(60 + 1 / 60)


def test_a_service_that_ignores_the_bound_is_listed_by_token() -> None:
    listing = SORTED
    listing, _ = advance(listing, first_request(listing), page(1, 5, token="t1"))
    request = first_request(listing)
    listing, following = advance(listing, request, page(1, 5, token="t1"))
    assert (listing.unsorted, following) == (True, ListRequest())


@pytest.mark.parametrize("token", [None, "t7"])
def test_disorder_anywhere_begins_the_listing_again_by_token(token: str | None) -> None:
    """Requests by creation time have skipped what the earlier pages did not show in order."""
    listing = Listing("backfill", created_after=after(-60), in_order=300)
    beginning = first_request(listing)
    listing, following = advance(listing, beginning, page(10, 20, token="t1"))
    assert following == ListRequest(created_after=after(20) - SLACK)
    assert following is not None
    later = replace(following, token=token)
    listing, following = advance(listing, later, page(40, 30, token="t2"))
    assert (listing.unsorted, listing.position, following) == (True, None, beginning)
    assert range_to_relist(listing, later, following) is None
    # From then on only tokens lead on, also after pages that happen to be in order.
    assert following is not None
    listing, following = advance(listing, following, page(10, 20, token="t1"))
    by_token = replace(beginning, token="t1")
    assert following == by_token
    listing, following = advance(listing, by_token, page(1, token=None))
    assert (listing.position, following) == (after(20), None)
    assert range_to_relist(listing, replace(beginning, token="t1"), None) == Listing(
        "backfill", created_after=beginning.created_after
    )


def test_few_jobs_in_order_prove_nothing() -> None:
    """A page by name is in order of creation by chance; then only tokens lead to the others."""
    listing, request = Listing("backfill"), ListRequest()
    for number in range(10):
        first = 2.0 * number
        listing, following = advance(listing, request, page(first, first + 1, token="t"))
        assert following is not None
        request = following
        assert request == ListRequest(token="t")
        assert (listing.position, listing.latest) == (None, after(first + 1))
    # The names rise and fall, so the page is not in order of names.
    full = page(*range(20, 41), token="t")
    names = [f"j-{number % 7}" for number in range(21)]
    rows = [
        replace(row, training_job_name=name) for row, name in zip(full.rows, names, strict=True)
    ]
    believed, following = advance(listing, request, replace(full, rows=rows))
    assert believed.position == after(40)
    assert following == ListRequest(created_after=after(40) - SLACK)
    assert range_to_relist(believed, request, following) == Listing(
        "backfill", created_before=after(40) + timedelta(seconds=1)
    )
    # Names in order as well: it takes more.
    doubted, following = advance(Listing("backfill"), ListRequest(), full)
    assert (doubted.position, following) == (None, ListRequest(token="t"))
    # A page by token goes back if it begins before the end of the page before it.
    restarted, following = advance(doubted, ListRequest(token="t"), page(30, 50, token="t"))
    assert (restarted.unsorted, following) == (True, ListRequest())


def test_a_job_from_the_future_moves_nothing() -> None:
    """It would hide each job that is created until then."""
    year = 365 * 24 * 60
    listing, following = advance(
        replace(SORTED, mode="incremental"), ListRequest(), page(60, year, token="t1")
    )
    assert listing.position == after(60)
    assert following == ListRequest(created_after=after(60) - SLACK)
    # Nothing new but jobs of the future: tokens lead to the end.
    assert following is not None
    listing, following = advance(listing, following, page(60, year, year + 1, token="t2"))
    assert following == ListRequest(created_after=after(60) - SLACK, token="t2")
    assert following is not None
    listing, last = advance(listing, following, page(year + 2, token=None))
    assert (listing.position, last) == (after(60), None)
    state = completed(SYNCED, listing, after(101))
    assert (state.watermark, state.discovered_to) == (after(100) - timedelta(seconds=1), after(60))


def test_times_ahead_of_the_service_are_left_behind() -> None:
    """A Date or a creation time of years ahead moved them before; the next good sync ends that."""
    ahead = replace(SYNCED, watermark=after(10**6), discovered_to=after(10**6))
    listing = next_listing(ahead, SyncOptions(overlap=300), [], Capabilities())
    assert (listing.created_after, listing.modified_after) == (after(56), after(56))
    done, _ = advance(listing, first_request(listing), page(70, token=None))
    state = completed(ahead, done, after(101))
    assert (state.watermark, state.discovered_to, state.last_complete_at) == (
        after(100) - timedelta(seconds=1),
        after(70),
        after(101),
    )


@pytest.mark.parametrize("untrue", [page(1, date=None), replace(page(1), date=None, as_of=None)])
def test_a_missing_date_moves_no_watermark(untrue: Page) -> None:
    listing, _ = advance(Listing("incremental"), ListRequest(), untrue)
    assert listing.began_at is None
    later, _ = advance(listing, ListRequest(), page(2))
    assert later.began_at is None
    assert completed(SYNCED, later, after(99)).watermark == SYNCED.watermark


def test_a_date_that_was_ahead_hides_no_job() -> None:
    hours = timedelta(hours=2)
    # One Date is ahead: a later one of the same listing contradicts it.
    listing, request = advance(
        SORTED, ListRequest(), replace(page(1, token="t"), as_of=after(1) + hours)
    )
    assert request is not None
    listing, _ = advance(listing, request, page(2))
    assert listing.began_at is None
    # The first Date is ahead, the last is right: no listing begins after its own end.
    ahead = replace(SYNCED, watermark=after(60) + hours)
    listing = next_listing(ahead, SyncOptions(), [], Capabilities())
    assert listing.modified_after == after(61) - timedelta(seconds=300)
    # Every Date of a sync is ahead: the next right one drops the filter and starts over.
    ahead = replace(ahead, last_complete_at=after(61) + hours)
    listing = next_listing(ahead, SyncOptions(), [], Capabilities())
    assert listing.modified_after == after(60) + hours - timedelta(seconds=300)
    again, request = advance(listing, first_request(listing), page(70))
    assert (again.modified_after, again.position) == (None, None)
    assert request == ListRequest(created_after=first_request(listing).created_after)
    done, request = advance(again, request, page(70, 71, token=None))
    assert (done.position, request) == (after(71), None)


def test_the_watermark_never_goes_back() -> None:
    early = Listing("incremental", began_at=after(1), started=True, position=after(2))
    state = completed(SYNCED, early, after(99))
    assert (state.watermark, state.discovered_to) == (SYNCED.watermark, SYNCED.discovered_to)
    late = replace(early, began_at=after(90), position=after(80))
    state = completed(replace(SYNCED, last_error="x", failing_runs=3), late, after(99))
    assert (state.watermark, state.discovered_to, state.last_complete_at) == (
        after(90),
        after(80),
        after(99),
    )
    assert (state.last_error, state.failing_runs, state.listing_mode) == (None, 0, None)


def test_times_of_requests_are_utc() -> None:
    assert after(0).tzinfo is UTC


def test_a_lookup_needs_an_authoritative_answer_if_only_that_can_close_the_job() -> None:
    ended = job("Completed", training_end_time=after(0))
    waiting = stored(ended, open_reason="pool status late", details_due=False)
    early = lookup_requests([waiting], set(), after(59), details=True)
    late = lookup_requests([waiting], set(), after(60), details=True)
    assert (early, late) == (
        [LookupRequest(waiting, open=True)],
        [LookupRequest(waiting, open=True, authoritative=True)],
    )


def test_a_job_seen_in_the_future_is_described_until_the_file_has_a_credible_time() -> None:
    """Search would count as older than a state of the future."""
    ahead = stored(job(), open_reason="running", details_due=False, seen_until=after(10_000))
    asked = LookupRequest(ahead, open=True, authoritative=True)
    assert lookup_requests([ahead], set(), after(0), details=True) == [asked]
    merged = observe(Merged(ahead, ahead), listed(job(), 1), POLICY)
    assert (merged.stored.seen_until, merged.write_job) == (after(1), True)


def test_a_job_that_waits_is_described_even_if_a_listing_without_a_date_showed_it() -> None:
    waiting = stored(
        job("Completed", training_end_time=after(0)),
        open_reason="pool status late",
        details_due=False,
    )
    shown = {waiting.job.key}
    asked = LookupRequest(waiting, open=True, authoritative=True)
    for minutes, dated, expected in ((59, False, []), (60, False, [asked]), (60, True, [])):
        found = lookup_requests([waiting], shown, after(minutes), details=True, dated=dated)
        assert found == expected


def test_a_job_that_the_listing_answered_for_is_looked_up_only_for_its_details() -> None:
    running = stored(job(), open_reason="running", details_due=True)
    answered = {running.job.key}
    assert lookup_requests([running], answered, after(0), details=True) == [
        LookupRequest(running, open=False)
    ]
    assert lookup_requests([running], answered, after(0), details=False) == []


@pytest.mark.parametrize(
    ("tags", "search", "requested"),
    [(None, True, True), (None, False, False), ("{}", True, False)],
)
def test_tags_of_an_open_job_that_describe_did_not_show_are_asked_of_search(
    tags: str | None, search: bool, requested: bool
) -> None:
    row = DetailRow(*job().key, tags=tags)
    details = StoredDetails(row, after(0), after(1), final=False)
    running = stored(job(), open_reason="running", details_due=False, details=details)
    answered = {running.job.key}
    found = lookup_requests([running], answered, after(9), details=True, search=search)
    assert found == ([LookupRequest(running, open=False)] if requested else [])


def test_without_search_open_jobs_come_first_and_then_the_newest_that_lack_details() -> None:
    requests = [
        LookupRequest(stored(replace(job(), creation_time=after(n))), open=n == 3) for n in range(5)
    ]
    chosen = without_search(requests, limit=2)
    assert [request.key.creation_time for request in chosen] == [after(3), after(2), after(4)]


def test_a_bound_in_the_future_of_the_service_hides_no_job() -> None:
    """A sync without Date, on a machine whose clock is ahead, believed a job from the future."""
    ahead = replace(SYNCED, discovered_to=after(600), last_complete_at=after(10**6))
    listing = next_listing(ahead, SyncOptions(overlap=300), [], Capabilities())
    assert listing.created_after == after(595)
    again, request = advance(listing, first_request(listing), page(date=after(100)))
    assert (again.created_after, again.position) == (None, None)
    assert request == ListRequest(modified_after=listing.modified_after)
    # A window that somebody asked for may lie in the future.
    one_off = Listing("filter", created_after=after(595))
    assert advance(one_off, first_request(one_off), page(token=None))[0] == replace(
        one_off, began_at=after(100) - timedelta(seconds=1), started=True
    )
