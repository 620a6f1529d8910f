"""Runs the workers of a sync in parallel, each scope at its own pace."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import Final

from exporter.errors import CredentialsError, ExporterError, StoreError
from exporter.store.scopes import Run, ScopeKey
from exporter.syncing.outcome import Outcome, ScopeResult
from exporter.syncing.progress import Clock
from exporter.syncing.records import Records, ScopeView
from exporter.syncing.stopping import Interrupted, Stop
from exporter.syncing.targets import Target
from exporter.syncing.worker import Worker

_log = logging.getLogger(__name__)

#: Scopes synced at once; each waits for its own pace most of the time.
THREADS: Final = 16
#: Seconds for workers to leave a call before the run ends without them.
_GRACE: Final = 2.0
#: Seconds that an interrupted run waits for readers of the file, to close its ledger.
_LAST_WAIT: Final = 1.0


class WorkerPool:
    """Threads that sync scopes until none is left.

    Args:
        records: The database.
        make_worker: Returns the worker of a scope.
        stop: The stop signal of the run.
        clock: The clocks of this machine.
    """

    def __init__(
        self,
        records: Records,
        make_worker: Callable[[Target], Worker],
        stop: Stop,
        clock: Clock,
    ) -> None:
        self._records = records
        self._make_worker = make_worker
        self._stop = stop
        self._clock = clock
        self._todo: queue.SimpleQueue[Target] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[ScopeResult | BaseException] = queue.SimpleQueue()
        self._workers: list[Worker] = []

    def run(
        self, targets: Sequence[Target], views: Mapping[ScopeKey, ScopeView]
    ) -> list[ScopeResult]:
        """Sync scopes; one that fails stops no other.

        Args:
            targets: The scopes.
            views: Each scope as it is stored.

        Returns:
            One result per target, in the order of the targets.

        Raises:
            StoreError: The database failed, which concerns every scope.
            BaseException: An interruption of the caller, or a bug; the workers are stopped first.
        """
        for target in targets:
            self._todo.put(target)
        # Daemon threads: a call that hangs must not keep the process alive.
        threads = [
            # With the context of the caller, which says how messages name options.
            threading.Thread(target=copy_context().run, args=(self._work, views), daemon=True)
            for _ in range(min(THREADS, len(targets)))
        ]
        results: dict[str, ScopeResult] = {}
        try:
            for thread in threads:
                thread.start()
            while len(results) < len(targets):
                result = self._done.get()
                if isinstance(result, BaseException):
                    raise result
                results[result.name] = result
                _log.info(
                    "scope done",
                    extra={
                        "scope": result.name,
                        "outcome": result.outcome,
                        "error": result.error,
                    },
                )
        except BaseException:
            self._leave(threads)
            raise
        return [results[str(target.key)] for target in targets]

    def _work(self, views: Mapping[ScopeKey, ScopeView]) -> None:
        while True:
            try:
                target = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                self._done.put(self._sync(target, views[target.key]))
            except Interrupted:
                return
            except BaseException as error:
                # A bug or the database: the caller raises it.
                self._done.put(error)
                return

    def _sync(self, target: Target, view: ScopeView) -> ScopeResult:
        """Sync a scope; if a way into its account is denied, try that of the next source."""
        runs: list[Run] = []
        first: ScopeResult | None = None
        for way in target.ways():
            result = self._try(way, None if first else view)
            runs += result.runs
            if not isinstance(result.error, CredentialsError):
                return replace(result, runs=runs)
            first = first or result
        if first is None:
            raise RuntimeError("a target has no way into its account")
        return replace(first, runs=runs)

    def _try(self, target: Target, view: ScopeView | None) -> ScopeResult:
        self._stop.check()
        name, optional = str(target.key), target.optional
        worker = None
        try:
            worker = self._make_worker(target)
            self._workers.append(worker)
            worker.run(view)
        except StoreError:
            raise
        except ExporterError as error:
            outcome: Outcome = "skipped" if isinstance(error, target.passed_over) else "failed"
            runs = worker.runs if worker else ()
            return ScopeResult(name, outcome, optional, runs, error)
        finally:
            # The client goes with its worker: two hundred of them would hold half a gigabyte.
            if worker in self._workers and not self._stop.is_set:
                self._workers.remove(worker)
        return ScopeResult(name, "complete", optional, worker.runs)

    def _leave(self, threads: Sequence[threading.Thread]) -> None:
        """Stop the workers, and close the ledger of each that hangs in a call."""
        self._stop.set()
        self._records.limit_waiting(_LAST_WAIT)
        deadline = self._clock.monotonic() + _GRACE
        for thread in threads:
            if thread.ident is not None:  # it was started
                thread.join(max(0.0, deadline - self._clock.monotonic()))
        for worker in self._workers:
            worker.abandon()
        if any(thread.is_alive() for thread in threads):
            atexit.register(_silence)


def _silence() -> None:
    """Discard standard error while the interpreter exits with a thread that hangs in a call.

    The objects of that thread cannot be cleaned up, and the bindings of DuckDB would report them
    as leaked after the one line that matters.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
