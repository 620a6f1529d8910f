"""What every command shares: the settings in force, the database, and where words go."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from exporter import logs
from exporter.config.file import Settings

if TYPE_CHECKING:
    from exporter.store.database import Database

DEFAULT_DB = "sagemaker.duckdb"


@dataclass
class App:
    """One run of the command line.

    Attributes:
        settings: The configuration file.
        defaults: The file's options of each command, by the name of its table.
        db: The database as it was named: a path or a `duckdb:///` URL.
        verbose: How often -v was given.
        quiet: Only errors and results.
        log_format: `text` or `json`.
        given: Global options that stand after the command.
    """

    settings: Settings = field(default_factory=Settings)
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    db: str = DEFAULT_DB
    verbose: int = 0
    quiet: bool = False
    log_format: str = "text"
    given: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Start the log; every option, before or after the command, is known by now."""
        logs.configure(verbose=self.verbose, quiet=self.quiet, style=self.log_format)

    def database(self, *, lock_timeout: float = 60.0) -> Database:
        """The database file of --db.

        Raises:
            UsageError: --db is another kind of URL.
        """
        from exporter.store.database import Database

        return Database(Database.parse(self.db), lock_timeout=lock_timeout, notify=self.say)

    def say(self, message: str, level: int = logging.INFO) -> None:
        """One line on standard error, for a person; nothing with --quiet."""
        if not self.quiet:
            click.echo(logs.line(message, level=level, style=self.log_format), err=True)

    @property
    def now(self) -> datetime:
        """The time by this machine's clock, UTC."""
        return datetime.now(UTC)


def app_of(ctx: click.Context) -> App:
    """The App of a command's context."""
    found = ctx.find_object(App)
    if found is None:  # the root group makes it before any command runs
        raise RuntimeError("no App in this context")
    return found


pass_app = click.make_pass_decorator(App)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def decorated(stream: TextIO) -> bool:
    """Whether colour and progress may go to a stream: a terminal, and no NO_COLOR."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def width() -> int | None:
    """Columns to fit a table into: COLUMNS, else the terminal's; None off a terminal, no limit."""
    import shutil

    fallback = (80 if sys.stdout.isatty() else 0, 0)
    return shutil.get_terminal_size(fallback).columns or None


def user_directory() -> Path:
    """The user's configuration directory on this platform."""
    return Path(click.get_app_dir("sagemaker-exporter"))
