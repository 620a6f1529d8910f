"""Syncs one scope: plans a listing, reads it, commits its batches, looks up the rest, commits.

`plan` and `merge` make every decision that needs no I/O. No connection to the database is open
during a call to the service.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from exporter.config.labels import LabelRules
from exporter.config.model import SyncOptions
from exporter.sagemaker.api import Api
from exporter.sagemaker.rows import JobKey, JobRow
from exporter.sagemaker.service import known_by
from exporter.store.scopes import Run, ScopeKey, ScopeState
from exporter.syncing import plan
from exporter.syncing.follow_up import FollowUp, Listed
from exporter.syncing.ledger import RunLedger
from exporter.syncing.listing import ListingReader
from exporter.syncing.lookup import JobLookup
from exporter.syncing.merge import Merged, MergePolicy, Observed, Stored, merge_batch
from exporter.syncing.plan import Listing
from exporter.syncing.progress import Clock, Progress, Quiet
from exporter.syncing.records import Records, ScopeView
from exporter.syncing.sizes import DEFAULT_SIZES, Sizes
from exporter.syncing.stopping import Interrupted, Stop

_log = logging.getLogger(__name__)


class _Batch(NamedTuple):
    """Answers of a listing that are committed together, and how far it has come with them."""

    reached: Listing
    answers: list[Observed]
    is_last: bool


@dataclass(eq=False)
class Worker:
    """One scope of one sync.

    Attributes:
        api: The calls of the scope.
        records: The database.
        options: What the user asked for.
        rules: Families and teams.
        run_ids: Returns the id of the next run of the ledger.
        notify: Called with what the user should know.
        progress: Shows the progress of the scope.
        clock: The clocks of this machine.
        stop: Raises between two pages if the run has to stop.
        sizes: How much is done in one step.
        lookup: The lookups of the scope; they remember what the identity may not call.
        ledger: The ledger of the scope.
    """

    api: Api
    records: Records
    options: SyncOptions
    rules: LabelRules
    run_ids: Callable[[], str]
    notify: Callable[[str], None]
    progress: Progress = field(default_factory=Quiet)
    clock: Clock = field(default_factory=Clock)
    stop: Stop = field(default_factory=Stop)
    sizes: Sizes = DEFAULT_SIZES
    lookup: JobLookup = field(init=False)
    ledger: RunLedger = field(init=False)

    def __post_init__(self) -> None:
        self.lookup = JobLookup(
            self.api, now=self._server_time, notify=self.notify, page_size=self.sizes.page
        )
        self.ledger = RunLedger(self.api, self.records, run_ids=self.run_ids, now=self.clock.now)

    @property
    def key(self) -> ScopeKey:
        """The scope."""
        return ScopeKey(self.api.account_id, self.api.region)

    @property
    def runs(self) -> Sequence[Run]:
        """Rows of sync_runs, one per listing; the last one may be unfinished."""
        return self.ledger.runs

    def run(self, view: ScopeView | None = None) -> None:
        """Bring the scope up to date.

        Args:
            view: The scope as it is stored; None = it has not been read.

        Raises:
            ExporterError: The scope could not be completed. What was committed stays, and the
                ledger and the scope say what stopped it.
        """
        try:
            while True:
                view = view or self.records.scope(self.key)
                listing = plan.next_listing(
                    view.state,
                    self.options,
                    view.open_jobs,
                    self.lookup.capabilities,
                    self.sizes.page,
                )
                self._sync_listing(view, listing)
                if not plan.needs_another(listing, resumed=listing.started):
                    return
                view = None
        except BaseException as error:  # also Interrupted, which is not an Exception
            self.ledger.close(error)
            raise
        finally:
            self.progress.finished(self.key)

    def abandon(self) -> None:
        """Close the ledger of an interrupted run whose thread has not done so."""
        self.ledger.close(Interrupted())

    def _sync_listing(self, view: ScopeView, listing: Listing) -> None:
        self._begin(view.state, listing)
        policy = MergePolicy(
            account_id=self.key.account_id,
            rules=self.rules,
            verify=listing.verifies and listing.mode != "incremental",
            refresh=listing.mode == "full" or self.options.refresh_tags,
        )
        reader = ListingReader(
            self.api,
            check=self.stop.check,
            count=self.ledger.add_page,
            page_size=self.sizes.page,
            log_fields=self.ledger.log_fields,
        )
        listed, merged = self._read(reader, view, listing, policy)
        if merged:
            # The listing is kept before jobs are looked up; a sync without news commits once.
            self.ledger.commit(None if listing.is_one_off else listed.state, merged)
        follow_up = FollowUp(
            key=self.key,
            records=self.records,
            options=self.options,
            policy=policy,
            lookup=self.lookup,
            reader=reader,
            ledger=self.ledger,
            notify=self.notify,
            progress=self.progress,
            now=self._server_time,
            sizes=self.sizes,
        )
        self._complete(listed, follow_up.run(listed))

    def _begin(self, state: ScopeState, listing: Listing) -> None:
        self.ledger.begin(listing, state.watermark)
        if listing.mode == "backfill" and listing.created_after and not listing.started:
            self.notify(
                f"Jobs created before {listing.created_after:%Y-%m-%d %H:%MZ} are left out, even "
                "if they are still running. An earlier --since lists them."
            )
        _log.info(
            "listing",
            extra={
                **self.ledger.log_fields,
                "mode": listing.mode,
                "reason": listing.reason,
                "created_after": listing.created_after,
                "created_before": listing.created_before,
                "modified_after": listing.modified_after,
                "position": listing.position,
                "watermark": state.watermark,
            },
        )

    def _read(
        self, reader: ListingReader, view: ScopeView, listing: Listing, policy: MergePolicy
    ) -> tuple[Listed, list[Merged]]:
        """Read a listing, and commit each batch but the last.

        Returns:
            The result of the listing, and the jobs of its last batch, which are not committed yet.
        """
        first, state, newest = listing, view.state, view.newest
        answered: set[JobKey] = set()
        details_due: set[JobKey] = set()
        merged: list[Merged] = []
        for reached, answers, is_last in self._batches(reader, listing):
            merged, listing = self._merge(answers, newest, policy), reached
            for answer in answers:
                newest = max(newest or answer.job.creation_time, answer.job.creation_time)
            answered |= {item.stored.job.key for item in merged if item.stored.open_reason}
            if first.is_one_off:
                details_due |= {item.stored.job.key for item in merged if item.stored.details_due}
            if merged or not is_last:
                state = state if first.is_one_off else plan.progressed(state, listing)
            if not is_last:
                self.ledger.commit(None if first.is_one_off else state, merged)
        listed = Listed(
            first, listing, state, frozenset(answered), frozenset(details_due), view.pending
        )
        return listed, merged

    def _batches(self, reader: ListingReader, listing: Listing) -> Iterator[_Batch]:
        """Yield the batches of a listing; the last one may be empty."""
        answers: list[Observed] = []
        since = self.clock.monotonic()
        before: Sequence[JobRow] = ()
        for listed in reader.pages(listing):
            rows = listed.page.rows
            as_of = known_by(listed.page.as_of, rows)
            answers += [Observed(row, as_of) for row in _news(rows, before, listing.position)]
            listing, before = listed.reached, rows or before
            run = self.ledger.run
            self.progress.listing(self.key, listing, run.jobs_seen, run.pages)
            too_old = self.clock.monotonic() - since >= self.sizes.batch_seconds
            if len(answers) >= self.sizes.batch_rows or too_old:
                yield _Batch(listing, answers, is_last=False)
                answers, since = [], self.clock.monotonic()
        yield _Batch(listing, answers, is_last=True)

    def _merge(
        self, answers: Sequence[Observed], newest: datetime | None, policy: MergePolicy
    ) -> list[Merged]:
        """Merge a batch of a listing, with its details if a window of Search is worth the call."""
        known = self._known(answers, newest)
        merged = merge_batch(known, answers, policy)
        due = [
            item.stored.job.key
            for item in merged
            if item.stored.details_due or (policy.refresh and item.stored.details)
        ]
        # A few jobs are looked up by name afterwards instead.
        worth_a_window = len(due) >= self.sizes.page or (policy.refresh and due)
        if not (self.options.details and worth_a_window):
            return merged
        details = list(self.lookup.details_of_window(due))
        _log.info(
            "details of the window",
            extra={**self.ledger.log_fields, "due": len(due), "found": len(details)},
        )
        return merge_batch(known, [*answers, *details], policy)

    def _known(self, answers: Iterable[Observed], newest: datetime | None) -> dict[JobKey, Stored]:
        """Return what is stored of a batch; jobs newer than any stored one are not looked for."""
        keys = (answer.job.key for answer in answers)
        return self.records.known(
            key for key in keys if newest is not None and key.creation_time <= newest
        )

    def _complete(self, listed: Listed, merged: Sequence[Merged]) -> None:
        if listed.first.is_one_off:
            self.ledger.commit(None, merged, complete=True)
            return
        if listed.last.began_at is None:
            self.notify(
                f"{self.key}: the Date header of the service is missing or wrong; "
                "the watermark stays where it is."
            )
        state = plan.completed(listed.state, listed.last, self.api.server_time())
        self.ledger.commit(state, merged, complete=True)

    def _server_time(self) -> datetime:
        return self.api.server_time() or self.clock.now()


def _news(
    rows: Sequence[JobRow], before: Sequence[JobRow], position: datetime | None
) -> Iterator[JobRow]:
    """Yield the rows of a page that the page before did not have.

    A page begins at the second of the last creation time, so it repeats the jobs of that second.
    A batch would begin with jobs that are stored already, and read them from the file.
    """
    for row in rows:
        if position is None or row.creation_time > position or row not in before:
            yield row
