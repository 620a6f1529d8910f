"""The figures on the dashboard: the reports that it runs, and the commands that print them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

import sqlalchemy as sa

from exporter.reports import catalogue, periods, running, status
from exporter.reports.periods import Period
from exporter.reports.result import Result, Row
from exporter.reports.status import Status
from exporter.reports.values import shown

#: Calendar months shown by default, including the current month.
MONTHS: Final = 12
#: Families whose keep-alive curve is shown.
FAMILIES: Final = 4
#: Notes that hold for the whole page. The page shows them once, at its end.
_PAGE_NOTES: Final = frozenset(
    {"list_prices", "as_of", "empty", "failed_scope", "incomplete_scope", "late_start"}
)


@dataclass(frozen=True)
class ReportRun:
    """The result of one report and the command line that prints it."""

    result: Result
    command: str

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [self._by_name(row) for row in self.result.rows]

    @cached_property
    def totals(self) -> dict[str, Any]:
        """The totals by column name; empty if the report has no row."""
        return {} if self.result.totals is None else self._by_name(self.result.totals)

    @cached_property
    def notes(self) -> list[str]:
        """The notes on these figures, without those that hold for the whole page."""
        return [note.text for note in self.result.notes if note.code not in _PAGE_NOTES]

    def text(self, row: Mapping[str, Any], name: str) -> str:
        """Return a row's value as the reports show it, with its currency; `unknown` for None."""
        column = next(column for column in self.result.columns if column.name == name)
        if row[name] is None:
            return "unknown"
        return shown(row[name], column.unit) + (" USD" if column.unit == "money" else "")

    def total(self, name: str) -> str:
        """Return the total of a column, as `text` does for a row."""
        return self.text(self.totals, name)

    def tooltip(self, row: Mapping[str, Any], **titles: str) -> dict[str, str]:
        """Return the tooltip of a row, a text by title; `titles` are by column name."""
        return {title: self.text(row, name) for name, title in titles.items()}

    def _by_name(self, row: Row) -> dict[str, Any]:
        return dict(zip((column.name for column in self.result.columns), row, strict=True))


@dataclass(frozen=True)
class Figures:
    """All figures on the dashboard.

    Attributes:
        now: When the page was made, by this machine's clock.
        period: The UTC days that the costs cover.
        status: How fresh each scope is.
        by_month: Warm pool and training cost by month.
        by_month_and_type: Warm pool and training cost by month and instance type.
        by_type: Warm pool and training cost by instance type.
        waste: Cost of reused and of wasted pools by month.
        reuse: Reuse rate by family.
        idle: Pools that were idle at the last sync.
        coverage: Cost by basis, component and instance type.
        keep_alive: For each of the most expensive families, what other keep-alive periods
            would cost and save.
        keep_alive_command: The command that prints `keep_alive` for a FAMILY.
    """

    now: datetime
    period: Period
    status: Status
    by_month: ReportRun
    by_month_and_type: ReportRun
    by_type: ReportRun
    waste: ReportRun
    reuse: ReportRun
    idle: ReportRun
    coverage: ReportRun
    keep_alive: tuple[ReportRun, ...]
    keep_alive_command: str

    @property
    def data_as_of(self) -> datetime | None:
        """The time up to which every synced scope is complete; None if no scope is."""
        known = [scope.watermark for scope in self.status.scopes if scope.watermark is not None]
        return min(known, default=None)


def choose_period(*, since: datetime | None, until: datetime | None, today: date) -> Period:
    """Return the requested UTC days, or the last calendar months including the current one.

    Raises:
        UsageError: The period holds no day.
    """
    if since is not None or until is not None:
        return periods.choose(month=None, since=since, until=until, today=today)
    end = periods.of_month(today.replace(day=1)).until
    months = end.year * 12 + end.month - 1 - MONTHS
    return Period(date(months // 12, months % 12 + 1, 1), end)


def read(
    connection: sa.Connection, period: Period, now: datetime, minute_usd: Decimal | None = None
) -> Figures:
    """Run all reports of the dashboard.

    Args:
        connection: A read-only connection.
        period: The UTC days that the costs cover.
        now: The current time, to tell how old the data is.
        minute_usd: What one minute of startup time is worth, in USD; None = no suggestions.
    """

    def run(name: str, *by: str, **params: str) -> ReportRun:
        report = catalogue.find(name)
        days = period if report.period else None
        request = running.Request(period=days, by=by, params=params, now=now)
        return ReportRun(running.run(connection, report, request), _command(name, days, by, params))

    reuse = run("warm-pool-reuse", "family")
    expensive = [row["family"] for row in reuse.rows if row["cost_usd"] and row["family"]]
    worth = {} if minute_usd is None else {"minute_usd": format(minute_usd, "f")}
    curve = {"family": "FAMILY", "top": "1"} | worth
    return Figures(
        now=now,
        period=period,
        status=status.read(connection, now, runs=0),
        by_month=run("warm-pool-cost", "month"),
        by_month_and_type=run("warm-pool-cost", "month", "instance_type"),
        by_type=run("warm-pool-cost", "instance_type"),
        waste=run("warm-pool-waste", "month"),
        reuse=reuse,
        idle=run("warm-pool-live"),
        coverage=run("coverage"),
        keep_alive=tuple(
            run("keep-alive-curve", **curve | {"family": family}) for family in expensive[:FAMILIES]
        ),
        keep_alive_command=_command("keep-alive-curve", period, (), curve),
    )


def _command(
    report: str, period: Period | None, by: Sequence[str], params: Mapping[str, str]
) -> str:
    words = ["sagemaker-exporter", "report", report]
    if period is not None:
        words += ["--since", str(period.since), "--until", str(period.until)]
    for dimension in by:
        words += ["--by", dimension]
    for name, value in params.items():
        words += ["--param", f"{name}={value}"]
    return shlex.join(words)
