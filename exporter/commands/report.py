"""`report`: the period that the options choose, the run, and the limit."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from exporter.errors import PartialError, UsageError
from exporter.prices.basis import LIST, use_list_prices
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


def run(database: Database, chosen: Report, request: running.Request, *, basis: str) -> Result:
    """Return the complete result of a report; its costs are at list prices if `basis` says so.

    Raises:
        UsageError: The report does not take an option, or a value is of the wrong kind.
        DatabaseError, BusyError, SchemaNewerError: The file cannot be read.
    """
    running.statement(chosen, request)  # raises for a wrong option before the file is opened
    with database.reading() as connection:
        if basis == LIST:
            use_list_prices(connection)
        return running.run(connection, chosen, request)


def check_has_total(chosen: Report) -> None:
    """Raise UsageError if a report has no total for a limit."""
    if not chosen.limit_column:
        raise UsageError(f"The report {chosen.name} has no total for {named('fail_over')}.")


def check_limit(chosen: Report, result: Result, limit: Decimal) -> None:
    """Raise PartialError if the total of a report is, or could be, over a limit in USD."""
    if reason := breach(chosen, result, limit):
        raise PartialError(reason)
