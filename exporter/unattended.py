"""What a sync does for people who do not watch it: it writes the metrics file and pings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.config.model import SyncOptions
from exporter.errors import ExporterError, UsageError
from exporter.resources import version
from exporter.spelling import named
from exporter.store.database import Database
from exporter.syncing.outcome import SyncReport

if TYPE_CHECKING:
    from exporter.reports.status import Status

#: Seconds that the metrics wait for another process to close the database.
_LOCK_TIMEOUT: Final = 5.0


@contextmanager
def reporting(
    database: Database,
    options: SyncOptions,
    *,
    notify: Callable[[str], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Callable[[SyncReport], None]]:
    """Write the metrics when the block ends, however it ends, and ping if it ends well.

    The block passes the report of its sync to the function that it is given. A dry run and a
    one-off do neither: both reports are about the scheduled sync.

    Args:
        database: The file that the block syncs.
        options: Its options.
        notify: Receives warnings.
        now: This machine's clock, UTC.

    Raises:
        UsageError: The metrics file cannot be written; before the sync where that shows.
        DatabaseError: The disk was full when the metrics were written.
    """
    if options.dry_run or options.is_filtered:
        if options.is_filtered and (options.metrics_file or options.ping_url):
            notify(
                "A one-off sync writes no metrics and sends no ping: both are about the "
                "scheduled sync."
            )
        yield lambda report: None
        return
    if options.metrics_file:
        _check_writable(options.metrics_file)
    started = now()
    reports: list[SyncReport] = []

    # Most syncs need neither module.
    def write_metrics(exit_code: int) -> None:
        if options.metrics_file:
            from exporter import metrics

            report = reports[0] if reports else None
            sync = metrics.Sync(database.path, started, now(), exit_code, version(), report)
            state = _status(database, now(), notify)
            metrics.write(options.metrics_file, sync, state, options.metrics_mode)

    with _on_failure(write_metrics, notify):
        yield reports.append
    if options.ping_url:
        from exporter import ping

        if problem := ping.send(options.ping_url):
            notify(problem)
    write_metrics(0)


@contextmanager
def _on_failure(
    write_metrics: Callable[[int], None], notify: Callable[[str], None]
) -> Iterator[None]:
    """Write the metrics if the block fails; its own failure decides the exit code."""
    try:
        yield
    except BaseException as error:
        try:
            write_metrics(_exit_code(error))
        except ExporterError as other:
            notify(str(other))
        raise


def _status(database: Database, now: datetime, notify: Callable[[str], None]) -> Status | None:
    from exporter.reports import status

    # The sync reports a database that is busy or broken; the metrics keep their old figures.
    patient = Database(database.path, lock_timeout=_LOCK_TIMEOUT, notify=notify)
    with suppress(ExporterError), patient.reading() as connection:
        return status.read(connection, now, runs=0)
    return None


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return getattr(error, "exit_code", 130)
    if isinstance(error, ExporterError):
        return error.exit_code
    return 0 if isinstance(error, BrokenPipeError) else 1  # `sync --json | head` is no failure


def _check_writable(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK) or path.is_dir():
        raise UsageError(
            f"{named('metrics_file', str(path))} cannot be written.",
            "Its directory must exist and be writable for this user.",
        )
