"""Syncs one scope: plans a listing, reads it, commits its batches, looks up the rest, commits.

`plan` and `merge` make every decision that needs no I/O. No connection to the database is open
during a call to the service.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exporter.config.labels import LabelRules
from exporter.config.model import SyncOptions
from exporter.sagemaker.api import Api
from exporter.sagemaker.rows import JobKey
from exporter.store.scopes import Run, ScopeKey, ScopeState
from exporter.syncing import plan
from exporter.syncing.batches import BatchReader
from exporter.syncing.follow_up import FollowUp, Listed
from exporter.syncing.ledger import RunLedger
from exporter.syncing.listing import ListingReader
from exporter.syncing.lookup import JobLookup
from exporter.syncing.merge import Merged, MergePolicy
from exporter.syncing.plan import Listing
from exporter.syncing.progress import Clock, Progress, Quiet
from exporter.syncing.records import Records, ScopeView
from exporter.syncing.sizes import DEFAULT_SIZES, Sizes
from exporter.syncing.stopping import Interrupted, Stop

_log = logging.getLogger(__name__)


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
        batches = BatchReader(
            reader=reader,
            records=self.records,
            lookup=self.lookup,
            policy=policy,
            ledger=self.ledger,
            progress=self._show_progress,
            monotonic=self.clock.monotonic,
            sizes=self.sizes,
            details=self.options.details,
        )
        listed = self._read(batches, view, listing)
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

    def _read(self, batches: BatchReader, view: ScopeView, listing: Listing) -> Listed:
        """Read a listing and commit its batches."""
        last, state = listing, view.state
        answered: set[JobKey] = set()
        details_due: set[JobKey] = set()
        for batch in batches.batches(listing, view.newest):
            last = batch.reached
            answered |= batch.answered
            if listing.is_one_off:
                details_due |= batch.details_due
            if batch.merged or not batch.is_last:
                # An empty last batch waits for the completion: a sync without news commits once.
                state = plan.progressed(state, last)
                self.ledger.commit(None if listing.is_one_off else state, batch.merged)
        return Listed(
            listing, last, state, frozenset(answered), frozenset(details_due), view.pending
        )

    def _show_progress(self, listing: Listing) -> None:
        run = self.ledger.run
        self.progress.listing(self.key, listing, run.jobs_seen, run.pages)

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
