"""Reads a listing batch by batch, each merged with what is stored of its jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.sagemaker.rows import JobKey, JobRow
from exporter.sagemaker.service import known_by
from exporter.syncing.ledger import RunLedger
from exporter.syncing.listing import ListingReader
from exporter.syncing.lookup import JobLookup
from exporter.syncing.merge import Merged, MergePolicy, Observed, merge_batch
from exporter.syncing.plan import Listing
from exporter.syncing.records import Records
from exporter.syncing.sizes import Sizes

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs of a listing that are committed together.

    Attributes:
        reached: How far the listing has come with them.
        merged: The jobs.
        is_last: Whether the listing ends with this batch, which may be empty.
    """

    reached: Listing
    merged: Sequence[Merged]
    is_last: bool

    @property
    def answered(self) -> set[JobKey]:
        """Open jobs of the batch."""
        return {item.stored.job.key for item in self.merged if item.stored.open_reason}

    @property
    def details_due(self) -> set[JobKey]:
        """Jobs of the batch whose details are due."""
        return {item.stored.job.key for item in self.merged if item.stored.details_due}


@dataclass(frozen=True, slots=True)
class BatchReader:
    """Reads one listing of one scope.

    Attributes:
        reader: Reads the pages.
        records: The database.
        lookup: The lookups of the scope, for details of a whole batch.
        policy: How answers are merged.
        ledger: The ledger of the scope.
        progress: Called after each page with how far the listing has come.
        monotonic: Seconds on a clock that never goes back.
        sizes: When a batch is full.
        details: Whether details are kept.
    """

    reader: ListingReader
    records: Records
    lookup: JobLookup
    policy: MergePolicy
    ledger: RunLedger
    progress: Callable[[Listing], None]
    monotonic: Callable[[], float]
    sizes: Sizes
    details: bool

    def batches(self, listing: Listing, newest: datetime | None) -> Iterator[Batch]:
        """Yield the batches of a listing.

        Args:
            listing: The listing.
            newest: Creation time of the newest stored job; later ones are not looked for.

        Raises:
            ExporterError: The service or the database failed.
        """
        answers: list[Observed] = []
        since = self.monotonic()
        before: Sequence[JobRow] = ()
        for listed in self.reader.pages(listing):
            rows = listed.page.rows
            as_of = known_by(listed.page.as_of, rows)
            answers += [Observed(row, as_of) for row in _news(rows, before, listing.position)]
            listing, before = listed.reached, rows or before
            self.progress(listing)
            too_old = self.monotonic() - since >= self.sizes.batch_seconds
            if len(answers) >= self.sizes.batch_rows or too_old:
                yield Batch(listing, self._merge(answers, newest), is_last=False)
                newest = _latest(answers, newest)
                answers, since = [], self.monotonic()
        yield Batch(listing, self._merge(answers, newest), is_last=True)

    def _merge(self, answers: Sequence[Observed], newest: datetime | None) -> list[Merged]:
        """Merge a batch, with its details if reading them from a window of Search is worth it."""
        keys = [answer.job.key for answer in answers]
        known = self.records.known(
            key for key in keys if newest is not None and key.creation_time <= newest
        )
        merged = merge_batch(known, answers, self.policy)
        due = [
            item.stored.job.key
            for item in merged
            if item.stored.details_due or (self.policy.refresh and item.stored.details)
        ]
        # A few jobs are looked up by name afterwards instead.
        worth_a_window = len(due) >= self.sizes.page or (self.policy.refresh and due)
        if not (self.details and worth_a_window):
            return merged
        details = list(self.lookup.details_of_window(due))
        _log.info(
            "details of the window",
            extra={**self.ledger.log_fields, "due": len(due), "found": len(details)},
        )
        return merge_batch(known, [*answers, *details], self.policy)


def _latest(answers: Sequence[Observed], newest: datetime | None) -> datetime | None:
    times = [answer.job.creation_time for answer in answers]
    return max([*times, newest] if newest else times, default=None)


def _news(
    rows: Sequence[JobRow], before: Sequence[JobRow], position: datetime | None
) -> Iterator[JobRow]:
    """Yield the rows of a page that the page before did not have.

    A page begins at the second of the last creation time, so it repeats the jobs of that second.
    Otherwise a batch would begin with stored jobs, which would have to be read from the file.
    """
    for row in rows:
        if position is None or row.creation_time > position or row not in before:
            yield row
