"""Every filter of the page gives the figures of the reports with the same options, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.reports import catalogue, running
from exporter.reports.periods import Period, of_month
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.text import visible
from exporter.web.payload import Names
from exporter.web.site.server import Site, of_file
from tests.web.browser import Browser, Page
from tests.web.chance import chance
from tests.web.pages import NOW, DashboardPage

#: The name of each filter, and the column of the reports and of keep-alive-advice that it chooses.
FIELDS = {
    "account": ("account", "account_id"),
    "region": ("region", "region"),
    "family": ("family", "family"),
    "team": ("team", "team"),
    "type": ("instance_type", "instance_type"),
}
BY = tuple(column for column, _ in FIELDS.values())
_READ = """(() => {
    const exact = one => one.querySelector("data")?.value ?? one.textContent;
    const rows = table => Array.from(table.querySelectorAll("tbody tr, tfoot tr"),
        row => Array.from(row.cells, exact));
    return {
        tiles: Object.fromEntries(["all", "pools", "wasted", "reuse"].map(
            code => [code, document.querySelector(`#tile-${code} data`).value])),
        months: rows(document.getElementById("table-months")),
        training: rows(document.getElementById("table-training")),
        families: rows(document.querySelector("#group-family table")),
        teams: rows(document.querySelector("#group-team table")),
        advice: Array.from(document.getElementById("advice-total").cells, exact),
        shown: Array.from(document.querySelectorAll("#actions tr[data-row]:not([hidden])")).length,
        headline: document.getElementById("headline").textContent,
    };
})()"""


@dataclass(frozen=True)
class Filter:
    """A choice of the filters: values by field, and a first and a last month by number."""

    values: Mapping[str, str | None]
    first: int
    last: int

    def has(self, row: Mapping[str, Any], column: int) -> bool:
        """Return whether a row of a report is chosen; a team can be one of several."""
        return all(
            value in (row[FIELDS[name][column]] or "").split(", ")
            if name == "team" and value is not None
            else row[FIELDS[name][column]] == value
            for name, value in self.values.items()
        )


def choices(names: Names, where: str) -> Iterator[Filter]:
    """Yield the whole page, and random filters of up to three fields and some months."""
    yield Filter({}, 0, 11)
    for rng in chance(where):
        fields = rng.sample(list(FIELDS), rng.randrange(4))
        first = rng.randrange(12)
        yield Filter(
            {name: rng.choice(names.values[name]) for name in fields},
            first,
            rng.randrange(first, 12),
        )


def choose(page: Page, names: Names, wanted: Filter) -> Any:
    """Set the filters of the page, and return what it says."""
    chosen = {
        name: str(names.values[name].index(wanted.values[name])) if name in wanted.values else ""
        for name in FIELDS
    } | {"from": str(wanted.first), "through": str(wanted.last)}
    page.evaluate(
        f"""(() => {{
            for (const [name, value] of Object.entries({chosen}))
                document.querySelector(`select[name="${{name}}"]`).value = value;
            document.getElementById("filters").dispatchEvent(new Event("change"));
        }})()"""
    )
    return page.evaluate(_READ)


class Reports:
    """The reports of one database, as rows by column name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, name: str, period: Period, by: Sequence[str] = (), **params: str) -> list[Any]:
        request = running.Request(period, by=by, params=params, now=NOW)
        result = running.run(self._connection, catalogue.find(name), request)
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.rows]


def total(rows: Sequence[Mapping[str, Any]], column: str) -> Decimal:
    return sum((row[column] for row in rows if row[column] is not None), Decimal())


def days(wanted: Filter) -> Period:
    """Return the days of a filter."""
    months = [of_month(date(2025, 12, 1))]
    while len(months) < 12:
        months.append(of_month(months[-1].until))
    return Period(months[wanted.first].since, months[wanted.last].until)


@pytest.mark.parametrize("where", ["file", "site"])
def test_random_filters_give_the_figures_of_the_reports(
    browser: Browser, strange_page: DashboardPage, where: str
) -> None:
    names = Names(strange_page.figures)
    with ExitStack() as stack:
        address: Path | str = strange_page.path
        if where == "site":
            site = stack.enter_context(Site(of_file(strange_page.database), now=lambda: NOW))
            address = f"{site.url}/"
        page = browser.open(address)
        connection = stack.enter_context(Database(strange_page.database).reading())
        reports = Reports(connection)
        period = strange_page.figures.advice.period
        advice = reports.rows("keep-alive-advice", period, top="100000")
        for wanted in choices(names, where):
            said = choose(page, names, wanted)
            _check_costs(reports, wanted, said)
            _check_advice([row for row in advice if wanted.has(row, 1)], said)
        assert page.complaints() == []
        page.evaluate("document.querySelector('#filters button').click()")
        page.wait(f"document.getElementById('headline').textContent === {_first(strange_page)!r}")
        page.close()


