"""The Python API: the main commands as functions.

Each function imports what it needs when it is called, so that `import exporter` takes no time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from exporter.config.kinds import Kind
    from exporter.reports.result import Result
    from exporter.store.database import Database
    from exporter.syncing.outcome import SyncReport

StrPath = str | os.PathLike[str]


def client(
    db: StrPath,
    *,
    account: str | None = None,
    region: str | None = None,
    deleted: bool = False,
) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time: they have no type to name
    """Return a boto3 client for SageMaker that answers ListTrainingJobs from the database.

    `client(db).list_training_jobs(**kwargs)` and `client(db).get_paginator("list_training_jobs")`
    take, return and raise what those of boto3 do. The client refuses every other operation by
    name. Each call sees the newest committed sync and holds no lock when it returns; it waits up
    to a minute for a sync that is writing. It uses no credentials and no network.
    docs/list-training-jobs.md lists what differs from SageMaker, and what the client keeps in
    memory.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        account: The account, 12 digits; optional if the file holds only one.
        region: The region; optional if the file holds only one.
        deleted: Also list jobs that AWS has deleted.

    Raises:
        UsageError: The file holds several accounts or regions and the arguments choose none, or
            it holds none that they choose. The message names those that it holds.
        DatabaseError: No such file, or not a database of this program; calls raise it as well.
        SchemaNewerError: A newer program wrote the file; calls raise it as well.
        BusyError: Another process had the file open for writing for over a minute; calls raise
            it as well.
    """
    from exporter.replica import inprocess

    return inprocess.client(db, account, region, deleted)


def connect(db: StrPath) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to the database, in UTC and without access to other files.

    A sync cannot commit while the connection is open: close it, use it as a context manager, or
    connect to a snapshot (`sync --snapshot`).

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.

    Raises:
        DatabaseError: No such file, or not a database of this program.
        SchemaNewerError: A newer program wrote the file.
        BusyError: A sync kept the file open for over a minute.
    """
    import duckdb

    from exporter.store import install
    from exporter.store.connections import CLOSE_OFF, OFFLINE, SESSION

    database = _database(db)
    with database.reading() as connection:
        # The same settings as in the Database class: while the file is open, DuckDB refuses to
        # open it with other settings, and a client or a report may have it open.
        agent = connection.exec_driver_sql("SELECT current_setting('custom_user_agent')").scalar()
        config = {**OFFLINE, **({"custom_user_agent": agent} if agent else {})}
        opened = duckdb.connect(database.path, read_only=True, config=config)
        if not install.is_installed(connection):
            install.install_temporarily(opened.execute)
    opened.execute(SESSION)
    opened.execute(CLOSE_OFF)
    return opened


def sync(
    db: StrPath,
    *,
    regions: Sequence[str] = (),
    profile: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    config: StrPath | None = None,
    notify: Callable[[str], None] = lambda _: None,
    **options: Any,  # noqa: ANN401 - the fields of SyncOptions
) -> SyncReport:
    """Fetch what changed, store it, and move the watermark; the first run is a backfill.

    Args:
        db: The DuckDB file, created if need be: a path, or a `duckdb:///` URL.
        regions: Regions to sync, or `("all",)`; empty means the region of the profile.
        profile: A profile of the AWS configuration; None is the default session.
        role_arn: A role to assume.
        external_id: The external ID for the role.
        config: A `sagemaker-exporter.toml`: its sources, unless the arguments give one, and its
            families, teams, accounts and discounts. Without a file, the sync removes those of an
            earlier sync from the database and labels the jobs again.
        notify: Receives each warning at once, as a sentence.
        options: The fields of `exporter.config.model.SyncOptions`, such as `full=True`; texts
            are read as the command reads them, and times may also be aware datetimes.

    Returns:
        The outcome, scope by scope.

    Raises:
        ExporterError: The error that the command would exit with; PartialError if some scopes
            are complete and others are not. Nothing is lost, and the next call continues.
        UsageError: A text or a number does not fit its option.
        TypeError: An option that SyncOptions does not have, or a time without a time zone.
    """
    from exporter.config import file
    from exporter.config.model import Source, SyncOptions
    from exporter.config.options import read_python
    from exporter.syncing.run import run_sync
    from exporter.unattended import reporting

    configured = file.ConfigFile() if config is None else file.read(Path(config))
    given = Source(
        profile=profile, role_arn=role_arn, external_id=external_id, regions=tuple(regions)
    )
    sources = [given] if given != Source() else [*configured.sources] or [given]
    how = read_python(SyncOptions, options)
    database = _database(db, lock_timeout=how.lock_timeout)
    with reporting(database, how, notify=notify) as record:
        done = run_sync(database, sources, how, configured.configuration, notify=notify)
        record(done)
        if done.error is not None:
            raise done.error
    return done


def report(
    db: StrPath,
    name: str,
    argument: str | None = None,
    *,
    month: date | str | None = None,
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    by: Sequence[str] = (),
    params: Mapping[str, str] | None = None,
) -> Result:
    """Run a canned report.

    The period is `month`, else from `since` to `until`, else this month and the last one. All
    three may be texts, as the command takes them: `2026-10`, `30d`.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        name: Such as `warm-pool-cost`; `sagemaker-exporter report` lists the names.
        argument: The argument of a report that takes one, such as a job's name.
        month: Any day of a calendar month, or `"2026-10"`, `"this"` or `"last"`.
        since: Start date, UTC, inclusive.
        until: End date, UTC, exclusive.
        by: Dimensions such as `family` or `tag:Project`, in place of the report's own.
        params: The report's parameters, as text.

    Returns:
        Typed columns, rows, perhaps a total, and notes on what the total leaves out.

    Raises:
        UsageError: No such report, or the report does not take an argument.
        DatabaseError, SchemaNewerError, BusyError: The file cannot be read.
    """
    from exporter.config.kinds import MONTH, TIME
    from exporter.reports import periods, running
    from exporter.reports.catalogue import find

    chosen = find(name)
    day, first, end = _read(MONTH, month), _read(TIME, since), _read(TIME, until)
    period = None
    if chosen.period or day or first or end:
        period = periods.choose(
            month=day and date(day.year, day.month, 1),
            since=first,
            until=end,
            today=datetime.now(UTC).date(),
            kind=chosen.period,
        )
    request = running.Request(period=period, by=by, params=dict(params or {}), argument=argument)
    with _database(db).reading() as connection:
        return running.run(connection, chosen, request)


def _database(db: StrPath, *, lock_timeout: float = 60.0) -> Database:
    from exporter.store.database import Database

    return Database(Database.parse(os.fspath(db)), lock_timeout=lock_timeout)


def _read(kind: Kind, value: Any) -> Any:  # noqa: ANN401 - each kind has a type of its own
    from exporter.errors import UsageError

    try:
        return kind.read_python(value)
    except ValueError as error:
        raise UsageError(f"{value!r} is not {error}") from None
