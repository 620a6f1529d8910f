"""What to ask for. Pure functions: what is known goes in, requests come out.

What can have changed since the last complete listing is: jobs created since then, and jobs that
are *open* here (exporter.syncing.merge). LastModifiedTimeAfter alone would walk the account's
whole history, page after empty page, at 2 pages a second; CreationTimeAfter is a true range.
So an incremental listing carries both, from a floor near the last job seen, and open jobs that
it does not return are asked for by name: silence of a filtered listing proves only that the
TrainingJobStatus is what it was, never that a warm pool or a secondary status is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

from exporter.config.model import SyncOptions
from exporter.errors import ServiceError
from exporter.sagemaker.service import PAGE, ListRequest, Page
from exporter.store.scopes import ScopeState
from exporter.text import counted

Mode = Literal["backfill", "incremental", "full", "extend", "filter"]

#: Rows a page of a listing is good for that goes on from the last creation time: one is repeated.
_FRESH_ROWS: Final = PAGE - 1
#: How far times may be ahead of an answer's Date before one of them is not believed.
TOLERANCE: Final = timedelta(seconds=60)
#: Looks at what tokens led over; more than any deletions need, so that it ends where a service
#: shows something else each time.
LOOKS: Final = 10
_BEFORE_ANY: Final = timedelta(milliseconds=1)
#: How far a service that rounds times to seconds may seem to be out of order.
_ROUNDING: Final = timedelta(seconds=1)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing, whatever it is for: a window, when it first began, and how far it has come.

    Attributes:
        mode: What it is for.
        created_after: Window: jobs created from here on; None = from the first.
        created_before: Window: jobs created up to here; None = to the last.
        modified_after: LastModifiedTimeAfter; None = not filtered.
        began_at: Server time at which it first began, also when it was resumed; None = not yet,
            or the server's time cannot be believed.
        started: A page of it has been read, in this run or before.
        position: Creation time it has reached.
        unsorted: The service does not keep to the order, or the bound, that is asked for.
        filters: Further parameters of a one-off.
        reason: Why it was chosen.
    """

    mode: Mode
    created_after: datetime | None = None
    created_before: datetime | None = None
    modified_after: datetime | None = None
    began_at: datetime | None = None
    started: bool = False
    position: datetime | None = None
    unsorted: bool = False
    filters: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    @property
    def verifies(self) -> bool:
        """Whether every job of its window is in it: nothing is filtered out."""
        return self.modified_after is None and not self.filters


@dataclass(frozen=True, slots=True)
class OpenJob:
    """What the plan has to know of an open job.

    Attributes:
        created: Its creation time.
        newer: Jobs known here that were created at that time or later, itself included.
    """

    created: datetime
    newer: int


@dataclass(frozen=True, slots=True)
class Means:
    """What the identity may call, as far as is known; and how many names one Search takes."""

    search: bool = True
    describe: bool = True
    names_a_call: int = PAGE

    def calls(self, jobs: int) -> float:
        """Calls it takes to ask for that many jobs by name; infinite where nothing may."""
        if not jobs:
            return 0
        if self.search:
            return math.ceil(jobs / self.names_a_call)
        return jobs if self.describe else math.inf


def next_listing(
    state: ScopeState, options: SyncOptions, open_jobs: Sequence[OpenJob], means: Means
) -> Listing:
    """The listing to run now.

    An unfinished one is finished first, unless everything is to be listed anyway. The first is a
    backfill; `since` earlier than what has been listed fetches just the missing interval.
    """
    if options.is_filtered:
        return _one_off(options)
    unfinished = _unfinished(state)
    if unfinished is not None and (not options.full or unfinished.mode == "full"):
        return unfinished
    if state.watermark is None and state.discovered_to is None:
        reason = f"first sync{_since(options.since)}"
        return Listing("backfill", created_after=options.since, reason=reason)
    if options.full:
        # Never from later than what has been listed so far: jobs between would be missed for ever.
        floor = options.since and min(options.since, _discovery(state, options))
        return Listing("full", created_after=floor, reason=f"everything again{_since(floor)}")
    missing = state.discovered_from
    if options.since and missing and options.since < missing:
        return Listing(
            "extend",
            created_after=options.since,
            created_before=missing,
            reason=f"jobs created before {missing:%Y-%m-%d %H:%MZ} were not listed yet",
        )
    return _incremental(state, options, open_jobs, means)


def _since(floor: datetime | None) -> str:
    return f" since {floor:%Y-%m-%d %H:%MZ}" if floor else ""


def needs_another(done: Listing, *, resumed: bool) -> bool:
    """Whether an incremental listing has to follow in the same run.

    After one that was resumed, or that looked only at old jobs, what it had listed before the
    interruption may have changed since.
    """
    return done.mode == "extend" or (resumed and done.mode != "filter")