def _first(page: DashboardPage) -> str:
    from exporter.web import view

    found = view.view(
        page.figures.cells, view.Selection(page.figures.period), page.figures.period, NOW.date()
    )
    return "".join(visible(part.text) for part in found.headline)


def _check_costs(reports: Reports, wanted: Filter, said: Any) -> None:
    cost, waste, reuse, training = (
        [row for row in reports.rows(name, days(wanted), by) if wanted.has(row, 0)]
        for name, by in (
            ("warm-pool-cost", BY),
            ("warm-pool-waste", (*BY, "month")),
            ("warm-pool-reuse", BY),
            ("training-cost", BY),
        )
    )
    pools, spent = total(cost, "cost_usd"), total(training, "cost_usd")
    assert Decimal(said["tiles"]["pools"]) == pools, wanted
    assert Decimal(said["tiles"]["all"]) == pools + spent, wanted
    assert Decimal(said["tiles"]["wasted"]) == total(waste, "wasted_usd"), wanted
    reused, ended = (int(total(reuse, name)) for name in ("reused", "pools"))
    assert said["tiles"]["reuse"] == f"{reused}/{ended}", wanted
    assert [Decimal(text) for text in said["training"][-1][1:3]] == [spent, pools]
    _check_rows(said["families"], "family", cost, waste, reuse)
    _check_rows(said["teams"], "team", cost, waste, reuse)
    for row in said["months"][:-1]:
        month = [each for each in waste if each["month"] == row[0][:7]]
        assert Decimal(row[1]) == total(month, "wasted_usd"), (wanted, row)
        assert Decimal(row[2]) == total(month, "reused_usd"), (wanted, row)
        assert int(row[4].replace(",", "")) == total(month, "pools"), (wanted, row)


def _check_rows(
    said: Sequence[Sequence[str]],
    name: str,
    cost: Sequence[Mapping[str, Any]],
    waste: Sequence[Mapping[str, Any]],
    reuse: Sequence[Mapping[str, Any]],
) -> None:
    """Check a table of groups: each row, and the total."""
    for row in said:
        value = None if row[0].startswith("no ") else row[0]

        def of(rows: Sequence[Mapping[str, Any]], value: str | None = value) -> list[Any]:
            return [each for each in rows if value == "total" or _shown(each[name]) == value]

        assert Decimal(row[2]) == total(of(waste), "wasted_usd"), row
        assert int(row[5].replace(",", "")) == total(of(reuse), "pools"), row
        assert Decimal(row[7]) == total(of(cost), "cost_usd"), row
    assert len(said) > 1 or not cost


def _shown(name: str | None) -> str | None:
    return None if name is None else visible(name)


def _check_advice(rows: Sequence[Mapping[str, Any]], said: Any) -> None:
    """Check the total of the advice, and that the rows of the report are those on the page."""
    current = total(rows, "current_idle_usd")
    then = sum(
        (
            row["current_idle_usd"] or 0
            if row["suggested_idle_usd"] is None
            else row["suggested_idle_usd"]
            for row in rows
        ),
        Decimal(),
    )
    cells = said["advice"]
    assert Decimal(cells[2]) == current
    assert Decimal(cells[3]) == total(rows, "current_wasted_usd")
    assert Decimal(cells[6]) == current - then
    assert Decimal(cells[7]) == total(rows, "gained_minutes")
    assert said["shown"] == len(rows)


@pytest.mark.parametrize("until", ["2026-11-01", "2026-12-01"])
def test_the_month_and_its_projection_are_those_of_the_summary(
    wide_page: DashboardPage, until: str
) -> None:
    from exporter.web import view

    figures = wide_page.figures
    period = Period(figures.period.since, date.fromisoformat(until))
    found = view.view(figures.cells, view.Selection(period), figures.period, NOW.date())
    tile = found.tiles[0]
    if until == "2026-11-01":
        assert tile.month.startswith("October 2026: ")
        assert tile.heading == ""
        return
    with Database(wide_page.database).reading() as connection:
        result = running.run(connection, catalogue.find("summary"), running.Request(now=NOW))
    names = [column.name for column in result.columns]
    lines = {row[0]: dict(zip(names, row, strict=True)) for row in result.rows}
    month, end = lines["month to date"], lines["end of month"]
    assert tile.month.startswith(f"1–22 November: {view.usd(_pico(month['usd']))}, ")
    change = month["text"].split(", ")[1].split(" than ")[0]
    assert f", {change} than for the same days of October" in tile.month
    middle, low, high = (view.usd(_pico(end[name])) for name in ("usd", "low_usd", "high_usd"))
    low = low.removesuffix(" USD")
    assert tile.heading == f"heading for {middle} ({low}–{high} in 8 of 10 such months)"


def _pico(amount: Decimal) -> int:
    return int(amount.scaleb(12))
