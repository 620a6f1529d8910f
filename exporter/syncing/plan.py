"""Plans what a sync requests. Pure functions: what is known goes in, requests come out.

Two kinds of jobs can have changed since the last complete listing: jobs created since then, and
jobs that are *open* here (exporter.syncing.merge). LastModifiedTimeAfter alone would walk the
whole history of the account, page after empty page, at 2 pages a second. CreationTimeAfter is a
true range. So an incremental listing carries both, and begins shortly before the last job seen.
Open jobs that it does not return are looked up by name. If a filtered listing omits a job, its
TrainingJobStatus is unchanged, but its warm pool or its secondary status may have changed.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal, cast

from exporter.config.model import SyncOptions
from exporter.sagemaker.rows import JobKey
from exporter.sagemaker.service import PAGE, ListRequest, Page
from exporter.store.scopes import ScopeState
from exporter.syncing.merge import Stored, waits_until
from exporter.text import counted

Mode = Literal["backfill", "incremental", "full", "extend", "filter"]

#: How far clocks of the service may differ. A creation time further ahead is not credible.
TOLERANCE: Final = timedelta(seconds=60)
#: Most re-lists of one range. Deletions need fewer; the limit is for a service that answers
#: differently each time.
MAX_RELISTS: Final = 10
#: SageMaker gives times in milliseconds.
_MILLISECOND: Final = timedelta(milliseconds=1)
#: A service that rounds times may be out of order by this much. So each request by creation time
#: begins this much earlier than the last one seen.
_ROUNDING: Final = timedelta(seconds=1)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
#: Jobs in order of creation after which a listing is believed to have that order. Until then only
#: tokens lead on, because a short page is easily in order by chance.
_ENOUGH: Final = 20
#: The same if their names are in order as well, as those of one family often are: the service may
#: sort by name.
_ENOUGH_ALIKE: Final = 300


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing: its purpose, its window, when it first began, and how far it has come.

    Attributes:
        mode: Its purpose.
        created_after: Window: jobs created from here on; None = from the first.
        created_before: Window: jobs created up to here; None = to the last.
        modified_after: LastModifiedTimeAfter; None = not filtered.
        began_at: Server time at which it first began, even if it was resumed since; None = not
            yet, or the server's time is not credible.
        started: A page of it has been read, in this run or before.
        position: Creation time that it has reached.
        latest: Latest credible creation time that it has shown.
        page_end: Latest creation time of its last page with rows.
        in_order: Jobs that came later than the job before them, so far.
        names_differ: Whether their names were in another order than their creation times.
        unsorted: The service ignores the requested order or bound, so only tokens lead on.
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
    latest: datetime | None = None
    page_end: datetime | None = None
    in_order: int = 0
    names_differ: bool = False
    unsorted: bool = False
    filters: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    @property
    def verifies(self) -> bool:
        """Whether it shows every job of its window, because nothing is filtered out."""
        return self.modified_after is None and not self.filters

    @property
    def is_sorted(self) -> bool:
        """Whether it is believed to be in order of creation, so that its position counts."""
        if self.unsorted:
            return False
        enough = _ENOUGH if self.names_differ else _ENOUGH_ALIKE
        return self.position is not None or self.in_order >= enough

    @property
    def is_one_off(self) -> bool:
        """Whether it is a one-off, which moves no watermark and deletes nothing."""
        return self.mode == "filter"


@dataclass(frozen=True, slots=True)
class OpenJob:
    """An open job, as far as a plan needs it.

    Attributes:
        created: Its creation time.
        newer: Known jobs that were created at that time or later, itself included.
    """

    created: datetime
    newer: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the identity may call, as far as is known.

    Attributes:
        search: Search works.
        several_filters: One Search may combine several filters.
        describe: DescribeTrainingJob works.
        tags: ListTags works.
    """

    search: bool = True
    several_filters: bool = True
    describe: bool = True
    tags: bool = True

    def calls(self, jobs: int, page_size: int) -> float:
        """Return the calls that it takes to look up jobs by name; infinite if none is allowed."""
        if not jobs:
            return 0
        if self.search:
            return math.ceil(jobs / page_size)
        return jobs if self.describe else math.inf


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A job to look up by name.

    Attributes:
        stored: What is known of it.
        open: It is open, so an answer is needed; otherwise only its details are due.
        authoritative: Only an authoritative answer helps.
        deleted: It counts as deleted. It is only asked for where a Search has room for its name.
    """

    stored: Stored
    open: bool
    authoritative: bool = False
    deleted: bool = False

    @property
    def key(self) -> JobKey:
        """Identity of the job."""
        return self.stored.job.key

    @property
    def name(self) -> str:
        """TrainingJobName."""
        return self.stored.job.training_job_name


def next_listing(
    state: ScopeState,
    options: SyncOptions,
    open_jobs: Sequence[OpenJob],
    capabilities: Capabilities,
    page_size: int = PAGE,
) -> Listing:
    """Return the listing to run now.

    An unfinished listing is finished first, unless everything is to be listed anyway. The first
    listing is a backfill. If `since` is earlier than what has been listed, only the missing
    interval is listed.
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
        # Never later than what has been listed: the jobs in between would be missed forever.
        floor = options.since and min(options.since, _unlisted_from(state, options))
        return Listing("full", created_after=floor, reason=f"everything again{_since(floor)}")
    listed_from = state.discovered_from
    if options.since and listed_from and options.since < listed_from:
        return Listing(
            "extend",
            created_after=options.since,
            created_before=listed_from,
            reason=f"jobs created before {listed_from:%Y-%m-%d %H:%MZ} have not been listed",
        )
    return _incremental(state, options, open_jobs, capabilities, page_size)


