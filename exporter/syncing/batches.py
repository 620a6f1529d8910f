"""Reads a listing batch by batch, each merged with what is stored of its jobs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.sagemaker.rows import JobKey, JobRow
from exporter.syncing.context import ScopeContext
from exporter.syncing.merge import Merged, MergePolicy, Observed, merge_batch
from exporter.syncing.plan import Listing

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs of a listing that are committed together.

    Attributes:
        reached: The listing after this batch, with its position.
        merged: The jobs.
        is_last: Whether the listing ends with this batch, which may be empty.
    """

    reached: Listing
    merged: Sequence[Merged]
    is_last: bool

    @property
    def answered(self) -> set[JobKey]:
        """Open jobs of the batch: the listing has answered for them."""
        return {item.stored.job.key for item in self.merged if item.stored.open_reason}

    @property
    def details_due(self) -> set[JobKey]:
        """Jobs of the batch whose details are due."""
        return {item.stored.job.key for item in self.merged if item.stored.details_due}


@dataclass(frozen=True, slots=True)
class BatchReader:
    """Reads one listing of one scope.

    Attributes:
        scope: What all steps of the scope share.
        policy: How answers are merged.
    """

    scope: ScopeContext
    policy: MergePolicy

    def batches(self, listing: Listing, newest: datetime | None) -> Iterator[Batch]:
        """Yield the batches of a listing.

        Args:
            listing: The listing.
            newest: Creation time of the newest stored job; the file has no later ones to read.

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
            answers += [Observed(row, as_of) for row in _new_rows(rows, previous, listing.position)]
            listing, previous = step.reached, rows or previous
            run = self.scope.ledger.run
            self.scope.progress.listing(self.scope.key, listing, run.jobs_seen, run.pages)
            too_old = monotonic() - since >= sizes.batch_seconds
            if len(answers) >= sizes.batch_rows or too_old:
                yield Batch(listing, self._merge(answers, newest), is_last=False)
                newest = _newest(answers, newest)
                answers, since = [], monotonic()
        yield Batch(listing, self._merge(answers, newest), is_last=True)

    def _merge(self, answers: Sequence[Observed], newest: datetime | None) -> list[Merged]:
        """Merge a batch; add details if one window of Search is cheaper than lookups."""
        keys = [answer.job.key for answer in answers]
        known = self.scope.records.known(
            key for key in keys if newest is not None and key.creation_time <= newest
        )
        merged = merge_batch(known, answers, self.policy)
        due = [
            item.stored.job.key
            for item in merged
            if item.stored.details_due or (self.policy.refresh and item.stored.details)
        ]
        # The follow-up looks up a few jobs by name, which takes fewer calls than a window.
        worth_a_window = len(due) >= self.scope.sizes.page or (self.policy.refresh and due)
        if not (self.scope.options.details and worth_a_window):
            return merged
        details = list(self.scope.lookup.details_of_window(due))
        _log.info(
            "details of the window",
            extra={**self.scope.ledger.log_fields, "due": len(due), "found": len(details)},
        )
        return merge_batch(known, [*answers, *details], self.policy)


def _newest(answers: Sequence[Observed], newest: datetime | None) -> datetime | None:
    times = [answer.job.creation_time for answer in answers]
    return max([*times, newest] if newest else times, default=None)


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
