"""Syncs one scope.

1. `plan` chooses a listing.
2. `BatchReader` reads it, and the worker commits each batch.
3. `FollowUp` looks up what the listing did not show.
4. The worker commits the last lookups together with the new watermark.

`plan` and `merge` decide without I/O. No connection to the database waits for a call to AWS.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from exporter.config.labels import LabelRules
from exporter.config.model import SyncOptions
from exporter.errors import ExporterError, StoreError
from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import RegionNotEnabled
from exporter.sagemaker.rows import JobKey
from exporter.spelling import named
from exporter.store.scopes import Run, ScopeState
from exporter.syncing import plan
from exporter.syncing.ahead import Spawn, in_background
from exporter.syncing.batches import BatchReader
from exporter.syncing.context import ScopeContext
from exporter.syncing.follow_up import FollowUp, ListingResult
from exporter.syncing.ledger import RunLedger
from exporter.syncing.listing import ListingReader
from exporter.syncing.lookup import JobLookup
from exporter.syncing.merge import MergePolicy
from exporter.syncing.plan import Listing
from exporter.syncing.progress import Clock, Progress, Quiet
from exporter.syncing.quotas import refresh_quotas
from exporter.syncing.records import Records, ScopeView
from exporter.syncing.remaining import Remaining
from exporter.syncing.sizes import DEFAULT_SIZES, Sizes
from exporter.syncing.stopping import STOPPED, Interrupted, Stop
from exporter.syncing.uncommitted import Uncommitted
from exporter.text import counted

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Worker:
    """Syncs one scope.

    Attributes:
        api: The calls of the scope.
        records: The database.
        options: What the user asked for.
        rules: Families and teams.
        run_ids: Returns the id of the next run of the ledger.
        notify: Called with what the user should know.
        progress: Shows how far the scope has come.
        clock: The clocks of this machine.
        stop: Checked before each page; raises if the run has to stop.
        sizes: How much is done in one step.
        passed_over: Errors after which a region without data is no scope.
        quotas: Calls of Service Quotas; None = the quotas are not due.
        spawn: Runs the request of the next page of a listing.
        scope: What all steps of the scope share.
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
    passed_over: tuple[type[ExporterError], ...] = (RegionNotEnabled,)
    quotas: Api | None = None
    spawn: Spawn = in_background
    scope: ScopeContext = field(init=False)

    def __post_init__(self) -> None:
        ledger = RunLedger(
            self.api,
            self.records,
            run_ids=self.run_ids,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            passed_over=self.passed_over,
        )
        self.scope = ScopeContext(
            key=ledger.key,
            options=self.options,
            records=self.records,
            jobs=Uncommitted(ledger.key, self.records),
            reader=ListingReader(
                self.api,
                ledger,
                check=self.stop.check,
                page_size=self.sizes.page,
                spawn=self.spawn,
            ),
            lookup=JobLookup(
                self.api, now=self.api.time, notify=self.notify, page_size=self.sizes.page
            ),
            ledger=ledger,
            notify=self.notify,
            remaining=Remaining(
                ledger.key,
                self.progress,
                self.clock.monotonic,
                self._seconds_per_lookup,
                self.sizes.details_per_run,
            ),
            clock=self.clock,
            server_time=self.api.time,
            sizes=self.sizes,
        )

    @property
    def runs(self) -> Sequence[Run]:
        """Rows of sync_runs, one per listing; the last one may be unfinished."""
        return self.scope.ledger.runs

    def run(self, view: ScopeView | None = None) -> None:
        """Bring the scope up to date.

        Args:
            view: The scope as it is stored; None = read it from the database.

        Raises:
            ExporterError: The scope could not be completed. What was committed stays, and the
                ledger and the scope say what stopped it.
        """
        try:
            options = self.options
            while True:
                view = view or self.records.scope(self.scope.key)
                listing = plan.next_listing(
                    view.state,
                    options,
                    view.open_jobs,
                    self.scope.lookup.capabilities,
                    self.sizes.page,
                )
                is_last = not plan.needs_another(listing, resumed=listing.started)
                self._sync_listing(view, listing, is_last=is_last)
                if is_last:
                    return
                if listing.mode == "full":
                    # What an earlier run began is complete now; do not list it a second time.
                    options = replace(options, full=False)
                view = None
        except BaseException as error:  # also Interrupted, which is not an Exception
            if isinstance(error, STOPPED):
                self._keep()
            self.scope.ledger.close(error)
            raise
        finally:
            self.progress.finished(self.scope.key)

    def abandon(self) -> None:
        """Close the ledger of an interrupted run whose thread has not done so."""
        self.scope.ledger.close(Interrupted())

    def _seconds_per_lookup(self) -> float:
        """Return the seconds between two lookups of details after the listing, by their pace."""
        if not self.options.details or self.scope.lookup.capabilities.search:
            return 0.0
        return self.api.seconds_between("DescribeTrainingJob")

    def _keep(self) -> None:
        """Commit what was looked up before the run was stopped."""
        with suppress(StoreError):  # what stopped the run is reported
            if merged := self.scope.jobs.take():
                self.scope.ledger.commit(None, merged)

    def _sync_listing(self, view: ScopeView, listing: Listing, *, is_last: bool) -> None:
        self._begin(view.state, listing)
        self.scope.jobs.newest = view.newest
        self.scope.remaining.begin(pending=view.pending)
        policy = MergePolicy(
            account_id=self.scope.key.account_id,
            rules=self.rules,
            verify=listing.verifies and listing.mode != "incremental",
            refresh=listing.mode == "full" or self.options.refresh_tags,
        )
        result = self._read(BatchReader(self.scope, policy), view, listing)
        FollowUp(self.scope, policy).run(result)
        if is_last and self.quotas is not None:
            # Before the commit that ends the run, so that its row of the ledger has the calls.
            refresh_quotas(self.scope.key, self.quotas, self.records, self.clock, self.scope.notify)
        self._complete(result)
        if skipped := json.loads(self.scope.ledger.run.odd_records).get("skipped"):
            self.notify(
                f"{self.scope.key}: {counted(sum(skipped.values()), 'record')} could not be read "
                f"and {'was' if sum(skipped.values()) == 1 else 'were'} skipped "
                f"({', '.join(skipped)}). Jobs may be missing."
            )

    def _begin(self, state: ScopeState, listing: Listing) -> None:
        self.scope.ledger.begin(listing, state.watermark)
        if listing.mode == "backfill" and listing.created_after and not listing.started:
            self.notify(
                f"Jobs created before {listing.created_after:%Y-%m-%d %H:%MZ} are left out, even "
                f"if they are still running. An earlier {named('since')} lists them."
            )
        _log.info(
            "listing",
            extra={
                **self.scope.ledger.log_fields,
                "mode": listing.mode,
                "reason": listing.reason,
                "created_after": listing.created_after,
                "created_before": listing.created_before,
                "modified_after": listing.modified_after,
                "position": listing.position,
                "watermark": state.watermark,
            },
        )

    def _read(self, reader: BatchReader, view: ScopeView, listing: Listing) -> ListingResult:
        """Read a listing and commit its batches."""
        first, state = listing, view.state
        answered: set[JobKey] = set()
        details_due: set[JobKey] = set()
        for batch in reader.batches(first):
            listing = batch.reached
            answered |= batch.answered
            if listing.is_one_off:
                details_due |= batch.details_due
            merged = self.scope.jobs.take()
            if merged or not batch.is_last:
                # Do not commit a last batch without news: `_complete` commits anyway.
                state = plan.progressed(state, listing)
                self.scope.ledger.commit(None if listing.is_one_off else state, merged)
        return ListingResult(
            first, listing, state, frozenset(answered), frozenset(details_due), view.pending > 0
        )

    def _complete(self, result: ListingResult) -> None:
        """Commit the last lookups and, unless the listing is a one-off, the new watermark."""
        if result.first.is_one_off:
            self.scope.ledger.commit(None, self.scope.jobs.take(), complete=True)
            return
        if result.last.began_at is None:
            self.notify(
                f"{self.scope.key}: the Date header of the service is missing or wrong; "
                "the watermark stays where it is."
            )
        state = plan.completed(result.state, result.last, self.api.time())
        self.scope.ledger.commit(state, self.scope.jobs.take(), complete=True)
