"""The figures on the dashboard, from one connection: cells, advice, idle pools and freshness."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from exporter.reports import catalogue, keep_alive, notes, periods, running, status
from exporter.reports.periods import Period
from exporter.reports.result import Note, Result
from exporter.reports.status import Status
from exporter.store.connections import Connection
from exporter.web import cells
from exporter.web.cells import Cells

#: Calendar months shown by default, including the current month.
MONTHS: Final = 12
#: Rows of the advice whose keep-alive curve is shown.
CURVES: Final = 20


@dataclass(frozen=True)
class Curve:
    """The rows of keep-alive-curve for one row of the advice."""

    place: int
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Advice:
    """The rows of keep-alive-advice by column name, those with a change first.

    Attributes:
        period: The days that the replay covers.
        rows: All rows, the changes that save most first.
        total: The total row of the report.
        curves: Curves of the first rows.
        minute_usd: What a minute without waiting counts, in USD.
        command: The command that prints the same.
    """

    period: Period
    rows: Sequence[Mapping[str, Any]]
    total: Mapping[str, Any]
    curves: Sequence[Curve]
    minute_usd: Decimal
    command: str


@dataclass(frozen=True)
class Figures:
    """All figures on the dashboard.

    Attributes:
        now: When the page was made, by this machine's clock.
        period: The UTC days that the costs cover.
        status: How fresh each scope is.
        cells: The sums from which the page adds up its costs.
        advice: Which keep-alive periods to set.
        idle: The report warm-pool-live: pools that were idle at the last sync.
        notes: What the totals leave out, which prices they use, and how fresh they are.
    """

    now: datetime
    period: Period
    status: Status
    cells: Cells
    advice: Advice
    idle: Result
    notes: Sequence[Note]

    @property
    def accounts(self) -> dict[str, str | None]:
        """The names of the accounts by id."""
        return {scope.account_id: scope.account_name for scope in self.status.scopes}

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
    connection: Connection, period: Period, now: datetime, minute_usd: Decimal | None = None
) -> Figures:
    """Read all figures of the dashboard.

    Args:
        connection: A read-only connection.
        period: The UTC days that the costs cover.
        now: The current time, to tell how old the data is.
        minute_usd: What one minute of startup time is worth, in USD; None = as in the report.
    """
    found = cells.read(connection, period, now.date())
    return Figures(
        now=now,
        period=period,
        status=status.read(connection, now, runs=0),
        cells=found.cells,
        advice=_advice(connection, period, now, minute_usd),
        idle=running.run(connection, catalogue.find("warm-pool-live"), running.Request(now=now)),
        notes=(
            *notes.of_total(found.figures, period),
            *notes.of_freshness(connection, period),
            *notes.of_collectors(connection, now),
        ),
    )


def advice_period(period: Period) -> Period:
    """Return the last two calendar months of a period: older habits say little of what to set."""
    month = periods.of_month((period.until - periods.DAY).replace(day=1))
    return Period(max(period.since, month.before.since), period.until)


def _advice(
    connection: Connection, period: Period, now: datetime, minute_usd: Decimal | None
) -> Advice:
    report = catalogue.find("keep-alive-advice")
    days = advice_period(period)
    params = {} if minute_usd is None else {"minute_usd": format(minute_usd, "f")}
    built = running.statement(report, running.Request(days, params=params, now=now))
    answer = connection.execute(built.sql, dict(built.values))
    default = report.parameters["minute_usd"].default
    worth = Decimal(str(default)) if minute_usd is None else minute_usd
    advised = keep_alive.advised(map(dict, answer.mappings()), worth)
    total = keep_alive.total([each.row for each in advised])
    # Stable: rows that save as much stay in the report's order, most wasted money first.
    advised.sort(key=lambda each: (not is_change(each.row), -saving(each.row)))
    curves = [Curve(place, each.curve()) for place, each in enumerate(advised[:CURVES])]
    words = ["sagemaker-exporter", "report", report.name]
    words += ["--since", str(days.since), "--until", str(days.until), "--param", "top=100000"]
    for name, value in params.items():
        words += ["--param", f"{name}={value}"]
    return Advice(
        period=days,
        rows=[each.row for each in advised],
        total=total,
        curves=[curve for curve in curves if curve.rows],
        minute_usd=worth,
        command=shlex.join(words),
    )


def saving(row: Mapping[str, Any]) -> Decimal:
    """Return what the suggestion of a row saves a month in USD; 0 = it has none."""
    if row["suggested_idle_usd"] is None or row["current_idle_usd"] is None or not is_change(row):
        return Decimal()
    difference: Decimal = row["current_idle_usd"] - row["suggested_idle_usd"]
    return difference


def is_change(row: Mapping[str, Any]) -> bool:
    """Return whether a row of keep-alive-advice suggests another period than the current one."""
    seconds = row["suggested_keep_alive_seconds"]
    # A family without a job that ended has no setting to change.
    if seconds is None or row["current_min_seconds"] is None:
        return False
    return {row["current_min_seconds"], row["current_max_seconds"]} != {seconds}
