"""Runs one scope: plans, fetches, merges, commits, advances.

Nothing is decided here that `plan` or `merge` could decide, and no connection to the database is
open while the service is asked.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from exporter.config.labels import LabelRules
from exporter.config.model import SyncOptions
from exporter.errors import BusyError, ExporterError
from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import InvalidRequest, RegionNotEnabled
from exporter.sagemaker.rows import JobKey, JobRow
from exporter.sagemaker.service import PAGE, ListRequest, Page, known_by, list_page
from exporter.store.scopes import Run, ScopeKey, ScopeState
from exporter.syncing import plan
from exporter.syncing.lookup import Asker, Gone, Reply, Wanted
from exporter.syncing.merge import (
    Merged,
    MergePolicy,
    Observed,
    Stored,
    mark_deleted,
    merge_batch,
    waits_until,
)
from exporter.syncing.plan import Listing
from exporter.syncing.progress import Clock, Progress, Quiet
from exporter.syncing.records import Commit, Records, ScopeView
from exporter.syncing.stopping import Interrupted, Stop

_log = logging.getLogger(__name__)

#: A batch is committed when it holds this many rows or is this old, so that a kill costs little.
BATCH_ROWS: Final = 8_000
BATCH_SECONDS: Final = 30.0
#: Jobs asked for by name between two commits.
ASK_ROWS: Final = 500
#: Describes of one run that only fetch details still missing, where Search is denied: enough
#: for any day's jobs, and a backfill's rest comes over the next runs.
DETAILS_A_RUN: Final = 2_000


@dataclass(eq=False)
class Worker:
    """One scope of one sync.

    Attributes:
        api: Its calls.
        records: The database.
        options: What was asked for.
        rules: Families and teams.
        run_ids: Gives the ledger's next run id.
        notify: Told what the user should know; the same thing once.
        progress: Told how it is getting on.
        clock: This machine's clocks.
        stop: Says when to stop.
        view: The scope as it is stored, where that is known already.
        runs: The ledger's rows so far, the last one perhaps unfinished.
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
    view: ScopeView | None = None
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = ScopeKey(self.api.account_id, self.api.region)
        self._asker = Asker(self.api, now=self._server_time, notify=self.notify)
        self._sure: set[JobKey] = set()
        self._found: set[JobKey] = set()
        self._newest: datetime | None = None
        self._pending = False
        self._whole = False
        self._resumed = False

    def run(self) -> None:
        """Bring the scope up to date.

        Raises:
            ExporterError: It could not be completed; what was committed stays, and the ledger
                and the scope say what stopped it.
        """
        try:
            while True:
                view = self.view or self.records.scope(self.key)
                state, self.view = view.state, None
                self._newest, self._pending = view.newest, view.pending
                listing = plan.next_listing(state, self.options, view.open_jobs, self._asker.means)
                self._begin(state, listing)
                self._list(state, listing)
                if not plan.needs_another(listing, resumed=self._resumed):
                    return
        except BaseException as error:  # also Interrupted, which is no Exception
            self._close_ledger(error)
            raise
        finally:
            self.progress.finished(self.key)

    def abandon(self) -> None:
        """Close the ledger of a run that was interrupted and whose thread has not done so."""
        self._close_ledger(Interrupted())

    # -- one listing ------------------------------------------------------------------------

    def _begin(self, state: ScopeState, listing: Listing) -> None:
        self._sure.clear()
        self._found.clear()
        # As it begins: a listing may drop its filter on the way, and was filtered before that.
        self._whole = listing.verifies
        self._resumed = listing.started
        self._calls_before = self.api.counts.snapshot()
        self.runs.append(
            Run(
                run_id=self.run_ids(),
                account_id=self.key.account_id,
                region=self.key.region,
                mode=listing.mode,
                started_at=self.clock.now(),
                watermark_before=state.watermark,
                watermark_after=state.watermark,
                plan=listing.reason,
            )
        )
        if listing.mode == "backfill" and listing.created_after and not listing.started:
            self.notify(
                f"Jobs created before {listing.created_after:%Y-%m-%d %H:%MZ} are left out, also "
                "where they still run; an earlier --since lists them."
            )
        self._tell(
            "listing",
            mode=listing.mode,
            reason=listing.reason,
            created_after=listing.created_after,
            created_before=listing.created_before,
            modified_after=listing.modified_after,
            position=listing.position,
            watermark=state.watermark,
        )

    def _list(self, state: ScopeState, listing: Listing) -> None:
        batch: list[tuple[datetime, JobRow]] = []
        since = self.clock.monotonic()
        before: Sequence[JobRow] = ()
        for reached, page in self._pages(listing):
            as_of = known_by(page.as_of, page.rows)
            batch.extend((as_of, row) for row in _news(page.rows, before, listing.position))
            listing, before = reached, page.rows or before
            self.progress.listing(self.key, listing, self._run.jobs_seen, self._run.pages)
            if len(batch) >= BATCH_ROWS or self.clock.monotonic() - since >= BATCH_SECONDS:
                state = self._keep(state, listing, batch)
                batch, since = [], self.clock.monotonic()
        self._keep(state, listing, batch, last=True)

    def _pages(self, listing: Listing, *, sure: bool = True) -> Iterator[tuple[Listing, Page]]:
        """The pages of a listing, each with how far the listing has come with it.

        Where pages had to be asked for by token, `sure` lists what they cover again before it is
        left behind.
        """
        request: ListRequest | None = plan.first_request(listing)
        shown: set[JobKey] = set()
        rejected = 0
        while request is not None:
            self.stop.check()
            try:
                page = list_page(self.api, request)
            except InvalidRequest:
                # A token that is not taken any more: go on from the last creation time instead.
                rejected += 1
                if request.token is None or rejected > 3:
                    raise
                request = plan.first_request(listing)
                self._tell("token refused", goes_on_from=listing.position)
                continue
            reached, following = plan.advance(listing, request, page)
            self._count(page)
            self._tell(
                "page",
                page=self._run.pages,
                jobs=len(page.rows),
                by="token" if request.token else "creation time",
                reached=reached.position,
                more=following is not None,
            )
            if request.token is None:
                shown.clear()
            shown.update(row.key for row in page.rows)
            if sure and (doubtful := plan.doubtful(reached, request, following)):
                for again in self._looks(doubtful, shown):
                    yield listing, again
            yield reached, page
            listing, request = reached, following

    def _looks(self, listing: Listing, shown: set[JobKey]) -> Iterator[Page]:
        """The pages of a listing, until a look shows all that the look before it showed.

        Only the deletion of a job that was shown already can hide another one, so from then on
        nothing was hidden.
        """
        for _ in range(plan.LOOKS):
            before, shown = shown, set()
            for _, page in self._pages(listing, sure=False):
                shown.update(row.key for row in page.rows)
                yield page
            if before <= shown:
                return

    def _keep(
        self,
        state: ScopeState,
        listing: Listing,
        batch: Sequence[tuple[datetime, JobRow]],
        *,
        last: bool = False,
    ) -> ScopeState:
        """Commit a batch; after the last page also what had to be asked, and the watermark."""
        answers = [Observed(row, as_of) for as_of, row in batch]
        known = self._known(answers)
        merged = self._merge(known, answers, listing)
        if self.options.details and (due := self._due(merged, listing)):
            details = list(self._asker.details_of_window(due))
            self._tell("details of the page's window", due=len(due), found=len(details))
            merged = self._merge(known, answers + details, listing)
        self._sure.update(item.stored.job.key for item in merged if _is_watched(item.stored))
        one_off = listing.mode == "filter"
        if one_off:
            self._found.update(item.stored.job.key for item in merged if item.stored.details_due)
        if not last:
            state = state if one_off else plan.progressed(state, listing)
            self._commit(None if one_off else state, merged)
            return state
        if merged:
            # What was listed is kept before others are asked for; a no-op sync commits once.
            state = state if one_off else plan.progressed(state, listing)
            self._commit(None if one_off else state, merged)
            merged = []
        merged += self._ask_the_rest(listing)
        if listing.mode == "full":
            merged += self._find_deleted(listing)
        elif self.options.refresh_tags and not one_off:
            merged += self._refresh_tags(listing)
        return self._complete(state, listing, merged)

    def _complete(
        self, state: ScopeState, listing: Listing, merged: Sequence[Merged]
    ) -> ScopeState:
        if listing.mode == "filter":
            self._commit(None, merged, outcome="complete")
            return state
        if listing.began_at is None:
            self.notify(
                f"{self.key}: the service's Date header is missing or wrong; "
                "the watermark stays where it is."
            )
        state = plan.completed(state, listing, self.api.server_time())
        self._run = replace(self._run, watermark_after=state.watermark)
        self._commit(state, merged, outcome="complete")
        return state

    def _known(self, answers: Sequence[Observed]) -> dict[JobKey, Stored]:
        """What is stored of a batch; jobs newer than any that is stored need no look."""
        keys = [answer.job.key for answer in answers]
        newest = self._newest
        if keys:
            self._newest = max(key.creation_time for key in keys)
            self._newest = max(self._newest, newest or self._newest)
        return self.records.known(
            key for key in keys if newest is not None and key.creation_time <= newest
        )

    def _due(self, merged: Iterable[Merged], listing: Listing) -> list[JobKey]:
        """Jobs of a batch whose details are worth a window of Search; few are asked by name."""
        due = [
            item.stored.job.key
            for item in merged
            if item.stored.details_due or (self._refreshes(listing) and item.stored.details)
        ]
        return due if len(due) >= PAGE or self._refreshes(listing) else []

    def _refreshes(self, listing: Listing) -> bool:
        return listing.mode == "full" or self.options.refresh_tags

    # -- what no listing tells --------------------------------------------------------------

    def _ask_the_rest(self, listing: Listing) -> list[Merged]:
        """Ask for open jobs that the listing did not return, and for details that are due.

        A one-off asks only for the details of what it found, and deletes nothing.

        Returns the last answers, not committed yet.
        """
        if listing.mode == "filter":
            if not (self._found and self.options.details):
                return []
        elif listing.mode == "extend" or not (self._pending or self._run.jobs_seen):
            return []
        wanted = self._wanted(listing)
        kept: list[Merged] = []
        unanswered = {item.key: item for item in wanted if item.open}
        for done in range(0, len(wanted), ASK_ROWS):
            if kept:
                self._commit(None, kept)
            self.progress.asking(self.key, done, len(wanted))
            group = wanted[done : done + ASK_ROWS]
            kept = self._answers(group, listing)
            for item in kept:
                unanswered.pop(item.stored.job.key, None)
        if unanswered:
            kept += self._list_unanswered(list(unanswered.values()), listing)
        return kept

    def _wanted(self, listing: Listing) -> list[Wanted]:
        now = self._server_time()
        stored = self.records.to_ask(self.key, details=self.options.details)
        if listing.mode == "filter":
            stored = [item for item in stored if item.job.key in self._found]
        wanted = []
        for item in stored:
            key = item.job.key
            needs_answer = item.open_reason is not None and key not in self._sure
            until = waits_until(item)
            if needs_answer or (item.details_due and self.options.details):
                closes = until is not None and until <= now
                # Verified in the future: a Date ran ahead, and Search would seem to be older.
                ahead = item.verified_at is not None and item.verified_at > now + plan.TOLERANCE
                wanted.append(Wanted(item, needs_answer, needs_answer and (closes or ahead)))
        if not self._asker.means.search:
            only_details = [item for item in wanted if not item.open]
            if len(only_details) > DETAILS_A_RUN:
                self.notify(
                    f"{self.key.account_id}: without Search, the details of {DETAILS_A_RUN:,} jobs "
                    "a region come with each sync; `status` counts what is missing."
                )
            # The newest first: they are what reports look at.
            wanted = [item for item in wanted if item.open] + only_details[-DETAILS_A_RUN:]
        return wanted

    def _answers(self, wanted: Sequence[Wanted], listing: Listing) -> list[Merged]:
        known = {item.key: item.stored for item in wanted}
        replies = list(self._asker.ask(wanted))
        observed = [reply for reply in replies if isinstance(reply, Observed)]
        self._tell(
            "asked by name",
            jobs=len(wanted),
            open=sum(item.open for item in wanted),
            by_search=sum(not answer.sure for answer in observed),
            by_describe=sum(answer.sure for answer in observed),
            gone=len(replies) - len(observed),
        )
        return self._take(known, replies, listing)

    def _take(
        self, known: dict[JobKey, Stored], replies: Sequence[Reply], listing: Listing
    ) -> list[Merged]:
        answers = [reply for reply in replies if isinstance(reply, Observed)]
        merged = self._merge(known, answers, listing)
        after = {item.stored.job.key: item.stored for item in merged}
        gone = [
            Merged(
                mark_deleted(after.get(reply.key, known[reply.key]), reply.at),
                history=(),
                is_new=False,
                changed=False,
                write_job=True,
                write_details=False,
            )
            for reply in replies
            if isinstance(reply, Gone) and listing.mode != "filter"
        ]
        vanished = {item.stored.job.key for item in gone}
        self._run = replace(self._run, jobs_deleted=self._run.jobs_deleted + len(gone))
        return [item for item in merged if item.stored.job.key not in vanished] + gone

    def _list_unanswered(self, open_jobs: Sequence[Wanted], listing: Listing) -> list[Merged]:
        """Search does not show them and Describe may not be asked: list their window whole.

        What it lacks is gone: nothing is filtered out of it, and it was known before.
        """
        missing = [item.key for item in open_jobs]
        covered = self._whole and (
            listing.created_after is None
            or listing.created_after <= min(key.creation_time for key in missing)
        )
        if covered and self._resumed:
            # What it showed before the interruption is not known any more; another one follows.
            return []
        answers = [] if covered else self._window_of(missing)
        shown = {answer.job.key for answer in answers}
        missing = [key for key in missing if key not in shown]
        now = self._server_time()
        known = self.records.known([*shown, *missing])
        return self._take(known, [*answers, *(Gone(key, now) for key in missing)], listing)

    def _window_of(self, keys: Sequence[JobKey]) -> list[Observed]:
        """Every job created between the first and the last of them."""
        times = [key.creation_time for key in keys]
        window = Listing(
            "incremental",
            created_after=min(times),
            created_before=max(times) + timedelta(seconds=1),
            reason=f"their window from {min(times):%Y-%m-%d %H:%M:%SZ}",
        )
        self._run = replace(self._run, plan=f"{self._run.plan}; then {window.reason}")
        answers = []
        for _, page in self._pages(window):
            as_of = known_by(page.as_of, page.rows)
            answers += [Observed(row, as_of) for row in page.rows]
        return answers

    def _find_deleted(self, listing: Listing) -> list[Merged]:
        """Jobs that a full listing should have shown and did not: Describe says which are gone."""
        if listing.began_at is None:
            return []
        unseen = self.records.unseen(self.key, listing.began_at, listing.created_after)
        kept: list[Merged] = []
        for done in range(0, len(unseen), ASK_ROWS):
            if kept:
                self._commit(None, kept)
            group = unseen[done : done + ASK_ROWS]
            kept = self._answers([Wanted(item, open=True, sure=True) for item in group], listing)
        return kept

    def _refresh_tags(self, listing: Listing) -> list[Merged]:
        """Read the details of every job again, by Search pages: tags change without a trace."""
        if not self._asker.means.search:
            self.notify(f"{self.key.account_id}: tags cannot be refreshed without Search.")
            return []
        kept: list[Merged] = []
        for keys in self.records.living(self.key, BATCH_ROWS):
            if kept:
                self._commit(None, kept)
            answers = list(self._asker.details_of_window(keys))
            kept = self._merge(self.records.known(keys), answers, listing)
        return kept

    # -- the ledger -------------------------------------------------------------------------

    def _merge(
        self, known: dict[JobKey, Stored], answers: Sequence[Observed], listing: Listing
    ) -> list[Merged]:
        policy = MergePolicy(
            account_id=self.key.account_id,
            rules=self.rules,
            verify=listing.verifies and listing.mode != "incremental",
            refresh=self._refreshes(listing),
        )
        return merge_batch(known, answers, policy)

    @property
    def _run(self) -> Run:
        return self.runs[-1]

    @_run.setter
    def _run(self, run: Run) -> None:
        self.runs[-1] = run

    def _count(self, page: Page) -> None:
        run = self._run
        self._run = replace(
            run,
            pages=run.pages + 1,
            empty_pages=run.empty_pages + (not page.rows and page.next_token is not None),
            jobs_seen=run.jobs_seen + len(page.rows),
        )

    def _commit(
        self, state: ScopeState | None, merged: Sequence[Merged], *, outcome: str = "running"
    ) -> None:
        run = self._with_counts(self._run)
        run = replace(
            run,
            jobs_inserted=run.jobs_inserted + sum(item.is_new for item in merged),
            jobs_changed=run.jobs_changed + sum(item.changed for item in merged),
            outcome=outcome,
            ended_at=None if outcome == "running" else self.clock.now(),
        )
        self.records.commit(Commit(run, state, merged))
        self._run = run
        self._tell(
            "committed",
            rows=len(merged),
            inserted=run.jobs_inserted,
            changed=run.jobs_changed,
            deleted=run.jobs_deleted,
            calls=", ".join(f"{name} {number}" for name, number in json.loads(run.calls).items()),
            watermark=run.watermark_after,
            outcome=outcome,
        )

    def _tell(self, event: str, **figures: object) -> None:
        _log.info(event, extra={"scope": str(self.key), "run_id": self._run.run_id, **figures})

    def _with_counts(self, run: Run) -> Run:
        calls, throttles = self.api.counts.since(self._calls_before)
        return replace(run, calls=json.dumps(calls, sort_keys=True), throttles=throttles)

    def _close_ledger(self, error: BaseException) -> None:
        """Say in the ledger and the scope what stopped the run, if the database still takes it."""
        if not self.runs or self._run.outcome != "running":
            return
        interrupted = not isinstance(error, Exception)
        if isinstance(error, BusyError):
            # It has waited for the file already; what it has to say now is not worth as much again.
            self.records.hurry(0)
        text = error.text if isinstance(error, ExporterError) else type(error).__name__
        run = replace(
            self._with_counts(self._run),
            outcome="interrupted" if interrupted else "failed",
            ended_at=self.clock.now(),
            # Where the last commit is what failed, it had been moved already.
            watermark_after=self._run.watermark_before,
            error="interrupted" if interrupted else text,
        )
        self._run = run
        try:
            state = None
            if self._run.mode != "filter" and not interrupted:
                state = self.records.scope(self.key).state
                if isinstance(error, RegionNotEnabled) and state == ScopeState(*self.key):
                    # Nothing was ever there: no scope that status would call stale for ever.
                    self.records.commit(Commit(run, None))
                    return
                state = replace(state, last_error=text, failing_runs=(state.failing_runs or 0) + 1)
            self.records.commit(Commit(run, state))
        except ExporterError:
            # The database itself is what failed; the first error says so.
            return

    def _server_time(self) -> datetime:
        return self.api.server_time() or self.clock.now()


def _is_watched(stored: Stored) -> bool:
    return stored.open_reason is not None


def _news(
    rows: Sequence[JobRow], before: Sequence[JobRow], position: datetime | None
) -> Iterator[JobRow]:
    """What a page says that the page before did not.

    Each goes on from the second of the last creation time, and so repeats the jobs of that
    second; a batch would begin with jobs that are stored already, and look them up in the file.
    """
    for row in rows:
        if position is None or row.creation_time > position or row not in before:
            yield row
