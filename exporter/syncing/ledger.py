"""Keeps the ledger of one scope: a row of sync_runs per listing, with what it counted."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from exporter.errors import BusyError, ExporterError
from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import RegionNotEnabled
from exporter.sagemaker.service import Page
from exporter.store.scopes import Run, ScopeKey, ScopeState
from exporter.syncing.merge import Merged
from exporter.syncing.plan import Listing
from exporter.syncing.records import Commit, Records
from exporter.syncing.stopping import Interrupted

_log = logging.getLogger(__name__)


class RunLedger:
    """The runs of one scope in one sync.

    Args:
        api: The calls of the scope, which are counted.
        records: The database.
        run_ids: Returns the id of the next run.
        now: Returns the time of this machine.
        monotonic: Returns the seconds of a clock that never goes back.
        passed_over: Errors after which a region without data is no scope.

    Attributes:
        key: The scope.
        runs: Rows of sync_runs, one per listing; the last one may be unfinished.
    """

    def __init__(
        self,
        api: Api,
        records: Records,
        *,
        run_ids: Callable[[], str],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        passed_over: tuple[type[ExporterError], ...] = (RegionNotEnabled,),
    ) -> None:
        self._api = api
        self._records = records
        self._run_ids = run_ids
        self._now = now
        self._monotonic = monotonic
        self._committed_at = monotonic()
        self._passed_over = passed_over
        self.key = ScopeKey(api.account_id, api.region)
        self._before = api.counts.snapshot()
        self.runs: list[Run] = []

    @property
    def run(self) -> Run:
        """The current run."""
        return self.runs[-1]

    @property
    def log_fields(self) -> dict[str, object]:
        """Fields of every log line of the current run."""
        return {"scope": str(self.key), "run_id": self.run.run_id}

    @property
    def records_skipped(self) -> int:
        """Records of the current run that say not which job they are about."""
        return self._api.counts.since(self._before).skipped

    @property
    def seconds_since_commit(self) -> float:
        """Seconds since the last commit, or since the run began."""
        return self._monotonic() - self._committed_at

    def begin(self, listing: Listing, watermark: datetime | None) -> None:
        """Begin the run of a listing."""
        self._before = self._api.counts.snapshot()
        self._committed_at = self._monotonic()
        self.runs.append(
            Run(
                run_id=self._run_ids(),
                account_id=self.key.account_id,
                region=self.key.region,
                mode=listing.mode,
                started_at=self._now(),
                watermark_before=watermark,
                watermark_after=watermark,
                plan=listing.reason,
            )
        )

    def add_to_plan(self, reason: str) -> None:
        """Add to the plan of the current run that more is listed than planned, and why."""
        self.runs[-1] = replace(self.run, plan=f"{self.run.plan}; then {reason}")

    def add_page(self, page: Page) -> None:
        """Count a page of ListTrainingJobs."""
        run = self.run
        self.runs[-1] = replace(
            run,
            pages=run.pages + 1,
            empty_pages=run.empty_pages + (not page.rows and page.next_token is not None),
            jobs_seen=run.jobs_seen + len(page.rows),
        )

    def commit(
        self, state: ScopeState | None, merged: Sequence[Merged], *, complete: bool = False
    ) -> None:
        """Commit jobs, the scope and the current run in one transaction.

        Args:
            state: The scope; None if it stays as it is.
            merged: The jobs.
            complete: Whether this completes the run.

        Raises:
            BusyError: Another process kept the file past the lock timeout.
            DatabaseError: The file or the disk failed, or the commit did not take.
            Interrupted: The run was closed while this thread was in a call.
        """
        if self.run.outcome != "running":
            raise Interrupted
        run = self._with_counts(self.run)
        run = replace(
            run,
            jobs_inserted=run.jobs_inserted + sum(item.is_new for item in merged),
            jobs_changed=run.jobs_changed + sum(item.changed for item in merged),
            jobs_deleted=run.jobs_deleted + sum(item.is_deleted for item in merged),
            outcome="complete" if complete else "running",
            ended_at=self._now() if complete else None,
            watermark_after=state.watermark if complete and state else run.watermark_after,
        )
        self._records.commit(Commit(run, state, merged))
        self.runs[-1] = run
        self._committed_at = self._monotonic()
        _log.info(
            "committed",
            extra={
                **self.log_fields,
                "rows": len(merged),
                "inserted": run.jobs_inserted,
                "changed": run.jobs_changed,
                "deleted": run.jobs_deleted,
                "calls": ", ".join(f"{name} {n}" for name, n in json.loads(run.calls).items()),
                "watermark": run.watermark_after,
                "outcome": run.outcome,
            },
        )

    def close(self, error: BaseException) -> None:
        """Write into the ledger and the scope what stopped the current run.

        A run that is complete stays as it is. If the database rejects this write as well, the run
        stays open, and the next sync closes it.

        Args:
            error: What stopped the run; not an `Exception` if the run was interrupted.
        """
        if not self.runs or self.run.outcome != "running":
            return
        interrupted = not isinstance(error, Exception)
        if isinstance(error, BusyError):
            # The run has waited for the file already; closing it is not worth as long a wait.
            self._records.limit_waiting(0)
        text = error.text if isinstance(error, ExporterError) else type(error).__name__
        self.runs[-1] = run = replace(
            self._with_counts(self.run),
            outcome="interrupted" if interrupted else "failed",
            ended_at=self._now(),
            error="interrupted" if interrupted else text,
        )
        try:
            committed = self._records.run(run.run_id)
            if committed is not None:
                # A commit that was interrupted may have taken: what is in the file counts.
                self.runs[-1] = run = _with_jobs_of(committed, run)
            if run.outcome == "complete":
                return
            state = None
            if run.mode != "filter" and not interrupted:
                state = self._failed_state(error, text)
            self._records.commit(Commit(run, state))
        except ExporterError:
            # The database is what failed, and the first error says so.
            return

    def _failed_state(self, error: BaseException, text: str) -> ScopeState | None:
        state = self._records.scope(self.key).state
        if isinstance(error, self._passed_over) and state == ScopeState(*self.key):
            # The region never had data: `status` would call such a scope stale forever.
            return None
        return replace(state, last_error=text, failing_runs=(state.failing_runs or 0) + 1)

    def _with_counts(self, run: Run) -> Run:
        tally = self._api.counts.since(self._before)
        return replace(
            run,
            calls=json.dumps(tally.calls, sort_keys=True),
            throttles=tally.throttles,
            odd_records=json.dumps(tally.by_member(), sort_keys=True),
        )


def _with_jobs_of(committed: Run, run: Run) -> Run:
    """Return a run that ends, with the jobs that its commits have written."""
    if committed.outcome == "complete":
        return committed
    return replace(
        run,
        jobs_inserted=committed.jobs_inserted,
        jobs_changed=committed.jobs_changed,
        jobs_deleted=committed.jobs_deleted,
    )
