"""`report`: the period that the options choose, the run, and the limit."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from exporter.commands.source import reading
from exporter.errors import PartialError, UsageError
from exporter.prices.basis import LIST
from exporter.reports import periods, running
from exporter.reports.catalogue import Report, catalogue
from exporter.reports.limits import breach
from exporter.reports.periods import Period
from exporter.reports.result import Column, Result
from exporter.spelling import named
from exporter.store.database import Database


def all_reports() -> Result:
    """Return the names and titles of all reports."""
    return Result(
        columns=(Column("report"), Column("shows")),
        rows=[(item.name, item.title) for item in catalogue().values()],
    )


def choose_period(
    chosen: Report,
    *,
    month: date | None,
    since: datetime | None,
    until: datetime | None,
    today: date,
) -> Period | None:
    """Return the period of a report; None if it takes none and none is given.

    Raises:
        UsageError: The options contradict each other, or the period is empty.
    """
    if not (chosen.period or month or since or until):
        return None
    return periods.choose(month=month, since=since, until=until, today=today, kind=chosen.period)


def run(
    database: Database,
    chosen: Report,
    request: running.Request,
    *,
    basis: str,
    lake: str | None = None,
    remote: str | None = None,
) -> Result:
    """Return the complete result of a report.

    Args:
        database: The file; with a lake, it is not opened.
        chosen: The report.
        request: Its options.
        basis: Costs at what was paid (`net`), or at public list prices (`list`).
        lake: The URI of a lake to read in place of the file; None = the file.
        remote: The `sc://` URI of a Spark Connect server that reads the lake; None = DuckDB does.

    Raises:
        UsageError: The report does not take an option, a value is of the wrong kind, or an extra
            is missing.
        StoreError, CredentialsError, ServiceError: The file, lake or server cannot be read.
    """
    running.statement(chosen, request)  # raises for a wrong option before anything is opened
    if remote is not None:
        return _run_remotely(remote, lake, chosen, request, basis)
    with reading(database, lake, basis=basis) as connection:
        return running.run(connection, chosen, request)


def _run_remotely(
    uri: str, lake: str | None, chosen: Report, request: running.Request, basis: str
) -> Result:
    if lake is None:
        raise UsageError(
            f"{named('remote')} needs {named('lake', word='URI')}: the server reads the lake, "
            "not the file."
        )
    if basis == LIST:
        raise UsageError(
            f"{named('basis', word='list')} needs the jobs of the lake in DuckDB: leave out "
            f"{named('remote')}."
        )
    from exporter.publish import reading as lakes
    from exporter.publish.spark import remote

    with remote.opened(uri, lakes.lake(lake)) as source:
        return running.run(source, chosen, request)


def check_has_total(chosen: Report) -> None:
    """Raise UsageError if a report has no total for a limit."""
    if not chosen.limit_column:
        raise UsageError(f"The report {chosen.name} has no total for {named('fail_over')}.")


def check_limit(chosen: Report, result: Result, limit: Decimal) -> None:
    """Raise PartialError if the total of a report is, or could be, over a limit in USD."""
    if reason := breach(chosen, result, limit):
        raise PartialError(reason)
