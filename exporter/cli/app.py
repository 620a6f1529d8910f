"""What every command shares: the configuration, the database, and lines for people."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

import click

from exporter import logs
from exporter.config.file import ConfigFile

if TYPE_CHECKING:
    from exporter.store.connections import Connection
    from exporter.store.database import Database
    from exporter.syncing.progress import Progress

DEFAULT_DB = "sagemaker.duckdb"


@dataclass
class App:
    """One run of the command line.

    Attributes:
        config_file: The configuration file.
        config_is_local: Whether it was found in the working directory, and not named.
        defaults: The file's options of each command, by the name of its table.
        db: The database as the user named it: a path or a `duckdb:///` URL.
        verbose: How often -v was given.
        quiet: Whether only errors and results are printed.
        log_format: `text` or `json`.
        given: Global options that stand after the command.
        is_syncing: Whether the command is a sync, which the next one continues.
    """

    config_file: ConfigFile = field(default_factory=ConfigFile)
    config_is_local: bool = False
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    db: str = DEFAULT_DB
    verbose: int = 0
    quiet: bool = False
    log_format: str = "text"
    given: set[str] = field(default_factory=set)
    is_syncing: bool = False

    def begin(self) -> None:
        """Start the log, once every option before and after the command is known."""
        logs.configure(verbose=self.verbose, quiet=self.quiet, style=self.log_format)

    def database(self, *, lock_timeout: float = 60.0) -> Database:
        """Return the database file of --db.

        Raises:
            UsageError: --db is another kind of URL.
        """
        from exporter.store.database import Database

        return Database(Database.parse(self.db), lock_timeout=lock_timeout, notify=self.notify)

    @contextmanager
    def reading(
        self, lake: str | None, *, row_ids: bool = True, basis: str = "net"
    ) -> Iterator[Connection]:
        """Open what a command reads: the lake of --lake, else the database file of --db.

        Args:
            lake: The value of --lake; None = not given.
            row_ids: See `exporter.publish.reading.Lake`.
            basis: The value of --basis.

        Raises:
            UsageError: --lake or --db is another kind of URL, or the extra `lake` is missing.
            StoreError, CredentialsError, ServiceError: It cannot be read.
        """
        from exporter.commands.source import reading

        with reading(self.database(), lake, row_ids=row_ids, basis=basis) as connection:
            yield connection

    def notify(
        self,
        message: str,
        level: int = logging.INFO,
        fields: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Print a line for a person on standard error, unless --quiet was given.

        Args:
            message: The line.
            level: Its level.
            fields: What the line says, as fields of `--log-format json`.
        """
        if not self.quiet:
            text = logs.line(message, level=level, style=self.log_format, fields=fields)
            click.echo(text, err=True)

    def progress(self) -> AbstractContextManager[Progress | None]:
        """Return a context that shows progress at a terminal; elsewhere its value is None."""
        if self.quiet or self.log_format == "json" or not decorated(sys.stderr):
            return nullcontext()
        from exporter.cli.progress import Terminal

        return Terminal()

    @property
    def now(self) -> datetime:
        """The time by this machine's clock, UTC."""
        return datetime.now(UTC)


def app_of(ctx: click.Context) -> App:
    """Return the App of a command's context."""
    found = ctx.find_object(App)
    if found is None:  # the root group makes it before any command runs
        raise RuntimeError("no App in this context")
    return found


pass_app = click.make_pass_decorator(App)


def is_terminal(stream: TextIO) -> bool:
    """Return whether a stream is a terminal."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def decorated(stream: TextIO) -> bool:
    """Return whether colour and progress may go to a stream: a terminal, without NO_COLOR."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def width() -> int | None:
    """Return the columns that a table may take: COLUMNS, else the terminal's; None = no limit."""
    import shutil

    fallback = (80 if sys.stdout.isatty() else 0, 0)
    return shutil.get_terminal_size(fallback).columns or None


def user_directory() -> Path:
    """Return the user's configuration directory on this platform."""
    return Path(click.get_app_dir("sagemaker-exporter"))
