"""Reads a listing and its details batch by batch, and merges each with what is known of its jobs.

The next page of the listing is requested before Search reads the details of this one. Each
operation has its own pace, so both together take as long as the listing alone, and each commit has
jobs with their details. A window of Search leaves out the last second of its jobs, at which the
next page begins, so both are about different jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from exporter.sagemaker.rows import JobKey, JobRow
from exporter.syncing.context import ScopeContext
from exporter.syncing.listing import ListedPage
from exporter.syncing.merge import MergePolicy, Observed, Stored
from exporter.syncing.plan import Listing
from exporter.syncing.stopping import STOPPED

_log = logging.getLogger(__name__)

#: Creation times of one job are at most this far apart (see `JobKey.is_same`).
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs of a listing that are merged, and now to be committed together.

    Attributes:
        reached: The listing after this batch, with its position.
        jobs: The jobs, as they are known now.
        is_last: Whether the listing ends with this batch, which may be empty.
    """

    reached: Listing
    jobs: Sequence[Stored]
    is_last: bool

    @property
    def answered(self) -> set[JobKey]:
        """Open jobs of the batch: the listing has answered for them."""
        return {item.job.key for item in self.jobs if item.open_reason}

    @property
    def details_due(self) -> set[JobKey]:
        """Jobs of the batch whose details are due."""
        return {item.job.key for item in self.jobs if item.details_due}


@dataclass(slots=True)
class _Answers:
    """What a listing has read since the last batch.

    Attributes:
        read: Answers in the order of their calls.
        waiting: Jobs that are new, so their details are due; the next window has them. Some may
            be of an earlier batch.
        searched: Jobs that a window of this batch had.
    """

    read: list[Observed] = field(default_factory=list)
    waiting: dict[JobKey, None] = field(default_factory=dict)
    searched: set[JobKey] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class BatchReader:
    """Reads one listing of one scope.

    Attributes:
        scope: What all steps of the scope share.
        policy: How answers are merged.
    """

    scope: ScopeContext
    policy: MergePolicy

    def batches(self, listing: Listing) -> Iterator[Batch]:
        """Yield the batches of a listing, each to be committed before the next.

        If the listing is stopped, by a signal or a failure, what it has read comes as a batch. A
        page that was requested ahead is read again by the next sync.

        Raises:
            ExporterError: The service or the database failed.
            Interrupted: The run has to stop.
        """
        sizes = self.scope.sizes
        first, answers = listing, _Answers()
        previous: Sequence[JobRow] = ()
        try:
            for step in self.scope.reader.pages(listing):
                new = list(_new_rows(step.page.rows, previous, listing.position))
                self._note(answers, step, new)
                listing, previous = step.reached, step.page.rows or previous
                self._show(first, step, len(new))
                self._search(answers, self._ready(answers, listing))
                is_due = self.scope.ledger.seconds_since_commit >= sizes.batch_seconds
                if len(answers.read) >= sizes.batch_rows or is_due:
                    yield Batch(listing, self._merge(answers, is_last=False), is_last=False)
                    answers = _Answers(waiting=answers.waiting)
        except STOPPED:
            # With `refresh`, a position must not pass jobs whose details were not read again.
            if listing is not first and not self.policy.refresh:
                yield Batch(listing, self._merged(answers), is_last=False)
            raise
        yield Batch(listing, self._merge(answers, is_last=True), is_last=True)

    def _note(
        self,
        answers: _Answers,
        step: ListedPage,
        rows: Sequence[JobRow],
    ) -> None:
        """Add rows of a page to the answers."""
        as_of = step.page.seen_at
        latest = self.scope.latest(as_of)
        newest = self.scope.jobs.newest
        for row in rows:
            answers.read.append(Observed(row, as_of, latest))
            is_new = newest is None or row.creation_time - newest > _SECOND
            if self.scope.options.details and (is_new or self.policy.refresh):
                answers.waiting[row.key] = None

    def _ready(self, answers: _Answers, listing: Listing) -> list[JobKey]:
        """Return the jobs for a window of Search: a full page, without those of the last second.

        The next page of the listing may have more jobs of that second.
        """
        if listing.unsorted:
            # Each window would be the whole history: jobs are looked up by name instead.
            answers.waiting.clear()
        last = max((key.creation_time for key in answers.waiting), default=None)
        if last is None or len(answers.waiting) < self.scope.sizes.page:
            return []
        second = last.replace(microsecond=0)
        ready = [key for key in answers.waiting if key.creation_time < second]
        # A page that resumes by creation time repeats one row.
        return ready if len(ready) >= self.scope.sizes.page - 1 else []

    def _search(self, answers: _Answers, keys: Sequence[JobKey]) -> None:
        """Add the details of jobs to the answers, by a window of Search."""
        if not keys:
            return
        answers.searched.update(keys)
        for key in keys:
            answers.waiting.pop(key, None)
        before = len(answers.read)
        for found in self.scope.lookup.details_of_window(keys):
            answers.read.append(found)
        _log.info(
            "details of the window",
            extra={
                **self.scope.ledger.log_fields,
                "due": len(keys),
                "found": len(answers.read) - before,
            },
        )

    def _merge(self, answers: _Answers, *, is_last: bool) -> list[Stored]:
        """Merge a batch; add details if one window of Search is cheaper than lookups."""
        jobs = self._merged(answers)
        due = self._due(jobs, answers, is_last=is_last)
        # The follow-up looks up a few jobs by name, which takes fewer calls than a window.
        worth_a_window = len(due) >= self.scope.sizes.page or (self.policy.refresh and due)
        if not (self.scope.options.details and worth_a_window):
            return jobs
        found = _Answers(waiting=answers.waiting)
        self._search(found, list(due))
        by_key = {item.job.key: item for item in (*jobs, *self._merged(found))}
        return list(by_key.values())

    def _due(
        self, jobs: Sequence[Stored], answers: _Answers, *, is_last: bool
    ) -> dict[JobKey, None]:
        """Return the jobs whose details no window has had, and none will have later."""
        is_end = is_last or self.policy.refresh
        due = {
            item.job.key: None
            for item in jobs
            if item.details_due or (self.policy.refresh and item.details)
        }
        if is_end:
            due |= answers.waiting
        later = answers.searched if is_end else answers.searched | answers.waiting.keys()
        return {key: None for key in due if key not in later}

    def _merged(self, answers: _Answers) -> list[Stored]:
        return self.scope.jobs.merge(answers.read, self.policy)

    def _show(self, first: Listing, step: ListedPage, jobs: int) -> None:
        """Show what is left after a page, and count the jobs first if that is worth a call."""
        remaining, lookup = self.scope.remaining, self.scope.lookup
        now = self.scope.server_time()
        remaining.begins_at(step.page.rows)
        if step.page.next_token is not None and (window := remaining.to_count(first, now)):
            remaining.counted(lookup.count(*window))
        with_details = self.scope.options.details and lookup.capabilities.search
        remaining.listed(step.reached, jobs, with_details=with_details)


def _new_rows(
    rows: Sequence[JobRow], previous: Sequence[JobRow], position: datetime | None
) -> Iterator[JobRow]:
    """Yield the rows of a page that the previous page did not have.

    A page begins at the second of the last creation time, so it repeats the jobs of that second.
    Without this filter, the first jobs of a batch would be stored jobs, and each batch would read
    them from the file.
    """
    for row in rows:
        if position is None or row.creation_time > position or row not in previous:
            yield row
