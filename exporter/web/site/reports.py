"""The pages `/reports` and `/reports/NAME`: each report with its parameters as a form."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from exporter.config.kinds import MONTH
from exporter.errors import UsageError
from exporter.prices.basis import BASES, LIST, LIST_PRICES, NET
from exporter.reports import catalogue, periods, running
from exporter.reports.catalogue import Report
from exporter.reports.result import Column, Result
from exporter.web.site import choice
from exporter.web.site.limits import TooLong
from exporter.web.site.shell import NoSuchPage, Shell

#: Rows of a report on a page; a download has all.
MOST_ROWS: Final = 1_000


class Reports:
    """Makes the pages."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def index(self, _: Request, style: str = "") -> Response:
        """Return the list of reports."""
        every = list(catalogue.catalogue().values())
        if style:
            columns = (Column("report"), Column("shows"))
            rows = [(each.name, each.title) for each in every]
            return self._shell.data(Result(columns, rows), style, "reports")
        return self._shell.page("reports.html", "/reports", reports=every)

    def page(self, request: Request, style: str = "") -> Response:
        """Return a report: its form and, if its parameters are there, its rows."""
        name = request.path_params["name"]
        if name not in catalogue.catalogue():
            raise NoSuchPage(f"There is no report {name!r}.")
        chosen = catalogue.find(name)
        pairs = request.query_params.multi_items()
        asked = Asked(chosen, pairs, self._shell.now())
        if style:
            return self._shell.data(self._run(asked), style, chosen.name)
        error = result = None
        if asked.is_complete:
            try:
                result = self._run(asked)
            except (UsageError, TooLong) as problem:
                error = str(problem)
        return self._shell.page(
            "report.html",
            "/reports",
            status=400 if error else 200,
            report=chosen,
            asked=asked,
            bases=BASES,
            error=error,
            result=result and replace(result, rows=list(result.rows)[:MOST_ROWS]),
            rows=0 if result is None else len(list(result.rows)),
            most_rows=MOST_ROWS,
            bars=_bars(result),
            sql=asked.sql if result else "",
            command=asked.command,
            data=lambda style: choice.address(f"/reports/{chosen.name}.{style}", pairs),
        )

    def _run(self, asked: Asked) -> Result:
        """Return the result of a report, made once for all readers of a commit."""

        def make() -> Result:
            with self._shell.reading(at_list_prices=asked.basis == LIST) as connection:
                found = running.run(connection, asked.report, asked.request)
                return replace(found, rows=list(found.rows))

        result: Result = self._shell.kept((asked.report.name, tuple(asked.pairs)), make)
        return result


class Asked:
    """What an address asks of a report.

    Args:
        report: The report.
        pairs: Names and values, in order; those without a value count as missing.
        now: The current time.

    Raises:
        UsageError: A parameter is unknown or not what it must be.
    """

    def __init__(self, report: Report, pairs: choice.Pairs, now: datetime) -> None:
        self.report = report
        self.pairs = [(name, value.strip()) for name, value in pairs if value.strip()]
        self.values = dict(self.pairs)
        self.by = [value for name, value in self.pairs if name == "by"]
        self.basis = self.values.get("basis", NET)
        if self.basis not in BASES:
            raise choice.wrong("basis", self.basis, f"one of {', '.join(BASES)}")
        known = {"month", "since", "until", "by", "basis", "param", *report.parameters}
        choice.check_names(self.values, sorted(known))
        self.own = dict(_own(report, self.pairs))
        self.is_complete = all(
            name in self.own for name, each in report.parameters.items() if each.required
        )
        self.request = running.Request(self._period(now), self.by, self.own, now=now)

    def _period(self, now: datetime) -> periods.Period | None:
        month = self.values.get("month")
        since, until = (choice.time(self.values, name, now) for name in ("since", "until"))
        if not (self.report.period or month or since or until):
            return None
        try:
            first = MONTH.read(month) if month else None
        except ValueError as error:
            raise choice.wrong("month", month or "", str(error).rstrip(".")) from None
        return periods.choose(
            month=first,
            since=since,
            until=until,
            today=now.date(),
            kind=self.report.period or "default",
        )

    @property
    def chosen(self) -> list[str]:
        """What is set, for the reader."""
        return [f"{name.replace('_', ' ')} {value}" for name, value in self.pairs]

    @property
    def sql(self) -> str:
        """The SQL with its values, ready to paste."""
        prefix = "".join(f"{each};\n" for each in LIST_PRICES) if self.basis == LIST else ""
        return prefix + running.statement(self.report, self.request).with_literals()

    @property
    def command(self) -> str:
        """The command that prints the same."""
        words = ["sagemaker-exporter", "report", self.report.name]
        for name in ("month", "since", "until"):
            if name in self.values:
                words += [f"--{name}", self.values[name]]
        for dimension in self.by:
            words += ["--by", dimension]
        if self.basis != NET:
            words += ["--basis", self.basis]
        for name, value in self.own.items():
            words += ["--param", f"{name}={value}"]
        return shlex.join(words)


def _own(report: Report, pairs: choice.Pairs) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a report itself: `top=5`, or as on the command line `param=top=5`."""
    for name, value in pairs:
        if name in report.parameters:
            yield name, value
        elif name == "param":
            key, sign, own = value.partition("=")
            if not sign or not key:
                raise choice.wrong("param", value, "NAME=VALUE")
            yield key, own


def _bars(result: Result | None) -> list[str]:
    """Return the length of each row's bar in percent; nothing if the report has no bar."""
    if result is None or not result.bar:
        return []
    index = [column.name for column in result.columns].index(result.bar)
    amounts = [row[index] or 0 for row in result.rows]
    most = max(amounts, default=0)
    if most <= 0:
        return []
    return [f"{max(0, float(100 * amount / most)):.1f}" for amount in islice(amounts, MOST_ROWS)]