def _since(floor: datetime | None) -> str:
    return f" since {floor:%Y-%m-%d %H:%MZ}" if floor else ""


def needs_another(done: Listing, *, resumed: bool) -> bool:
    """Return whether an incremental listing has to follow in the same run.

    A resumed listing may have shown jobs before the interruption that have changed since. An
    `extend` listing covers only old jobs.
    """
    return done.mode == "extend" or (resumed and not done.is_one_off)


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
        reason=f"resumes from {reached:%Y-%m-%d %H:%M:%SZ}" if reached else "resumes",
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
        reason="one-off with a filter; the watermark stays",
    )


def _incremental(
    state: ScopeState,
    options: SyncOptions,
    open_jobs: Sequence[OpenJob],
    capabilities: Capabilities,
    page_size: int,
) -> Listing:
    unlisted = _unlisted_from(state, options)
    filtered_calls = 1 + capabilities.calls(len(open_jobs), page_size)
    # Without the filter, the listing answers for every open job in its window. The choices below
    # begin the window at each open job in turn. If details are kept, jobs that have changed are
    # looked up by name in any case.
    details = 1 if options.details and (capabilities.search or capabilities.describe) else 0
    # A page that resumes by creation time repeats one row.
    new_rows = page_size - 1
    choices = [
        (
            1
            + job.newer // new_rows
            + max(details, capabilities.calls(_count_older(open_jobs, job), page_size)),
            job,
        )
        for job in open_jobs
    ]
    calls, floor = min(
        choices, key=lambda choice: (choice[0], choice[1].newer), default=(math.inf, None)
    )
    if floor is not None and calls < filtered_calls:
        return Listing(
            "incremental",
            created_after=min(floor.created, unlisted),
            reason=f"{counted(len(open_jobs), 'open job')}: listing the whole window takes about "
            f"{_calls(calls)}, lookups by name {filtered_calls:g}",
        )
    operation = "Search" if capabilities.search else "Describe"
    return Listing(
        "incremental",
        created_after=unlisted,
        modified_after=_modified_after(state, options),
        reason=f"new jobs from {unlisted:%Y-%m-%d %H:%M:%SZ}, "
        f"{counted(len(open_jobs), 'open job')} by {operation}: about {_calls(filtered_calls)}",
    )


def _calls(number: float) -> str:
    return "any number of calls" if math.isinf(number) else counted(int(number), "call")


def _modified_after(state: ScopeState, options: SyncOptions) -> datetime | None:
    """Return LastModifiedTimeAfter for an incremental listing; None = none is complete yet.

    It is the watermark minus the overlap. But the Date of a first answer may be ahead: then the
    listing ended at an earlier server time than the watermark that it set, and the end counts.
    """
    if state.watermark is None:
        return None
    credible = min(state.watermark, state.last_complete_at or state.watermark)
    return _earlier(credible, timedelta(seconds=options.overlap))


def _unlisted_from(state: ScopeState, options: SyncOptions) -> datetime:
    """Return the earliest creation time of jobs that may not have been listed yet."""
    seen = state.discovered_to or state.watermark
    if seen is None:
        raise ValueError("nothing has been listed yet")
    ended = state.last_complete_at
    if ended is not None and seen > ended and state.listing_mode is None:
        # No listing sees jobs of its future. It seemed so before such times were ignored.
        far = seen > ended + TOLERANCE
        seen = min(state.watermark or ended, ended) if far else ended
    return _earlier(seen, timedelta(seconds=options.overlap))


def _count_older(open_jobs: Sequence[OpenJob], floor: OpenJob) -> int:
    return sum(1 for job in open_jobs if job.created < floor.created)