def _unfinished(state: ScopeState) -> Listing | None:
    if state.listing_mode is None:
        return None
    reached = state.listing_position or state.listing_created_after
    return Listing(
        mode=cast("Mode", state.listing_mode),
        created_after=state.listing_created_after,
        created_before=state.listing_created_before,
        modified_after=state.listing_modified_after,
        began_at=state.listing_began_at,
        started=True,
        position=state.listing_position,
        reason=f"goes on from {reached:%Y-%m-%d %H:%M:%SZ}" if reached else "goes on",
    )


def _one_off(options: SyncOptions) -> Listing:
    wanted = {
        "NameContains": options.name_contains,
        "StatusEquals": options.status,
        "WarmPoolStatusEquals": options.warm_pool_status,
        "TrainingPlanArnEquals": options.training_plan_arn,
    }
    return Listing(
        "filter",
        created_after=options.created_after,
        created_before=options.created_before,
        filters=tuple((name, value) for name, value in wanted.items() if value is not None),
        reason="a one-off with a filter; no watermark moves",
    )


def _incremental(
    state: ScopeState, options: SyncOptions, open_jobs: Sequence[OpenJob], means: Means
) -> Listing:
    discovery = _discovery(state, options)
    filtered_calls = 1 + means.calls(len(open_jobs))
    # The window without the filter answers for every open job in it; from which one on is it
    # cheaper to list than to ask? Where details are kept, what it finds changed has to be asked
    # for by name all the same.
    details = 1 if options.details and (means.search or means.describe) else 0
    choices = [
        (1 + job.newer // _FRESH_ROWS + max(details, means.calls(_older(open_jobs, job))), job)
        for job in open_jobs
    ]
    calls, floor = min(
        choices, key=lambda choice: (choice[0], choice[1].newer), default=(math.inf, None)
    )
    if floor is not None and calls < filtered_calls:
        return Listing(
            "incremental",
            created_after=min(floor.created, discovery),
            reason=f"{counted(len(open_jobs), 'open job')}: the window listed whole takes about "
            f"{_calls(calls)}, by name {filtered_calls:g}",
        )
    by = "Search" if means.search else "Describe"
    return Listing(
        "incremental",
        created_after=discovery,
        modified_after=_modified_after(state, options),
        reason=f"new jobs from {discovery:%Y-%m-%d %H:%M:%SZ}, "
        f"{counted(len(open_jobs), 'open job')} by {by}: about {_calls(filtered_calls)}",
    )


def _calls(number: float) -> str:
    return "any number of calls" if math.isinf(number) else counted(int(number), "call")


def _modified_after(state: ScopeState, options: SyncOptions) -> datetime | None:
    """Where the modification filter begins; None = there is nothing to begin from.

    The watermark, unless the listing that gave it ended before it by the service's own clock:
    then the Date of its first answer ran ahead, and the end is what can be believed.
    """
    if state.watermark is None:
        return None
    sure = min(state.watermark, state.last_complete_at or state.watermark)
    return _earlier(sure, timedelta(seconds=options.overlap))


def _discovery(state: ScopeState, options: SyncOptions) -> datetime:
    """The creation time from which on there may be jobs that were not listed yet."""
    seen = state.discovered_to or state.watermark
    if seen is None:
        raise ValueError("nothing has been listed yet")
    return _earlier(seen, timedelta(seconds=options.overlap))


def _older(open_jobs: Sequence[OpenJob], floor: OpenJob) -> int:
    return sum(1 for job in open_jobs if job.created < floor.created)


def first_request(listing: Listing) -> ListRequest:
    """The request that a listing begins or goes on with: by creation time, never by token."""
    return ListRequest(
        created_after=_not_after(listing.position or listing.created_after),
        created_before=listing.created_before,
        modified_after=listing.modified_after,
        filters=dict(listing.filters),
    )


def advance(
    listing: Listing, request: ListRequest, page: Page
) -> tuple[Listing, ListRequest | None]:
    """The listing after a page, and the request for the next; None ends it.

    Only a missing NextToken ends a listing: a page is cut first and filtered afterwards, so it
    may be short or empty and still not be the last. While new rows come, the next page is asked
    for by the last creation time and not by token, since tokens are positions that shift when a
    job is deleted meanwhile, and a job would be skipped. Where none come, a modification filter
    is dropped, which costs no call, and from there on pages are full. Only where that does not
    help either (more jobs within one second than a page holds, or a service that filters by
    creation time after it has cut the page) has the token to serve: see `doubtful`. So it has
    where the service, a stand-in most likely, passes over the order or the bound.
    """
    if not listing.started:
        listing = replace(listing, began_at=page.as_of, started=True)
    if not date_is_credible(page) or _is_before(page.date, listing.began_at):
        listing = replace(listing, began_at=None)
    if _is_before(page.date, listing.modified_after):
        # The filter is from the service's future: some Date of before ran ahead, and what was
        # modified since is filtered out. Everything of the window is listed instead.
        listing = replace(listing, modified_after=None, position=None)
        return listing, first_request(listing)
    before = listing.position
    if _goes_back(request, page):
        listing = replace(listing, unsorted=True)
    # Of pages in no order, only the last one tells how far they have come.
    if page.rows and not (listing.unsorted and page.next_token):
        last = max(row.creation_time for row in page.rows)
        listing = replace(listing, position=last if before is None else max(before, last))
    if page.next_token is None:
        return listing, None
    if page.next_token == request.token and not page.rows:
        raise ServiceError(
            "ListTrainingJobs answers the same NextToken again and again.",
            "Nothing is lost; the next run goes on from here.",
        )
    if listing.unsorted:
        return listing, replace(request, token=page.next_token)
    if listing.position is not None and listing.position != before:
        floor = _not_after(listing.position)
        # More jobs within one second than a page holds: the bound, in whole seconds, would
        # not move.
        if request.created_after is None or floor is None or floor > request.created_after:
            return listing, replace(first_request(listing), created_after=floor)
    if listing.modified_after is not None:
        listing = replace(listing, modified_after=None)
        return listing, first_request(listing)
    return listing, replace(request, token=page.next_token)


def doubtful(
    reached: Listing, request: ListRequest, following: ListRequest | None
) -> Listing | None:
    """What has to be listed again after the last of the pages that were asked for by token.

    Each deletion while they were read may have moved a job from a page to come to one that was
    read. It takes looks until one shows all that the one before it did. A one-off promises
    nothing.
    """
    if request.token is None or (following and following.token) or reached.filters:
        return None
    if following is None or reached.position is None:
        until = reached.created_before
    else:
        until = reached.position + timedelta(seconds=1)
    return Listing(reached.mode, created_after=request.created_after, created_before=until)


def _goes_back(request: ListRequest, page: Page) -> bool:
    """Whether a job was created before the bound, or before those ahead of it on the page.

    By more than rounding explains: a wrong yes costs calls, a wrong no loses the older jobs.
    """
    latest = request.created_after
    for row in page.rows:
        if latest is not None and row.creation_time + _ROUNDING < latest:
            return True
        latest = row.creation_time if latest is None else max(latest, row.creation_time)
    return False


def _not_after(moment: datetime | None) -> datetime | None:
    """A lower bound in whole seconds that keeps jobs of that very moment, inclusive or not."""
    return None if moment is None else _earlier(moment, _BEFORE_ANY).replace(microsecond=0)


def _earlier(moment: datetime, by: timedelta) -> datetime:
    """So much earlier, or the first moment there is: `--since 0001-01-01` asks for everything."""
    return moment - min(by, moment - _FIRST)


def date_is_credible(page: Page) -> bool:
    """Whether the answer's Date can be the service's time.

    It cannot where there is none, or where rows of the same answer are from later.
    """
    if page.date is None:
        return False
    times = [
        moment
        for row in page.rows
        for moment in (row.creation_time, row.last_modified_time, row.training_end_time)
        if moment is not None
    ]
    return not times or max(times) <= page.date + TOLERANCE


def _is_before(date: datetime | None, moment: datetime | None) -> bool:
    return date is not None and moment is not None and date + TOLERANCE < moment


def completed(state: ScopeState, listing: Listing, ended_at: datetime | None) -> ScopeState:
    """The scope after a listing's last page: only now the watermark moves, and never back."""
    watermark = state.watermark
    if listing.mode != "extend" and listing.began_at is not None:
        watermark = max(watermark or listing.began_at, listing.began_at)
    state = progressed(state, listing).without_listing()
    discovered_from = state.discovered_from
    if listing.mode in ("backfill", "extend"):
        discovered_from = listing.created_after
    elif listing.mode == "full" and discovered_from is not None:
        discovered_from = listing.created_after and min(listing.created_after, discovered_from)
    return replace(
        state,
        watermark=watermark,
        discovered_from=discovered_from,
        last_complete_at=ended_at or state.last_complete_at,
        last_error=None,
        failing_runs=0,
    )


def progressed(state: ScopeState, listing: Listing) -> ScopeState:
    """The scope in the middle of a listing: its record, to go on from after any interruption."""
    discovered_to = state.discovered_to
    if listing.mode != "extend" and listing.position is not None:
        discovered_to = max(discovered_to or listing.position, listing.position)
    return replace(
        state,
        discovered_to=discovered_to,
        discovered_from=(
            listing.created_after if listing.mode == "backfill" else state.discovered_from
        ),
        listing_mode=listing.mode,
        listing_created_after=listing.created_after,
        listing_created_before=listing.created_before,
        listing_modified_after=listing.modified_after,
        listing_began_at=listing.began_at,
        listing_position=listing.position,
    )
