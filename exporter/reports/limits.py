"""The limit of `--fail-over`. Pure: a result goes in, a sentence comes out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from exporter.reports import notes
from exporter.reports.catalogue import Report
from exporter.reports.result import Result
from exporter.reports.values import money
from exporter.text import counted

#: A basis without a cost that costs nothing more: the training plan is paid for.
_PAID: Final = "training plan"
#: The column of reports that count the jobs with an unknown part themselves.
_UNPRICED: Final = "unpriced_jobs"


def breach(report: Report, result: Result, limit: Decimal) -> str | None:
    """Return why a total is, or could be, over a limit; None = it is not.

    A part that is not known could be of any size, so it could be over every limit.

    Args:
        report: The report; its `limit` names the column of the total.
        result: Its result; the rows must not be read already if they can be read only once.
        limit: The highest total that is not over the limit, in USD.
    """
    if result.totals is None:
        return None
    index = [column.name for column in result.columns].index(report.limit_column)
    total: Decimal = result.totals[index] or Decimal(0)
    if total > limit:
        return f"{report.limit_column} is {money(total)} USD, over the limit of {money(limit)} USD."
    if unknown := ", ".join(_unknown_parts(report, result, index)):
        return (
            f"{report.limit_column} is {money(total)} USD without its unknown parts ({unknown}), "
            f"which could take it over the limit of {money(limit)} USD."
        )
    return None


def _unknown_parts(report: Report, result: Result, index: int) -> Iterator[str]:
    """Yield why parts of the limited column are not known."""
    if notes.MARK in report.sql and result.columns[index].unit == "money":
        for note in result.notes:
            yield from (reason for reason in note.reasons if reason != _PAID)
    elif _UNPRICED in (names := [column.name for column in result.columns]):
        # This total covers rows that `top` leaves out.
        totals = result.totals or ()
        if jobs := totals[names.index(_UNPRICED)]:
            yield f"{report.limit_column} of {counted(jobs, 'job')}"
    elif missing := sum(row[index] is None for row in result.rows):
        yield f"{report.limit_column} of {counted(missing, 'row')}"
