"""What a sync does for those who are not watching it: the metrics file and the ping."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli.app import App
from exporter.errors import ExporterError, UsageError

if TYPE_CHECKING:
    from exporter.config.model import SyncOptions
    from exporter.reports.status import Status
    from exporter.syncing.outcome import SyncReport

#: Seconds that the metrics wait for another process to leave the database.
_PATIENCE = 5.0


class PingUrl(click.ParamType[str]):
    """A URL to ping; it is a secret, so no message repeats it."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The URL."""
        from exporter import ping

        try:
            ping.check(str(value))
        except ValueError:
            self.fail("the URL to ping is not an http or https URL.", param, ctx)
        return str(value)


@contextmanager
def reporting(
    app: App, options: SyncOptions, metrics_file: Path | None, ping_url: str | None
) -> Iterator[Callable[[SyncReport], None]]:
    """Write the metrics when the block ends, however it ends; ping where nothing was left behind.

    The block passes the report of its sync to the function that it is given. A dry run and a
    one-off say nothing of the scheduled sync, so they leave both alone.

    Raises:
        UsageError: The metrics file cannot be written; before the sync where that shows.
        DatabaseError: The disk was full when the metrics were to be written.
    """
    if options.dry_run or options.is_filtered:
        if options.is_filtered and (metrics_file or ping_url):
            app.say(
                "A one-off sync writes no metrics and sends no ping: they speak of the scheduled "
                "one.",
                logging.WARNING,
            )
        yield lambda report: None
        return
    if metrics_file:
        _check_writable(metrics_file)
    started = app.now
    reports: list[SyncReport] = []

    def record(code: int) -> None:
        if metrics_file:
            from exporter import metrics

            report = reports[0] if reports else None
            sync = metrics.Sync(started, app.now, code, _version(), report)
            metrics.write(metrics_file, sync, _status(app))

    try:
        yield reports.append
    except BaseException as error:
        # It is the sync's failure that counts; one of the metrics is told beside it.
        try:
            record(_exit_code(error))
        except ExporterError as other:
            app.say(str(other), logging.WARNING)
        raise
    if ping_url:
        from exporter import ping

        if problem := ping.send(ping_url):
            app.say(problem, logging.WARNING)
    record(0)


def _status(app: App) -> Status | None:
    from exporter.reports import status

    # A database that is busy or broken is the sync's own error; the old figures are kept.
    with suppress(ExporterError), app.database(lock_timeout=_PATIENCE).reading() as connection:
        return status.read(connection, app.now, runs=0)
    return None


def _exit_code(error: BaseException) -> int:
    from exporter.cli.interrupts import Terminated

    if isinstance(error, ExporterError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 143 if Terminated.came else 130
    return 0 if isinstance(error, BrokenPipeError) else 1  # `sync --json | head` is no failure


def _check_writable(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK) or path.is_dir():
        raise UsageError(
            f"--metrics-file {path} cannot be written.",
            "Its directory must be there, and writable for this user.",
        )


def _version() -> str:
    try:
        return metadata.version("sagemaker-exporter")
    except metadata.PackageNotFoundError:
        return "unknown"
