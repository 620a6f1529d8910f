"""What the page shows: the reports it runs, with the words that print each of them again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from exporter.reports import periods, running, status
from exporter.reports.catalogue import find
from exporter.reports.periods import Period
from exporter.reports.result import Result
from exporter.reports.status import Status

#: Calendar months shown unless a period is asked for, the one under way among them.
MONTHS: Final = 12
#: Families whose keep-alive curve is shown.
FAMILIES: Final = 4


@dataclass(frozen=True)
class Shown:
    """A report's result and the command that prints it."""

    result: Result
    command: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its rows by column name."""
        names = [column.name for column in self.result.columns]
        return [dict(zip(names, row, strict=True)) for row in self.result.rows]

    @property
    def total(self) -> dict[str, Any]:
        """Its total by column name; empty where the report found nothing."""
        if self.result.totals is None:
            return {}
        names = [column.name for column in self.result.columns]
        return dict(zip(names, self.result.totals, strict=True))


@dataclass(frozen=True)
class Asked:
    """One report to run for the page."""

    report: str
    by: Sequence[str] = ()
    params: Mapping[str, str] = field(default_factory=dict)

    def run(self, connection: sa.Connection, period: Period) -> Shown:
        """Run it, for the period where it takes one."""
        report = find(self.report)
        days = period if report.period else None
        request = running.Request(period=days, by=self.by, params=self.params)
        result = running.run(connection, report, request)
        return Shown(result, self.command(days))

    def command(self, days: Period | None) -> str:
        """The command line that prints it."""
        words = ["sagemaker-exporter report", self.report]
        if days is not None:
            words.append(f"--since {days.since} --until {days.until}")
        words.extend(f"--by {dimension}" for dimension in self.by)
        words.extend(
            f"--param {shlex.quote(f'{name}={value}')}" for name, value in self.params.items()
        )
        return " ".join(words)


@dataclass(frozen=True)
class Figures:
    """Everything on the page.

    Attributes:
        now: When the page was made, by this machine's clock.
        period: The UTC days its costs are of.
        status: Freshness of every scope.
        by_month: Pools beside training, by month.
        by_month_and_type: The same by month and instance type.
        by_type: The same by instance type.
        waste: Pools that were reused and pools that were not, by month.
        reuse: How often the pools of each family were reused.
        live: What waited at the last look.
        coverage: What the costs rest on.
        advice: Of each of the dearest families, what other keep-alive periods would do.
        advice_command: What prints the same for a FAMILY.
    """

    now: datetime
    period: Period
    status: Status
    by_month: Shown
    by_month_and_type: Shown
    by_type: Shown
    waste: Shown
    reuse: Shown
    live: Shown
    coverage: Shown
    advice: tuple[Shown, ...]
    advice_command: str


def choose(*, since: datetime | None, until: datetime | None, today: date) -> Period:
    """The days asked for; without any, the calendar months that end with the one under way.

    Raises:
        UsageError: A period without a day.
    """
    if since is not None or until is not None:
        return periods.choose(month=None, since=since, until=until, today=today)
    end = periods.of_month(today.replace(day=1)).until
    months = end.year * 12 + end.month - 1 - MONTHS
    return Period(date(months // 12, months % 12 + 1, 1), end)


def read(
    connection: sa.Connection, period: Period, now: datetime, minute_usd: Decimal | None = None
) -> Figures:
    """Run every report of the page over a read-only connection.

    Args:
        connection: It is only read.
        period: The UTC days of the costs.
        now: The time, for the age of the data.
        minute_usd: What a minute that nobody has to wait is worth; None = not said.
    """

    def run(report: str, *by: str, **params: str) -> Shown:
        return Asked(report, by, params).run(connection, period)

    reuse = run("warm-pool-reuse", "family")
    dearest = [row["family"] for row in reuse.rows if row["cost_usd"] and row["family"]]
    alone = {"family": "FAMILY", "top": "1"}
    worth = {} if minute_usd is None else {"minute_usd": format(minute_usd, "f")}
    return Figures(
        now=now,
        period=period,
        status=status.read(connection, now, runs=0),
        by_month=run("warm-pool-cost", "month"),
        by_month_and_type=run("warm-pool-cost", "month", "instance_type"),
        by_type=run("warm-pool-cost", "instance_type"),
        waste=run("warm-pool-waste", "month"),
        reuse=reuse,
        live=run("warm-pool-live"),
        coverage=run("coverage"),
        advice=tuple(
            run("keep-alive-advice", **alone | worth | {"family": family})
            for family in dearest[:FAMILIES]
        ),
        advice_command=Asked("keep-alive-advice", params=alone | worth).command(period),
    )
