"""Estimates what is left of the run of a scope, and shows it.

ListTrainingJobs has no total, and the density of jobs over time says little about the jobs ahead:
an account that grows, or trains in bursts, has several times as many as its past suggests. But
`Search` counts the results of a query (TotalHits), in one call for all jobs. If it only gives a
lower bound, each half of the window is counted, and so on. So the jobs are counted if somebody
watches. Without Search, no time is shown before the listing ends.

The rest is arithmetic: jobs ahead by the pace of the last minute, then lookups by theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from exporter.sagemaker.rows import JobRow
from exporter.sagemaker.service import Total
from exporter.store.scopes import ScopeKey
from exporter.syncing.plan import Listing
from exporter.syncing.progress import Doing, Progress

#: Seconds over which a pace is measured. A page of the listing and a page of Search alternate, so
#: a shorter time would show a pace that jumps.
_RECENT: Final = 60.0
#: Pages after which the jobs are counted: most syncs have ended by then.
_COUNT_AFTER: Final = 3
#: Most calls that count jobs, in one listing.
_MOST_COUNTS: Final = 100
#: Pages whose time the last lookups and the commit after the listing take.
_LAST_PAGES: Final = 3
#: Listings that may be long enough to count their jobs.
_LONG: Final = frozenset({"backfill", "full", "extend"})

Window = tuple[datetime, datetime]


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


@dataclass(eq=False, slots=True)
class _Count:
    """The number of jobs in a window of creation times.

    Attributes:
        windows: Windows to count; None = not begun.
        jobs: Jobs of the windows that were counted.
        calls: Calls so far.
        failed: Nobody knows the number.
    """

    windows: list[Window] | None = None
    jobs: int = 0
    calls: int = 0
    failed: bool = False

    @property
    def total(self) -> int | None:
        """The number; None = not known (yet)."""
        is_done = self.windows is not None and not self.windows and not self.failed
        return self.jobs if is_done else None

    def take(self, whole: Window) -> Window | None:
        """Return the next window to count; None = none is left."""
        if self.windows is None:
            self.windows = [whole]
        return self.windows[-1] if self.windows and not self.failed else None

    def add(self, total: Total | None) -> None:
        """Note the number of jobs in the window that was taken last."""
        self.calls += 1
        if total is None or self.windows is None or self.calls >= _MOST_COUNTS:
            self.failed = True
            return
        low, high = self.windows.pop()
        if total.is_exact or high - low <= timedelta(seconds=1):
            self.jobs += total.jobs
            return
        middle = low + (high - low) / 2
        self.windows += [(middle, high), (low, middle)]


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
    _first: datetime | None = None
    _count: _Count = field(default_factory=_Count)
    _pending: int = 0
    _pace: _Pace = field(default_factory=lambda: _Pace(0.0))
    _counting: float = 0.0
    _counts_since: float = 0.0
    _lookups: tuple[str, int] = ("", 0)

    def begin(self, pending: int) -> None:
        """Begin a listing.

        Args:
            pending: Jobs that have waited for lookups since earlier runs.
        """
        self._began = self.monotonic()
        self._pace = _Pace(self._began)
        self._pages = 0
        self._counting = 0.0
        self._first = None
        self._count = _Count()
        self._pending = pending

    def begins_at(self, rows: Sequence[JobRow]) -> None:
        """Note where the listing begins, by its first page with rows."""
        if self._first is None and rows:
            self._first = rows[0].creation_time

    def to_count(self, listing: Listing, now: datetime) -> Window | None:
        """Return the window of creation times whose jobs are worth a call of Search now.

        Args:
            listing: The listing before its first page in this run.
            now: Server time.
        """
        is_long = listing.mode in _LONG and self._pages >= _COUNT_AFTER
        if not (is_long and self.progress.is_watched and self._first is not None):
            return None
        self._counts_since = self.monotonic()
        return self._count.take((self._first, listing.created_before or now))

    def counted(self, total: Total | None) -> None:
        """Note how many jobs the window of `to_count` has; None = nobody knows."""
        self._count.add(total)
        # The pace of the listing is measured without the time that the counting takes.
        self._counting += self.monotonic() - self._counts_since

    def listed(self, listing: Listing, jobs: int, *, with_details: bool) -> None:
        """Show a page.

        Args:
            listing: The listing after the page.
            jobs: Jobs of the page that the page before it did not have.
            with_details: Whether the details come with the listing.
        """
        self._pages += 1
        self._pace.add(self.monotonic() - self._counting, jobs)
        work, done, total = "jobs and details" if with_details else "jobs", self._pace.done, None
        left = None
        if self._count.total is not None:
            total = max(self._count.total, done)
            left = self._seconds_left(total - done)
        self._show(Doing(work, done, total, at=listing.position, seconds_left=left))

    def looking_up(self, work: str, total: int) -> None:
        """Begin lookups of jobs by name.

        Args:
            work: What is looked up: `details`, `deletions` or `tags`.
            total: How many jobs.
        """
        self._lookups = work, total
        self._pace = _Pace(self.monotonic())

    def looked_up(self) -> None:
        """Show that one more job was looked up."""
        self._pace.add(self.monotonic(), 1)
        work, total = self._lookups
        done = self._pace.done
        left = self._pace.seconds_for(max(total - done, 0))
        self._show(Doing(work, done, max(total, done), seconds_left=left))

    def _seconds_left(self, jobs: int) -> float | None:
        """Return the seconds to the end of the run, with so many jobs ahead of the listing."""
        page = self._pace.done / self._pages
        listing = self._pace.seconds_for(jobs + _LAST_PAGES * page)
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
