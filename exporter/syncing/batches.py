"""Reads a listing batch by batch, and merges each with what is known of its jobs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.sagemaker.rows import JobKey, JobRow
from exporter.syncing.context import ScopeContext
from exporter.syncing.merge import MergePolicy, Observed, Stored
from exporter.syncing.plan import Listing

_log = logging.getLogger(__name__)


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

        Raises:
            ExporterError: The service or the database failed.
        """
        monotonic, sizes = self.scope.clock.monotonic, self.scope.sizes
        answers: list[Observed] = []
        since = monotonic()
        previous: Sequence[JobRow] = ()
        for step in self.scope.reader.pages(listing):
            rows = step.page.rows
            as_of = step.page.seen_at
            latest = self.scope.latest(as_of)
            answers += [
                Observed(row, as_of, latest) for row in _new_rows(rows, previous, listing.position)
            ]
            listing, previous = step.reached, rows or previous
            run = self.scope.ledger.run
            self.scope.progress.listing(self.scope.key, listing, run.jobs_seen, run.pages)
            too_old = monotonic() - since >= sizes.batch_seconds
            if len(answers) >= sizes.batch_rows or too_old:
                yield Batch(listing, self._merge(answers), is_last=False)
                answers, since = [], monotonic()
        yield Batch(listing, self._merge(answers), is_last=True)

    def _merge(self, answers: Sequence[Observed]) -> list[Stored]:
        """Merge a batch; add details if one window of Search is cheaper than lookups."""
        jobs = self.scope.jobs.merge(answers, self.policy)
        due = [
            item.job.key
            for item in jobs
            if item.details_due or (self.policy.refresh and item.details)
        ]
        # The follow-up looks up a few jobs by name, which takes fewer calls than a window.
        worth_a_window = len(due) >= self.scope.sizes.page or (self.policy.refresh and due)
        if not (self.scope.options.details and worth_a_window):
            return jobs
        details = self.scope.jobs.merge(self.scope.lookup.details_of_window(due), self.policy)
        _log.info(
            "details of the window",
            extra={**self.scope.ledger.log_fields, "due": len(due), "found": len(details)},
        )
        by_key = {item.job.key: item for item in (*jobs, *details)}
        return list(by_key.values())


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
