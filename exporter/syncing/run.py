"""One sync over all its scopes: in parallel, each at its own pace, one writer, one outcome."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

from exporter.config import stored as configuration
from exporter.config.model import Configuration, Source, SyncOptions
from exporter.errors import CredentialsError, DatabaseError, ExporterError, UsageError
from exporter.prices import refresh
from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import RegionNotEnabled
from exporter.sagemaker.pacing import Pacers
from exporter.sagemaker.sessions import Access, Sessions
from exporter.store import migrate, snapshot
from exporter.store.database import Database
from exporter.store.locks import sync_lock
from exporter.store.scopes import ScopeKey, ScopeState
from exporter.syncing import plan
from exporter.syncing.outcome import ScopeResult, SyncReport
from exporter.syncing.progress import Clock, Progress, Quiet
from exporter.syncing.records import Records, ScopeView
from exporter.syncing.stopping import Interrupted, Stop
from exporter.syncing.worker import Worker

_log = logging.getLogger(__name__)

#: Scopes fetched at once; each waits for its own pace most of the time.
THREADS = 16
#: Seconds that workers get to leave a call before the run ends without them.
_GRACE = 2.0
#: Seconds that a run which is told to stop waits for a reader of the file, to close its ledger.
_LAST_WORD = 1.0


@dataclass(frozen=True)
class Target:
    """A scope to sync and the way into it."""

    access: Access
    key: ScopeKey
    optional: bool


def run_sync(
    database: Database,
    sources: Sequence[Source],
    options: SyncOptions,
    configured: Configuration | None = None,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
) -> SyncReport:
    """Bring every scope of the sources up to date.

    Args:
        database: The file; created or upgraded first, unless `options.upgrade` is off.
        sources: Ways into accounts; accounts reached twice are synced once.
        options: What to do.
        configured: Families and teams, account names, discounts.
        progress: Told how each scope is getting on, from its thread.
        notify: Told at once what the user should know; also in the report's warnings.
        clock: This machine's clocks.

    Returns:
        The outcome, also where scopes failed: one failing scope stops no other.

    Raises:
        UsageError: There is no region to sync, or the snapshot cannot go where it should.
        BusyError: Another sync, or another program, kept the database past the timeout.
        SchemaNewerError: The file is of a newer schema.
        DatabaseError: The file or the disk.
        Interrupted: By the caller's KeyboardInterrupt; what was committed stays.
    """
    given = configured or Configuration()
    return _Sync(database, options, given, progress, notify, clock or Clock()).run(sources)


class _Sync:
    def __init__(
        self,
        database: Database,
        options: SyncOptions,
        configured: Configuration,
        progress: Progress | None,
        notify: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._database = database
        self._options = options
        self._configuration = configured
        self._reached: dict[str, list[str]] = {}
        self._progress = progress or Quiet()
        self._clock = clock
        self._say = notify
        self._notices: dict[str, None] = {}
        self._guard = threading.Lock()
        self._stop = Stop()
        self._pacers = Pacers(options.max_rps, sleep=self._stop.sleep, monotonic=clock.monotonic)
        self._records = Records(database)
        # Sorts by time, and two syncs of the same second differ.
        self._prefix = f"{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self._number = count(1)

    def run(self, sources: Sequence[Source]) -> SyncReport:
        started = self._clock.monotonic()
        if self._options.dry_run:
            targets, results = self._targets(sources)
            results += [self._plan(target) for target in targets]
        else:
            with sync_lock(self._database.path, self._options.lock_timeout, notify=self._notify):
                self._prepare()
                targets, results = self._targets(sources)
                _log.info(
                    "sync",
                    extra={
                        "database": self._database.path,
                        "sources": len(sources),
                        "scopes": len(targets),
                        "max_rps": self._options.max_rps,
                    },
                )
                configuration.apply(self._database, self._configuration, self._reached)
                results += self._run_all(targets)
                self._refresh_prices(targets, results)
                self._publish(moved=_moved(results))
        scopes = _judge_regions(results)
        for scope in scopes:
            if scope.optional and scope.outcome == "failed":
                self._notify(f"Optional, and left behind: {scope.failure}")
        return SyncReport(
            scopes=scopes,
            warnings=list(self._notices),
            seconds=self._clock.monotonic() - started,
            moved=_moved(results),
        )

    def _publish(self, *, moved: bool) -> None:
        target = self._options.snapshot
        if target is not None and (moved or not target.exists()):
            snapshot.publish(self._database, target, self._options.snapshot_mode)
            _log.info("snapshot", extra={"file": target})

    def _prepare(self) -> None:
        if self._options.snapshot is not None:
            snapshot.check(self._database, self._options.snapshot)
        if self._options.upgrade:
            migrate.upgrade(self._database, notify=self._notify)
        elif not self._database.exists():
            raise DatabaseError(
                f"There is no database at {self._database.path}, and --no-upgrade makes none."
            )
        self._records.close_dead_runs(self._clock.now())

    def _targets(self, sources: Sequence[Source]) -> tuple[list[Target], list[ScopeResult]]:
        """Scopes to sync, each once, and what cannot even be reached."""
        sessions = Sessions()
        targets: dict[ScopeKey, Target] = {}
        failed = []
        for source in sources:
            try:
                access = sessions.access(source.profile, source.role_arn, source.external_id)
                regions = access.regions(source.regions, source.exclude_regions)
            except ExporterError as error:
                if len(sources) == 1 and not source.optional:
                    raise
                failed.append(ScopeResult(source.name, "failed", source.optional, error=error))
                continue
            self._reached[source.name] = [access.account_id]
            for region in regions:
                key = ScopeKey(access.account_id, region)
                known = targets.get(key)
                optional = source.optional and (known is None or known.optional)
                targets[key] = Target(known.access if known else access, key, optional)
        if not targets and not failed:
            raise UsageError("No region is left to sync: every one is excluded.")
        return list(targets.values()), failed

    def _refresh_prices(self, targets: Sequence[Target], results: Sequence[ScopeResult]) -> None:
        """Ask the Price List API at most once a day; a failure is a notify, prices stay."""
        complete = {result.name for result in results if result.outcome == "complete"}
        reached = [target.access for target in targets if str(target.key) in complete]
        if not reached or not self._options.prices or self._options.is_filtered:
            return
        now = self._clock.now()
        with self._database.reading() as connection:
            if not refresh.is_due(connection, now):
                return
        try:
            done = refresh.refresh(self._database, reached[0].price_list, now)
            _log.info("prices", extra=done._asdict())
        except ExporterError as error:
            if error.exit_code in (4, 6, 8):
                raise
            self._notify(f"{error} Prices stay as they are; this is tried again in a day.")

    def _plan(self, target: Target) -> ScopeResult:
        state = ScopeState(*target.key)
        open_jobs: list[plan.OpenJob] = []
        if self._database.exists():
            view = self._records.scope(target.key)
            state, open_jobs = view.state, view.open_jobs
        listing = plan.next_listing(state, self._options, open_jobs, plan.Means())
        reason = f"{listing.mode}: {listing.reason}"
        return ScopeResult(str(target.key), "planned", target.optional, plan=reason)

    def _run_all(self, targets: Sequence[Target]) -> list[ScopeResult]:
        """Run the scopes in daemon threads: a hung call must not keep the process alive."""
        views = self._records.scopes([target.key for target in targets])
        todo: queue.SimpleQueue[tuple[Target, ScopeView]] = queue.SimpleQueue()
        done: queue.SimpleQueue[ScopeResult | BaseException] = queue.SimpleQueue()
        for target in targets:
            todo.put((target, views[target.key]))
        workers: list[Worker] = []
        threads = [
            threading.Thread(target=self._work, args=(todo, done, workers), daemon=True)
            for _ in range(min(THREADS, len(targets)))
        ]
        results: list[ScopeResult] = []
        try:
            for thread in threads:
                thread.start()
            while len(results) < len(targets):
                result = done.get()
                if isinstance(result, BaseException):
                    raise result
                results.append(result)
                told = {"scope": result.name, "outcome": result.outcome, "error": result.error}
                _log.info("scope done", extra=told)
        except BaseException:
            self._leave(threads, workers)
            raise
        order = {str(target.key): place for place, target in enumerate(targets)}
        return sorted(results, key=lambda result: order[result.name])

    def _work(
        self,
        todo: queue.SimpleQueue[tuple[Target, ScopeView]],
        done: queue.SimpleQueue[ScopeResult | BaseException],
        workers: list[Worker],
    ) -> None:
        while True:
            try:
                target, view = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put(self._run_one(target, view, workers))
            except Interrupted:
                return
            except BaseException as error:
                # A bug, or the database: it concerns every scope, so the caller raises it.
                done.put(error)
                return

    def _run_one(self, target: Target, view: ScopeView, workers: list[Worker]) -> ScopeResult:
        self._stop.check()
        worker = None
        try:
            worker = self._worker(target, view)
            workers.append(worker)
            worker.run()
        except RegionNotEnabled as error:
            runs = worker.runs if worker else []
            return ScopeResult(str(target.key), "skipped", target.optional, runs, error)
        except ExporterError as error:
            if error.exit_code in (4, 6, 8):
                raise
            runs = worker.runs if worker else []
            return ScopeResult(str(target.key), "failed", target.optional, runs, error)
        finally:
            # Its client goes with it: two hundred of them would hold half a gigabyte.
            if worker in workers and not self._stop.is_set:
                workers.remove(worker)
        return ScopeResult(str(target.key), "complete", target.optional, worker.runs)

    def _worker(self, target: Target, view: ScopeView) -> Worker:
        api = Api(
            target.access.client("sagemaker", target.key.region),
            *target.key,
            self._pacers,
            sleep=self._stop.sleep,
            monotonic=self._clock.monotonic,
            waiting=lambda why, seconds: self._progress.waiting(target.key, why, seconds),
            check=self._stop.check,
        )
        return Worker(
            api=api,
            records=self._records,
            options=self._options,
            rules=self._configuration.rules,
            run_ids=lambda: f"{self._prefix}-{next(self._number):04}",
            notify=self._notify,
            progress=self._progress,
            clock=self._clock,
            stop=self._stop,
            view=view,
        )

    def _leave(self, threads: Sequence[threading.Thread], workers: Sequence[Worker]) -> None:
        """Stop the workers; where one hangs in a call, close its ledger in its place."""
        self._stop.set()
        self._records.hurry(_LAST_WORD)
        deadline = self._clock.monotonic() + _GRACE
        for thread in threads:
            if thread.ident is None:  # it was not started yet
                continue
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        for worker in workers:
            worker.abandon()
        if any(thread.is_alive() for thread in threads):
            atexit.register(_silence)

    def _notify(self, text: str) -> None:
        with self._guard:
            if text in self._notices:
                return
            self._notices[text] = None
        self._say(text)


def _moved(results: Sequence[ScopeResult]) -> bool:
    """Whether the database holds more than before, a watermark's move included."""
    return any(
        run.jobs_inserted
        or run.jobs_changed
        or run.jobs_deleted
        or run.watermark_after != run.watermark_before
        for result in results
        for run in result.runs
    )


def _silence() -> None:
    """Say nothing more: the interpreter is leaving while a thread hangs in a call.

    What that thread still refers to cannot be cleaned up, and DuckDB's bindings would list it
    on standard error as leaked, after the one line that matters.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)


def _judge_regions(results: Sequence[ScopeResult]) -> list[ScopeResult]:
    """A region that is not enabled is passed over, unless every region of its account is."""
    accounts: dict[str, list[ScopeResult]] = {}
    for result in results:
        accounts.setdefault(result.name.split("/")[0], []).append(result)
    dead = {
        account
        for account, scopes in accounts.items()
        if all(scope.outcome in ("skipped", "failed") for scope in scopes)
    }
    return [
        replace(result, outcome="failed", error=_not_one(result))
        if result.outcome == "skipped" and result.name.split("/")[0] in dead
        else result
        for result in results
    ]


def _not_one(result: ScopeResult) -> CredentialsError:
    return CredentialsError(
        "No region of this account accepts the credentials.",
        "Are they valid, and are the regions enabled?",
        scope=result.error.scope if result.error else result.name,
    )
