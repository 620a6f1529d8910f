"""The page `/`: the dashboard over the current data, and its table of what to change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from exporter.reports import catalogue, running
from exporter.reports.result import Result
from exporter.web import figures, page
from exporter.web.figures import Figures
from exporter.web.site import choice
from exporter.web.site.shell import Shell

#: Seconds after which the page is made again, because it says how old the data is.
_AGE: Final = 600
_NAMES: Final = ("since", "until", "minute_usd")


@dataclass(frozen=True)
class Made:
    """The page, and the rows of what to change."""

    markup: str
    actions: Result


class Overview:
    """Makes the page."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def page(self, request: Request, style: str = "") -> Response:
        """Return the dashboard, or its table of what to change as data.

        Raises:
            UsageError: A parameter is unknown or not what it must be.
        """
        now = self._shell.now()
        values = choice.single(request.query_params.multi_items(), _NAMES)
        since, until = (choice.time(values, name, now) for name in ("since", "until"))
        minute_usd = choice.amount(values, "minute_usd")
        period = figures.choose_period(since=since, until=until, today=now.date())

        def make() -> Made:
            with self._shell.reading() as connection:
                found = figures.read(connection, period, now, minute_usd)
            return Made(page.render(found, self._shell.frame("/")), actions(found))

        key = ("/", str(period), str(minute_usd), int(now.timestamp()) // _AGE)
        made: Made = self._shell.kept(key, make)
        if style:
            return self._shell.data(made.actions, style, "what-to-change")
        return HTMLResponse(made.markup)


def actions(found: Figures) -> Result:
    """Return the rows of keep-alive-advice in the order of the page, the largest saving first."""
    report = catalogue.find("keep-alive-advice")
    names = [name for name in report.columns if name != "iam_statement"]
    advice = found.advice
    return Result(
        tuple(
            replace(column, type=running.TYPES.get(column.unit, "VARCHAR"))
            for column in map(report.columns.__getitem__, names)
        ),
        [tuple(row[name] for name in names) for row in advice.rows],
        totals=tuple(advice.total.get(name) for name in names),
        notes=tuple(found.notes),
        report=report.name,
        title="What to change",
        period=advice.period,
    )
