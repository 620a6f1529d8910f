"""What Python code uses: the same as on the command line, as functions.

Each imports what it needs when it is called, so that `import exporter` costs next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

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
    """A boto3 client for SageMaker whose ListTrainingJobs is answered from the database.

    `client(db).list_training_jobs(**kwargs)` and `client(db).get_paginator("list_training_jobs")`
    take and give what boto3's do, and raise what they raise; every other operation is refused by
    name. Each call sees the newest committed sync and holds no lock when it returns; it waits up
    to a minute for a sync that is writing. No credentials and no network are used. What differs
    from the service, and what is kept in memory: docs/list-training-jobs.md.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        account: The account, 12 digits; may be left out where the file holds one only.
        region: The region; likewise.
        deleted: Also list jobs that AWS has deleted.

    Raises:
        UsageError: The file holds several accounts and regions, and which is meant was not
            said; or it holds none that fits. Both name what there is.
        DatabaseError: No such file, or not a database of this program; calls raise it too.
        SchemaNewerError: The file is of a newer program; likewise.
        BusyError: Something kept the file open for writing for longer than a minute; likewise.
    """
    from exporter.replica import inprocess

    return inprocess.client(db, account, region, deleted)


def connect(db: StrPath) -> duckdb.DuckDBPyConnection:
    """The database, read only, for a notebook: times are UTC, and no other file is reached.

    A sync cannot commit while it is open: close it, use it as a context manager, or connect to a
    snapshot (`sync --snapshot`).

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.

    Raises:
        DatabaseError: No such file, or not a database of this program.
        SchemaNewerError: The file is of a newer program.
        BusyError: A sync kept the file for longer than a minute.
    """
    import duckdb

    from exporter.store import install
    from exporter.store.connections import CLOSE_OFF, OFFLINE, SESSION

    database = _database(db)
    with database.reading() as connection:
        # Opened as the Database class does it, to the letter: DuckDB refuses a file to whoever
        # opens it in another way while it is open, and a client or a report may want it too.
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
        regions: Regions to sync, or `("all",)`; none is the profile's own.
        profile: A profile of the AWS configuration; None is the default session.
        role_arn: A role to assume.
        external_id: The external id for the role.
        config: A `sagemaker-exporter.toml`: its sources, unless some are given here, and its
            families, teams, accounts and discounts. Without it there are none of these, and
            labels that an earlier sync took from a file are made anew without it.
        notify: Told at once, in a sentence, what the user should know.
        options: The fields of `exporter.config.model.SyncOptions`, such as `full=True`; times
            are aware datetimes, or texts as the command takes them.

    Returns:
        What was done, scope by scope.

    Raises:
        ExporterError: The one that the command would exit with; PartialError where some scopes
            are complete and others are not. Nothing is lost, and the next call goes on.
        TypeError: An option that SyncOptions does not have, or a time without its zone.
    """
    from exporter.config import file as settings
    from exporter.config.model import Source, SyncOptions
    from exporter.syncing.run import run_sync

    configured = settings.Settings() if config is None else settings.read(Path(config))
    given = Source(
        profile=profile, role_arn=role_arn, external_id=external_id, regions=tuple(regions)
    )
    sources = [given] if given != Source() else [*configured.sources()] or [given]
    asked = SyncOptions(**{name: _read(name, value) for name, value in options.items()})
    database = _database(db, lock_timeout=asked.lock_timeout)
    done = run_sync(database, sources, asked, configured.configuration(), notify=notify)
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

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        name: Such as `warm-pool-cost`; `sagemaker-exporter report` lists them.
        argument: For those that take one, such as a job's name.
        month: Any day of a calendar month; else `since` and `until`, else this month and the last.
            All three also as the command takes them: `2026-10`, `30d`.
        since: From this UTC day on.
        until: Up to and without this UTC day.
        by: Dimensions such as `family` or `tag:Project`, in the place of the report's own.
        params: The report's parameters, as text.

    Returns:
        Typed columns, rows, perhaps a total, and notes on what the total leaves out.

    Raises:
        UsageError: No such report, or it does not take what is asked.
        DatabaseError, SchemaNewerError, BusyError: The file cannot be read.
    """
    from exporter.reports import periods, running
    from exporter.reports.catalogue import find

    chosen = find(name)
    month, since, until = _month(month), _time(since), _time(until)
    period = None
    if chosen.period or month or since or until:
        period = periods.choose(
            month=month and date(month.year, month.month, 1),
            since=since,
            until=until,
            today=datetime.now(UTC).date(),
            kind=chosen.period,
        )
    request = running.Request(period=period, by=by, params=dict(params or {}), argument=argument)
    with _database(db).reading() as connection:
        return running.run(connection, chosen, request)


def _database(db: StrPath, *, lock_timeout: float = 60.0) -> Database:
    from exporter.store.database import Database

    return Database(Database.parse(os.fspath(db)), lock_timeout=lock_timeout)


def _read(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever option it is
    if name in ("since", "created_after", "created_before"):
        return _time(value)
    return Path(value) if name == "snapshot" and value is not None else value


def _time(value: datetime | str | None) -> datetime | None:
    from exporter.errors import UsageError
    from exporter.times import EXPECTED_TIME, parse_time

    try:
        return parse_time(value, datetime.now(UTC)) if isinstance(value, str) else value
    except ValueError:
        raise UsageError(f"{value!r} is not {EXPECTED_TIME}.") from None


def _month(value: date | str | None) -> date | None:
    from exporter.errors import UsageError

    try:
        return date.fromisoformat(f"{value}-01") if isinstance(value, str) else value
    except ValueError:
        raise UsageError(f"{value!r} is not a month such as 2026-10.") from None