def first_request(listing: Listing) -> ListRequest:
    """Return the request that begins or resumes a listing: by creation time, never by token."""
    reached = listing.position
    return ListRequest(
        # A service that rounds times may list a job shortly before the last one after it.
        created_after=_inclusive_bound(
            _earlier(reached, _ROUNDING) if reached else listing.created_after
        ),
        created_before=listing.created_before,
        modified_after=listing.modified_after,
        filters=dict(listing.filters),
    )


def advance(
    listing: Listing, request: ListRequest, page: Page
) -> tuple[Listing, ListRequest | None]:
    """Return the listing after a page, and the request for the next page; None ends it.

    Only a missing NextToken ends a listing. The service cuts a page before it filters it, so a
    short or empty page need not be the last.

    While pages bring new rows, the next one is requested by the last creation time. A token is a
    position, and a deletion shifts positions, so that a listing by token would skip a job. A page
    without new rows drops the modification filter, which costs no call and makes the following
    pages full. The token serves in the remaining cases, followed by `range_to_relist`: too few jobs
    to believe in the order, more jobs within two seconds than a page holds, a service that filters
    by creation time after it has cut the page, and a service (most likely a stand-in) that ignores
    the order or the bound.

    If a page is out of order, the pages before it may have been as well, and a request by creation
    time may have skipped jobs. So the listing begins again, by token from then on.
    """
    listing = _with_start(listing, page)
    believed = _without_future(listing, page)
    if believed is not listing:
        return believed, first_request(believed)
    if not listing.unsorted and _goes_back(listing, request, page):
        beginning = first_request(replace(listing, position=None))
        listing = replace(listing, unsorted=True, position=None)
        if request != beginning:
            return listing, beginning
    before = listing.position
    listing = _with_position(listing, page)
    if page.next_token is None:
        return listing, None
    by_token = replace(request, token=page.next_token)
    if listing.unsorted:
        return listing, by_token
    if listing.position is not None and listing.position != before:
        following = first_request(listing)
        # The bound is in whole seconds. It stays the same if two seconds hold more jobs than a
        # page, and then cannot serve.
        if _follows(following.created_after, request.created_after):
            return listing, following
    if listing.modified_after is not None and (listing.is_sorted or not page.rows):
        listing = replace(listing, modified_after=None, in_order=0, names_differ=False)
        return listing, first_request(listing)
    return listing, by_token


def _with_start(listing: Listing, page: Page) -> Listing:
    """Return the listing with the time at which it began, if the Date of the page is credible.

    A Date that is behind only makes the watermark too early. One that is ahead is contradicted by
    a later one.
    """
    if not listing.started:
        listing = replace(listing, began_at=page.as_of, started=True)
    if page.date is None or _is_before(page.date, listing.began_at):
        listing = replace(listing, began_at=None)
    return listing


def _without_future(listing: Listing, page: Page) -> Listing:
    """Return the listing without bounds that lie in the service's future; the same if it has none.

    They would hide jobs that have changed or were created since.
    """
    if _is_before(page.date, listing.modified_after):
        # An earlier Date was ahead.
        return replace(listing, modified_after=None, position=None)
    if listing.mode == "incremental" and _is_before(page.date, listing.created_after):
        # This machine's clock was ahead in a sync to which the service sent no Date, and a job from
        # the future seemed to be the last one. Nobody knows what has been listed: list everything.
        return replace(listing, created_after=None, position=None)
    return listing


def _with_position(listing: Listing, page: Page) -> Listing:
    """Return the listing with the credible creation time that it reaches with a page.

    A job from the future moves nothing: the position would pass jobs that are yet to come. And a
    listing without an order reaches nothing before its last page.
    """
    times = [row.creation_time for row in page.rows]
    credible = [moment for moment in times if moment <= page.now + TOLERANCE]
    later = [first < second for first, second in pairwise(times)]
    names = [row.training_job_name for row in page.rows]
    rising = [first < second for first, second in pairwise(names)]
    listing = replace(
        listing,
        latest=max([*credible, listing.latest] if listing.latest else credible, default=None),
        page_end=max(times, default=listing.page_end),
        in_order=listing.in_order + sum(later),
        names_differ=listing.names_differ or len(set(rising)) > 1,
    )
    if listing.latest is None or not (listing.is_sorted or page.next_token is None):
        return listing
    return replace(listing, position=max(listing.latest, listing.position or listing.latest))


def range_to_relist(
    reached: Listing, request: ListRequest, following: ListRequest | None
) -> Listing | None:
    """Return what to list again after the last of several pages requested by token, else None.

    A deletion between two such pages may have moved a job from the later page to the earlier
    one, which had been read. The range is listed again until one re-list shows every job that the
    previous one showed. A one-off promises nothing, so it lists nothing again.
    """
    if request.token is None or (following and following.token) or reached.filters:
        return None
    if following is not None and reached.unsorted:
        return None  # the whole window is listed now
    if following is None or reached.position is None:
        until = reached.created_before
    else:
        until = reached.position + timedelta(seconds=1)
    return Listing(reached.mode, created_after=request.created_after, created_before=until)


