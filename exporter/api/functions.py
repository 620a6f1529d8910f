"""The main commands as Python functions.

Each function imports what it needs when it is called, so that `import exporter` takes no time. Its
arguments are the options of the command, by their names with underscores. Texts are read as the
command reads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from exporter.spelling import in_python

if TYPE_CHECKING:
    import duckdb

    from exporter.api.arguments import SyncArguments
    from exporter.api.table import Job, Table
    from exporter.config.kinds import Kind
    from exporter.reports.status import Status
    from exporter.store.database import Database
    from exporter.syncing.outcome import SyncReport

StrPath = str | os.PathLike[str]
#: An aware time, a date (its start in UTC), an age before now, or a text: `2026-10-01`, `30d`.
Time = datetime | date | timedelta | str


@in_python
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


@in_python
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
        agent = connection.execute("SELECT current_setting('custom_user_agent')").scalar()
        config = {**OFFLINE, **({"custom_user_agent": agent} if agent else {})}
        opened = duckdb.connect(database.path, read_only=True, config=config)
        if not install.is_installed(connection):
            install.install_temporarily(opened.execute)
    opened.execute(SESSION)
    opened.execute(CLOSE_OFF)
    return opened


@in_python
def sync(
    db: StrPath,
    *,
    regions: str | Sequence[str] = (),
    exclude_regions: str | Sequence[str] = (),
    profile: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    config: StrPath | None = None,
    notify: Callable[[str], None] | None = None,
    **options: Unpack[SyncArguments],
) -> SyncReport:
    """Fetch what changed, store it, and move the watermark; the first run is a backfill.

    Args:
        db: The DuckDB file, created if need be: a path, or a `duckdb:///` URL.
        regions: Regions to sync, or `all`; empty means the region of the profile.
        exclude_regions: Regions to leave out.
        profile: A profile of the AWS configuration; None is the default session.
        role_arn: A role to assume.
        external_id: The external ID for the role.
        config: A `sagemaker-exporter.toml`: its sources, unless the arguments give one, and its
            families, teams, accounts and discounts. What the database keeps of them stays if the
            file has none, or if there is no file.
        notify: Receives each warning at once, as a sentence.
        options: The other options of the command, such as `full=True` and `since="90d"`.

    Returns:
        The outcome, scope by scope.

    Raises:
        ExporterError: The error that the command would exit with; PartialError if some scopes
            are complete and others are not. Nothing is lost, and the next call continues.
        UsageError: A text or a number does not fit its option.
        TypeError: An option that does not exist, or a value of a type that does not fit, such as
            a time without a time zone.
    """
    from exporter.config import file
    from exporter.config.model import Source, SyncOptions
    from exporter.config.options import read_python
    from exporter.syncing.run import run_sync
    from exporter.unattended import reporting

    configured = file.ConfigFile() if config is None else file.read(Path(config))
    given = Source(
        profile=profile,
        role_arn=role_arn,
        external_id=external_id,
        regions=_several(regions),
        exclude_regions=_several(exclude_regions),
    )
    sources = [given] if given != Source() else [*configured.sources] or [given]
    how = read_python(SyncOptions, options)
    database = _database(db, lock_timeout=how.lock_timeout)
    notify = notify or _ignore
    with reporting(database, how, notify=notify) as record:
        done = run_sync(database, sources, how, configured.configuration, notify=notify)
        record(done)
        if done.error is not None:
            raise done.error
    return done


@in_python
def report(
    db: StrPath,
    name: str | None = None,
    argument: str | None = None,
    *,
    month: date | str | None = None,
    since: Time | None = None,
    until: Time | None = None,
    by: str | Sequence[str] = (),
    params: Mapping[str, object] | None = None,
    basis: str = "net",
    lake: str | None = None,
    remote: str | None = None,
    fail_over: Decimal | float | str | None = None,
) -> Table:
    """Run a canned report.

    The period is `month`, else from `since` to `until`, else this month and the last one.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        name: Such as `warm-pool-cost`; None lists the reports.
        argument: The argument of a report that takes one, such as a job's name.
        month: Any day of a calendar month, or a text: `2026-10`, `this` or `last`.
        since: Start date, UTC, inclusive.
        until: End date, UTC, exclusive.
        by: One dimension or several, such as `family` or `tag:Project`, in place of the report's
            own.
        params: The report's parameters by name.
        basis: Costs at what was paid (`net`), or at public list prices (`list`).
        lake: Read this lake in place of the file: a folder, or `s3://BUCKET/PATH`.
        remote: Run the report on this Spark Connect server, over the lake: `sc://HOST:PORT`.
        fail_over: Raise PartialError if the total, with parts not known, could be over this, USD.

    Returns:
        The rows, perhaps a total, and notes on what the total leaves out.

    Raises:
        UsageError: No such report, or the report does not take an argument.
        PartialError: The total could be over the limit.
        DatabaseError, SchemaNewerError, BusyError: The file cannot be read.
        TypeError: A value is of a type that does not fit.
    """
    from exporter.api.table import Table
    from exporter.commands import report as command
    from exporter.config.kinds import MONTH, NUMBER, TIME, one_of
    from exporter.reports import running
    from exporter.reports.catalogue import find

    if name is None:
        return Table(command.all_reports())
    chosen = find(name)
    request = running.Request(
        period=command.choose_period(
            chosen,
            month=_read("month", MONTH, month),
            since=_read("since", TIME, since),
            until=_read("until", TIME, until),
            today=datetime.now(UTC).date(),
        ),
        by=_several(by),
        params={key: str(value) for key, value in (params or {}).items()},
        argument=argument,
    )
    limit = _read("fail_over", NUMBER, fail_over)
    prices = _read("basis", one_of(("list", "net")), basis)
    if limit is not None:
        command.check_has_total(chosen)
    result = command.run(_database(db), chosen, request, basis=prices, lake=lake, remote=remote)
    if limit is not None:
        command.check_limit(chosen, result, limit)
    return Table(result)


@in_python
def jobs(
    db: StrPath,
    *,
    region: str | None = None,
    account: str | None = None,
    name_contains: str | None = None,
    status: str | None = None,
    warm_pool_status: str | None = None,
    training_plan_arn: str | None = None,
    created_after: Time | None = None,
    created_before: Time | None = None,
    modified_after: Time | None = None,
    modified_before: Time | None = None,
    sort_by: str = "CreationTime",
    sort_order: str = "Descending",
    max_results: int | None = None,
    next_token: str | None = None,
    deleted: bool = False,
    lake: str | None = None,
) -> Table:
    """List jobs by the parameters of ListTrainingJobs, from the database.

    Unlike `client`, it lists the jobs of all accounts and regions, and all pages at once.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        region: Only jobs in this region.
        account: Only jobs of this account.
        name_contains: Only jobs whose name contains this text; case counts.
        status: Only jobs with this status, such as `InProgress`.
        warm_pool_status: Only jobs whose warm pool has this status, such as `Available`.
        training_plan_arn: Only jobs on this training plan.
        created_after: Only jobs created after this time.
        created_before: Only jobs created before this time.
        modified_after: Only jobs modified after this time.
        modified_before: Only jobs modified before this time.
        sort_by: `Name`, `CreationTime` or `Status`.
        sort_order: `Ascending` or `Descending`.
        max_results: List at most this many jobs; None lists all.
        next_token: Continue where an earlier list ended (`next_token` of its `more`).
        deleted: Include jobs that AWS has deleted, with the column `deleted_at`.
        lake: Read this lake in place of the file: a folder, or `s3://BUCKET/PATH`.

    Raises:
        UsageError: A value does not fit, or the file has no such account or region.
        DatabaseError, SchemaNewerError, BusyError: The file cannot be read.
        TypeError: A value is of a type that does not fit.
    """
    from exporter.api.table import Table
    from exporter.commands import jobs as command
    from exporter.config.options import read_python

    given = {
        "region": region,
        "account": account,
        "name_contains": name_contains,
        "status": status,
        "warm_pool_status": warm_pool_status,
        "training_plan_arn": training_plan_arn,
        "created_after": created_after,
        "created_before": created_before,
        "modified_after": modified_after,
        "modified_before": modified_before,
        "sort_by": sort_by,
        "sort_order": sort_order,
        "max_results": max_results,
        "next_token": next_token,
        "deleted": deleted,
        "lake": lake,
    }
    wanted = read_python(command.JobsOptions, given)
    with command.listing(_database(db), wanted, datetime.now(UTC)) as (found, notes):
        return Table(command.result(found, notes, deleted=wanted.deleted))


@in_python
def job(
    db: StrPath,
    name: str,
    *,
    account: str | None = None,
    region: str | None = None,
    lake: str | None = None,
) -> list[Job]:
    """Return one job, whole: what it is, its history, cost and pool, and what is not known.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        name: The name, or the ARN.
        account: Only jobs of this account.
        region: Only jobs in this region.
        lake: Read this lake in place of the file: a folder, or `s3://BUCKET/PATH`.

    Returns:
        The jobs of this name, the newest first. Several share it in other accounts and regions, or
        if a name was used again after a deletion.

    Raises:
        UsageError: There is no such job.
        DatabaseError, SchemaNewerError, BusyError: The file cannot be read.
    """
    from exporter.api.table import Job
    from exporter.commands.source import reading
    from exporter.config.kinds import ACCOUNT, REGION
    from exporter.reports import job as reports

    chosen = {
        "account": _read("account", ACCOUNT, account),
        "region": _read("region", REGION, region),
    }
    with reading(_database(db), lake) as connection:
        return [Job(each) for each in reports.read(connection, name, **chosen)]


@in_python
def status(
    db: StrPath,
    *,
    max_age: timedelta | str | None = None,
    runs: int = 5,
    config: StrPath | None = None,
) -> Status:
    """Return how fresh each scope is, what is open or missing, and the last runs.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        max_age: Raise PartialError if the data of any scope is older than this: a timedelta, or a
            text such as `2h`.
        runs: How many of the last runs to return.
        config: A `sagemaker-exporter.toml`; scopes to which its sources do not lead are never too
            old.

    Raises:
        PartialError: The data of a scope is older than `max_age`; the message names it.
        UsageError: A value does not fit, or the configuration is wrong.
        DatabaseError, SchemaNewerError, BusyError: The file cannot be read.
        TypeError: A value is of a type that does not fit.
    """
    from exporter.commands import status as command
    from exporter.config import file
    from exporter.config.kinds import AGE, whole

    configured = file.ConfigFile() if config is None else file.read(Path(config))
    oldest = _read("max_age", AGE, max_age)
    found = command.read(
        _database(db),
        configured.sources,
        file.regions_of_sync(configured),
        now=datetime.now(UTC),
        runs=_read("runs", whole(0), runs),
    )
    if oldest is not None:
        command.check_age(found, oldest)
    return found


@in_python
def reconcile(
    db: StrPath,
    file: StrPath,
    *,
    all: bool = False,
    rates: StrPath | None = None,
    keep: bool = False,
    credits: bool = False,
    check: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Table:
    """Compare a bill with the database: hours and GB-months first, then money.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        file: A file of CUR 2.0, legacy CUR, FOCUS or Cost Explorer, or the folder of an export.
        all: Also return the lines that agree.
        rates: Write the rates that the bill charged to this CSV file, for `prices import`.
        keep: Store what the bill charged: the costs of its days then add up to it, job by job.
            What was kept is in `more["kept"]` of the table.
        credits: With `keep`: subtract the credits on the bill, too.
        check: Raise PartialError if hours or GB-months differ, or if the bill lacks an account.
        notify: Receives a sentence while another sync is waited for.

    Returns:
        One row per line that differs, the one with most money in it first. Its `jobs` are a list
        of the jobs that explain the difference.

    Raises:
        UsageError: The file is no bill that the program knows, or `credits` without `keep`.
        PartialError: The bill and the database differ, and `check` is set.
        DatabaseError, SchemaNewerError, BusyError: The database cannot be read or written.
        TypeError: A value is of a type that does not fit.
    """
    from exporter.api.table import Table
    from exporter.bills import reconcile as compare
    from exporter.commands import reconcile as command
    from exporter.config.kinds import PATH

    path, output = _read("file", PATH, file), _read("rates", PATH, rates)
    command.check_options(keep=keep, with_credits=credits)
    database = _database(db)
    with database.reading() as connection:
        found = compare(connection, path, with_credits=credits)
    kept = None
    if keep:
        kept = command.keep_bill(database, found, path, datetime.now(UTC), notify or _ignore)
    if output is not None:
        command.write_rates(found, output)
    if check:
        command.check(found)
    return Table(command.result(found, every=all, as_data=True, kept=kept))


@in_python
def dashboard(
    db: StrPath,
    output: StrPath,
    *,
    since: Time | None = None,
    until: Time | None = None,
    minute_usd: Decimal | float | str | None = None,
    lake: str | None = None,
) -> Path:
    """Write one HTML page: who wastes what on warm pools, and which settings to change.

    Args:
        db: The DuckDB file: a path, or a `duckdb:///` URL.
        output: The HTML file to write. If an error occurs, an existing file stays as it was.
        since: First UTC day; None = the last 12 calendar months, including this one.
        until: End date, UTC, exclusive.
        minute_usd: What one minute of startup time is worth to you, in USD; None = as in
            keep-alive-advice.
        lake: Read this lake in place of the file: a folder, or `s3://BUCKET/PATH`.

    Returns:
        The path of the file.

    Raises:
        MissingExtra: The extra `dashboard` is not installed.
        UsageError: A value does not fit, or the file cannot be written.
        DatabaseError, SchemaNewerError, BusyError: The database cannot be read.
        TypeError: A value is of a type that does not fit.
    """
    from exporter.commands import dashboard as command
    from exporter.commands.source import reading
    from exporter.config.kinds import NUMBER, PATH, TIME

    path: Path = _read("output", PATH, output)
    command.write(
        partial(reading, _database(db), lake),
        path,
        since=_read("since", TIME, since),
        until=_read("until", TIME, until),
        minute_usd=_read("minute_usd", NUMBER, minute_usd),
        now=datetime.now(UTC),
    )
    return path


def _ignore(_: str) -> None:
    """Take a notice that the caller does not want."""


def _database(db: StrPath, *, lock_timeout: float = 60.0) -> Database:
    from exporter.store.database import Database

    return Database(Database.parse(os.fspath(db)), lock_timeout=lock_timeout)


def _several(values: str | Sequence[str]) -> tuple[str, ...]:
    """Return one value or several as several."""
    return (values,) if isinstance(values, str) else tuple(values)


def _read(name: str, kind: Kind, value: object) -> Any:  # noqa: ANN401 - each kind has its own
    """Return the value of an argument; None = it is not given."""
    from exporter.config.options import read_argument

    return None if value is None else read_argument(name, kind, value)
