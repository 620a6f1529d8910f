"""Runs one sync over all its scopes: in parallel, with one writer and one outcome."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence, Set
from functools import partial
from itertools import count

from exporter.config import stored as configuration
from exporter.config.labels import LabelRules
from exporter.config.model import Configuration, Source, SyncOptions
from exporter.errors import DatabaseError, ExporterError, StoreError
from exporter.prices import refresh
from exporter.sagemaker.api import DEFAULT_RETRIES, Api, Counts, Retries
from exporter.sagemaker.pacing import Pacers
from exporter.spelling import named
from exporter.store import migrate, snapshot
from exporter.store.database import Database
from exporter.store.locks import check_place, sync_lock
from exporter.store.scopes import ScopeKey
from exporter.syncing import dry_run
from exporter.syncing.outcome import ScopeResult, SyncReport, judge_regions
from exporter.syncing.pool import WorkerPool
from exporter.syncing.progress import Clock, Notices, Progress, Quiet
from exporter.syncing.quotas import DAILY
from exporter.syncing.quotas import RETRIES as QUOTA_RETRIES
from exporter.syncing.records import Records
from exporter.syncing.sizes import DEFAULT_SIZES, Sizes
from exporter.syncing.stopping import Stop
from exporter.syncing.targets import Target, find_targets
from exporter.syncing.worker import Worker

_log = logging.getLogger(__name__)


def run_sync(
    database: Database,
    sources: Sequence[Source],
    options: SyncOptions,
    configured: Configuration | None = None,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
    sizes: Sizes = DEFAULT_SIZES,
    retries: Retries = DEFAULT_RETRIES,
) -> SyncReport:
    """Bring every scope of the sources up to date.

    Args:
        database: The file; it is created or upgraded first, unless `options.upgrade` is off.
        sources: Ways into accounts; an account reached twice is synced once.
        options: What the user asked for.
        configured: Families and teams, account names, discounts. What it lacks comes from the
            database, which keeps them.
        progress: Shows the progress of each scope, called from its thread.
        notify: Called at once with what the user should know, which is also in the report.
        clock: The clocks of this machine.
        sizes: How much is done in one step.
        retries: How often and how long a call is tried.

    Returns:
        The outcome, even if scopes failed: one failing scope stops no other.

    Raises:
        UsageError: No region is left to sync, or the snapshot cannot be written.
        BusyError: Another sync, or another program, kept the database past the timeout.
        SchemaNewerError: The schema of the file is newer than this program.
        DatabaseError: The file or the disk failed.
        Interrupted: A KeyboardInterrupt of the caller; what was committed stays.
    """
    clock = clock or Clock()
    started = clock.monotonic()
    notices = Notices(notify)
    given = configured or Configuration()
    run = _Run(database, options, given, progress or Quiet(), notices.notify, clock, sizes, retries)
    results = judge_regions(run.plan(sources) if options.dry_run else run.run(sources))
    for result in results:
        if result.optional and result.outcome == "failed":
            notices.notify(f"An optional source failed: {result.failure}")
    creates = database.path.absolute() if options.dry_run and not database.exists() else None
    return SyncReport(results, notices.texts, clock.monotonic() - started, creates)


class _Run:
    """One sync; the arguments are those of `run_sync`."""

    def __init__(
        self,
        database: Database,
        options: SyncOptions,
        configured: Configuration,
        progress: Progress,
        notify: Callable[[str], None],
        clock: Clock,
        sizes: Sizes,
        retries: Retries,
    ) -> None:
        self._database = database
        self._options = options
        self._configuration = configured
        self._progress = progress
        self._notify = notify
        self._clock = clock
        self._sizes = sizes
        self._retries = retries
        self._stop = Stop()
        self._pacers = Pacers(options.max_rps, sleep=self._stop.sleep, monotonic=clock.monotonic)
        self._records = Records(database)
        # Run ids sort by time, and two syncs of the same second differ.
        self._prefix = f"{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self._number = count(1)

    def plan(self, sources: Sequence[Source]) -> list[ScopeResult]:
        """Return what a sync would do in each scope, and each source that leads to none."""
        targets = find_targets(sources)
        once = Retries(throttled=1, failed=1)
        planned = dry_run.plans(
            self._database,
            targets,
            self._options,
            lambda target: self._api(target, "sagemaker", once),
            self._clock.now(),
        )
        return [*targets.failed, *planned]

    def run(self, sources: Sequence[Source]) -> list[ScopeResult]:
        """Return a result for each scope, and for each source that led to none."""
        path, timeout = self._database.path, self._options.lock_timeout
        check_place(path)
        # A first sync without credentials or a region leaves no file.
        targets = None if self._database.exists() else find_targets(sources)
        if targets is not None and not targets.found:
            return list(targets.failed)
        with sync_lock(path, timeout, notify=self._notify):
            # First, so that nobody asks AWS for a file that no sync can use.
            with self._database.sharing():
                self._prepare()
            # Calls STS, so no connection to the database is open.
            targets = targets or find_targets(sources)
            _log.info(
                "sync",
                extra={
                    "database": path,
                    "sources": len(sources),
                    "scopes": len(targets.found),
                    "max_rps": self._options.max_rps,
                },
            )
            keys = [target.key for target in targets.found]
            with self._database.sharing():
                kept = configuration.with_kept(self._database, self._configuration, self._notify)
                configuration.apply(self._database, kept, targets.accounts)
                due = self._quotas_due(keys)
                prices_due = self._prices_due()
                views = self._records.scopes(keys)
            worker = partial(self._worker, kept.rules, due)
            pool = WorkerPool(self._records, worker, self._stop, self._clock)
            results = [*targets.failed, *pool.run(targets.found, views)]
            if prices_due:
                self._refresh_prices(targets.found, results)
            self._publish_snapshot()
        return results

    def _prepare(self) -> None:
        if self._options.snapshot is not None:
            snapshot.check(self._database, self._options.snapshot)
        if self._options.upgrade:
            migrate.upgrade(self._database, notify=self._notify)
        elif not self._database.exists():
            raise DatabaseError(
                f"There is no database at {self._database.path}, and "
                f"{named('upgrade', False, flag='--no-upgrade')} creates none."
            )
        self._records.close_dead_runs(self._clock.now())

    def _quotas_due(self, keys: Sequence[ScopeKey]) -> Set[ScopeKey]:
        """Return the scopes whose service quotas this sync reads."""
        if not self._options.details or self._options.is_filtered:
            return frozenset()
        return self._records.quotas_due(keys, self._clock.now() - DAILY)

    def _api(
        self, target: Target, service: str, retries: Retries, counts: Counts | None = None
    ) -> Api:
        return Api(
            target.access.client(service, target.key.region),
            *target.key,
            self._pacers,
            retries=retries,
            sleep=self._stop.sleep,
            monotonic=self._clock.monotonic,
            now=self._clock.now,
            notify_wait=lambda why, seconds: self._progress.waiting(target.key, why, seconds),
            check=self._stop.check,
            counts=counts,
        )

    def _worker(self, rules: LabelRules, due: Set[ScopeKey], target: Target) -> Worker:
        api = self._api(target, "sagemaker", self._retries)
        quotas = None
        if target.key in due:
            quotas = self._api(target, "service-quotas", QUOTA_RETRIES, api.counts)
        return Worker(
            quotas=quotas,
            api=api,
            records=self._records,
            options=self._options,
            rules=rules,
            run_ids=lambda: f"{self._prefix}-{next(self._number):04}",
            notify=self._notify,
            progress=self._progress,
            clock=self._clock,
            stop=self._stop,
            sizes=self._sizes,
            passed_over=target.passed_over,
        )

    def _prices_due(self) -> bool:
        """Return whether this sync reads the Price List API, as one does a day."""
        if not self._options.prices or self._options.is_filtered:
            return False
        with self._database.reading() as connection:
            return refresh.is_due(connection, self._clock.now())

    def _refresh_prices(self, targets: Sequence[Target], results: Sequence[ScopeResult]) -> None:
        """Read the Price List API; a failure is a notice, and prices stay."""
        complete = {result.name for result in results if result.outcome == "complete"}
        reached = [target.access for target in targets if str(target.key) in complete]
        if not reached:
            return
        try:
            done = refresh.refresh(self._database, reached[0].price_list, self._clock.now())
            _log.info("prices", extra=done._asdict())
        except StoreError:
            raise
        except ExporterError as error:
            self._notify(f"{error} Prices stay as they are; the next attempt is in a day.")

    def _publish_snapshot(self) -> None:
        # Also after a sync that found nothing: it has written the ledger, and perhaps prices.
        target = self._options.snapshot
        if target is not None:
            snapshot.publish(self._database, target, self._options.snapshot_mode)
            _log.info("snapshot", extra={"file": target})