def _goes_back(listing: Listing, request: ListRequest, page: Page) -> bool:
    """Return whether a row is older than the bound of the request, or than a row before it.

    A page by token follows the page before it, so it may not go back either. Rounding alone does
    not count. A wrong True costs calls; a wrong False loses the older jobs.
    """
    latest = request.created_after
    if request.token is not None and listing.page_end is not None:
        latest = listing.page_end
    for row in page.rows:
        if latest is not None and row.creation_time + _ROUNDING < latest:
            return True
        latest = row.creation_time if latest is None else max(latest, row.creation_time)
    return False


def _inclusive_bound(moment: datetime | None) -> datetime | None:
    """Return a bound in whole seconds that keeps the jobs of a moment, even if it is exclusive."""
    return None if moment is None else _earlier(moment, _MILLISECOND).replace(microsecond=0)


def _follows(bound: datetime | None, before: datetime | None) -> bool:
    return before is None or (bound is not None and bound > before)


def _earlier(moment: datetime, by: timedelta) -> datetime:
    """Return a moment minus a duration, but not before year 1: `--since 0001-01-01` is valid."""
    return moment - min(by, moment - _FIRST)


def _is_before(date: datetime | None, moment: datetime | None) -> bool:
    return date is not None and moment is not None and date + TOLERANCE < moment


def completed(state: ScopeState, listing: Listing, ended_at: datetime) -> ScopeState:
    """Return the scope after the last page; only now the watermark moves.

    It moves forward only, except from a time that the service has not reached yet: an earlier Date
    was ahead.

    Args:
        state: The scope.
        listing: The listing after its last page.
        ended_at: Server time of now.
    """
    latest = ended_at + TOLERANCE
    watermark = state.watermark
    if listing.mode != "extend" and listing.began_at is not None:
        if watermark is None or watermark > latest:
            watermark = listing.began_at
        watermark = max(watermark, listing.began_at)
    state = progressed(state, listing).without_listing()
    discovered_to = state.discovered_to
    if discovered_to is not None and discovered_to > latest:
        discovered_to = listing.position or watermark
    discovered_from = state.discovered_from
    if listing.mode in ("backfill", "extend"):
        discovered_from = listing.created_after
    elif listing.mode == "full" and discovered_from is not None:
        discovered_from = listing.created_after and min(listing.created_after, discovered_from)
    return replace(
        state,
        watermark=watermark,
        discovered_to=discovered_to,
        discovered_from=discovered_from,
        last_complete_at=ended_at,
        last_error=None,
        failing_runs=0,
    )


def progressed(state: ScopeState, listing: Listing) -> ScopeState:
    """Return the scope during a listing: what is needed to resume it after an interruption.

    A one-off leaves the scope as it is.
    """
    if listing.is_one_off:
        return state
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


def lookup_requests(
    stored: Iterable[Stored],
    answered: Container[JobKey],
    now: datetime,
    *,
    details: bool,
    search: bool = True,
    dated: bool = True,
) -> list[LookupRequest]:
    """Return the jobs to look up after a listing: open ones, and those whose details are due.

    Describe shows no tags. Where it answered for an open job, Search is asked for them, even if
    every later listing answers for the job.

    Args:
        stored: Open jobs and jobs without details.
        answered: Open jobs that the listing has answered for.
        now: Server time.
        details: Whether details are kept at all.
        search: Whether Search is available.
        dated: Whether the answers of the listing had a credible Date.
    """
    requests = []
    for item in stored:
        until = waits_until(item)
        closes = until is not None and until <= now
        # An answer without a Date closes no job that waits; Describe does.
        answers = item.job.key in answered and (dated or not closes)
        needs_answer = item.open_reason is not None and not answers
        due = item.details_due or (search and item.lacks_tags)
        if needs_answer or (due and details):
            # A Date, or this machine without one, was ahead. Search would count as older.
            ahead = item.seen_until > now + TOLERANCE
            requests.append(LookupRequest(item, needs_answer, needs_answer and (closes or ahead)))
    return requests


def room_for_deleted(requests: Sequence[LookupRequest], page_size: int) -> int:
    """Return how many more names fit into the calls of Search that are made in any case."""
    return -sum(not request.authoritative for request in requests) % page_size


def without_search(requests: Sequence[LookupRequest], limit: int) -> list[LookupRequest]:
    """Return requests for Describe: open jobs, then the newest `limit` that lack details.

    People look at the newest jobs most, so their details come first.
    """
    only_details = [request for request in requests if not request.open]
    return [request for request in requests if request.open] + only_details[-limit:]
