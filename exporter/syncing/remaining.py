"""Estimates what is left of the run of a scope, and shows it.

ListTrainingJobs has no total. `Search` counts all results of a query (TotalHits), so one call
more gives the number of jobs, if somebody watches. Without it, the jobs ahead are estimated from
the creation times: the density of the later half of the jobs that were listed, times the time that
is left to list. That fails if jobs come in bursts, so it is only shown after a minute.

The rest is arithmetic: jobs ahead by the pace of the last minute, then lookups by theirs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from exporter.store.scopes import ScopeKey
from exporter.syncing.plan import Listing
from exporter.syncing.progress import Doing, Progress

#: Seconds over which a pace is measured. A page of the listing and a page of Search alternate, so
#: a shorter time would show a pace that jumps.
_RECENT: Final = 60.0
#: Pages after which the jobs are counted: most syncs have ended by then.
_COUNT_AFTER: Final = 3
#: Seconds of a run before an estimate without a count is shown.
_TOO_EARLY: Final = 60.0
#: Listings that are long enough to count their jobs first.
_LONG: Final = frozenset({"backfill", "full", "extend"})


class _Pace:
    """How many jobs come per second, over the last minute.

    Args:
        started: The clock when the first of them was requested.
    """

    def __init__(self, started: float) -> None:
        self._seen: deque[tuple[float, int]] = deque([(started, 0)])

    @property
    def done(self) -> int:
        """Jobs so far."""
        return self._seen[-1][1]

    def add(self, now: float, jobs: int) -> None:
        """Note that more jobs have come."""
        self._seen.append((now, self.done + jobs))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _RECENT:
            self._seen.popleft()

    def seconds_for(self, jobs: float) -> float | None:
        """Return the seconds that so many more jobs will take; None = unknown."""
        (since, before), (now, done) = self._seen[0], self._seen[-1]
        return jobs * (now - since) / (done - before) if done > before else None


@dataclass(eq=False)
class Remaining:
    """Estimates what is left of the runs of one scope.

    Attributes:
        scope: The scope.
        progress: What shows it.
        monotonic: Returns the seconds of a clock that never goes back.
        seconds_per_lookup: Returns the seconds that one more lookup after the listing takes by
            its pace; 0 = details come with the listing, or there is no pace.
        most_lookups: Most jobs that are described only for their details in one run.
    """

    scope: ScopeKey
    progress: Progress
    monotonic: Callable[[], float]
    seconds_per_lookup: Callable[[], float]
    most_lookups: int
    _began: float = 0.0
    _pages: int = 0
    _total: int | None = None
    _is_counted: bool = False
    _pending: int = 0
    _pace: _Pace = field(default_factory=lambda: _Pace(0.0))
    _work: str = ""
    _reached: list[tuple[int, float]] = field(default_factory=list)

    def begin(self, pending: int) -> None:
        """Begin a listing.

        Args:
            pending: Jobs that have waited for lookups since earlier runs.
        """
        self._began = self.monotonic()
        self._pace = _Pace(self._began)
        self._pages = 0
        self._total, self._is_counted = None, False
        self._pending = pending
        self._reached = []

    def wants_total(self, listing: Listing) -> bool:
        """Return whether the number of jobs is worth a call now, which is so once per listing."""
        wants = (
            self.progress.is_watched
            and listing.mode in _LONG
            and self._pages >= _COUNT_AFTER
            and not self._is_counted
        )
        self._is_counted = self._is_counted or wants
        return wants

    def has_total(self, jobs: int | None) -> None:
        """Note how many jobs this run lists in all; None = nobody knows."""
        self._total = jobs

    def listed(self, listing: Listing, jobs: int, now: datetime, *, with_details: bool) -> None:
        """Show a page.

        Args:
            listing: The listing after the page.
            jobs: Jobs of the page that the page before it did not have.
            now: Server time.
            with_details: Whether the details come with the listing.
        """
        self._pages += 1
        self._pace.add(self.monotonic(), jobs)
        done = self._pace.done
        if listing.position is not None:
            self._reached.append((done, listing.position.timestamp()))
        total = self._total
        if total is None:
            total = self._by_creation_time(listing, now)
        left = None if total is None else self._seconds_left(max(total - done, 0))
        self._show(
            Doing(
                "jobs and details" if with_details else "jobs",
                done,
                total,
                is_estimate=self._total is None,
                at=listing.position,
                seconds_left=left,
            )
        )

    def looking_up(self, work: str, total: int) -> None:
        """Begin lookups of jobs by name.

        Args:
            work: What is looked up: `details`, `deletions` or `tags`.
            total: How many jobs.
        """
        self._work, self._total = work, total
        self._pace = _Pace(self.monotonic())

    def looked_up(self) -> None:
        """Show that one more job was looked up."""
        self._pace.add(self.monotonic(), 1)
        total = max(self._total or 0, self._pace.done)
        left = self._pace.seconds_for(total - self._pace.done)
        self._show(Doing(self._work, self._pace.done, total, seconds_left=left))

    def _by_creation_time(self, listing: Listing, now: datetime) -> int | None:
        """Return an estimate of how many jobs this run lists in all; None = too early."""
        if self.monotonic() - self._began < _TOO_EARLY or len(self._reached) < 2:
            return None
        done, position = self._reached[-1]
        earlier, since = self._reached[bisect_left(self._reached, (done / 2, 0.0))]
        if since >= position:
            return None
        end = min(listing.created_before or now, now).timestamp()
        return done + round((done - earlier) / (position - since) * max(end - position, 0.0))

    def _seconds_left(self, jobs: int) -> float | None:
        """Return the seconds to the end of the run, with so many jobs ahead of the listing."""
        listing = self._pace.seconds_for(jobs)
        if listing is None:
            return None
        lookups = min(self._pending + self._pace.done + jobs, self.most_lookups)
        return listing + lookups * self.seconds_per_lookup()

    def _show(self, doing: Doing) -> None:
        share = None
        if doing.seconds_left is not None:
            spent = self.monotonic() - self._began
            share = spent / max(spent + doing.seconds_left, 1e-9)
        self.progress.show(self.scope, replace(doing, share=share))
