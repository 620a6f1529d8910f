"""The charts and tables of each section of the dashboard, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from exporter.reports.result import Result
from exporter.reports.values import duration, shown
from exporter.text import counted
from exporter.web import charts
from exporter.web.charts import Band, Bar, Months, Part, Point, Spec
from exporter.web.figures import Figures, ReportRun

MOST_BARS: Final = 15
MOST_IDLE_POOLS: Final = 20

_LETTERS: Final = "ABCDEF"
_TRAINING: Final = Band("training", "", "var(--train)")
_POOLS: Final = Band("warm pools", "", "var(--pool)")
_REUSED: Final = Band("reused: another job took the pool over", "↑", "var(--reuse)")
_WASTED: Final = Band("wasted: no job took the pool over", "↓", "var(--waste)")

_COMPARED: Final = {
    "cost_usd": "warm pools",
    "training_usd": "training",
    "times_training": "pools ÷ training",
}

#: What the column `mark` of keep-alive-advice says of a period.
_CURRENT: Final = "current"
_SUGGESTED: Final = "suggested"
#: Periods to label on a curve where there is room, in seconds, most important first.
_LABELLED: Final = (900, 1800, 300, 3600, 7200, 10800, 14400)


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        name: The name in the page, part of the element's id.
        spec: The Vega-Lite specification.
        alt: What the chart says, in words, for readers who do not see it.
        bands: What its colours stand for; empty if it has only one.
    """

    name: str
    spec: Spec
    alt: str
    bands: Sequence[Band] = ()


@dataclass(frozen=True)
class KeepAlive:
    """A family's keep-alive periods on one instance type; no chart if the price is unknown."""

    heading: str
    summary: str
    chart: Chart | None
    result: Result


def pool_cost(figures: Figures) -> Chart | None:
    """Return warm pool cost, stacked by instance type; None if no cost is known."""
    run, by_month = figures.by_month_and_type, figures.by_month
    rows = [row for row in run.rows if row["cost_usd"]]
    if not rows:
        return None
    months = _months(by_month, figures)
    bands, band_of = _type_bands(figures.by_type)
    highest = max(by_month.rows, key=lambda row: row["cost_usd"] or 0)
    alt = (
        f"Stacked columns: warm pool cost in USD by month, {months.names[0]} to "
        f"{months.names[-1]}, divided by instance type. The total is {run.total('cost_usd')}. "
        f"The most expensive month is {highest['month']} with {by_month.text(highest, 'cost_usd')}."
    )
    parts = _stack(rows, months, bands, band_of)
    return Chart("pool-cost", charts.stacked_columns(parts, months, bands), alt, bands)


def _type_bands(by_type: ReportRun) -> tuple[list[Band], dict[str | None, Band]]:
    """Return a band for each of the most expensive types, and one for all others."""
    types = [row["instance_type"] for row in by_type.rows if row["cost_usd"]]
    named, rest = types[: len(_LETTERS)], types[len(_LETTERS) :]
    bands = [
        Band(name or "unknown type", letter, f"var(--k{place})")
        for place, (name, letter) in enumerate(zip(named, _LETTERS, strict=False), 1)
    ]
    band_of = dict(zip(named, bands, strict=True))
    if rest:
        name = f"{len(rest)} other types" if len(rest) > 1 else rest[0] or "unknown type"
        bands.append(Band(name, "+", "var(--k0)"))
        band_of |= dict.fromkeys(rest, bands[-1])
    return bands, band_of


def _stack(
    rows: Sequence[Mapping[str, Any]],
    months: Months,
    bands: Sequence[Band],
    band_of: Mapping[str | None, Band],
) -> list[Part]:
    sums: dict[tuple[str, Band], tuple[Decimal, Decimal]] = {}
    for row in rows:
        key = row["month"], band_of[row["instance_type"]]
        cost, hours = sums.get(key, (Decimal(), Decimal()))
        sums[key] = cost + row["cost_usd"], hours + (row["instance_hours"] or 0)
    stack = []
    for month in months.names:
        low = Decimal()
        for band in bands:
            cost, hours = sums.get((month, band), (Decimal(), Decimal()))
            tooltip = {
                "month": month,
                "instance type": band.name,
                "cost": f"{shown(cost, 'money')} USD",
                "idle instance hours": shown(hours, "hours"),
            }
            if cost:
                stack.append(Part(month, band, float(low + cost), tooltip, float(low)))
            low += cost
    return stack


def waste(figures: Figures) -> Chart | None:
    """Return the cost of reused and of wasted pools by month; None if no cost is known."""
    run = figures.waste
    titles = {
        "month": "month",
        "reused_usd": "reused",
        "wasted_usd": "wasted",
        "wasted_share": "share wasted",
        "pools": "ended pools",
        "wasted_pools": "wasted pools",
    }
    bands = (_REUSED, _WASTED)
    parts = [
        Part(row["month"], band, sign * float(row[name]), run.tooltip(row, **titles))
        for row in run.rows
        for band, name, sign in ((_REUSED, "reused_usd", 1), (_WASTED, "wasted_usd", -1))
        if row[name] is not None
    ]
    if not parts:
        return None
    wasted = run.total("wasted_usd") if run.totals["wasted_pools"] else "none"
    alt = (
        f"Columns by month. Above the line is the cost of reused pools, {run.total('reused_usd')} "
        f"in total. Below the line is the cost of wasted pools, {wasted} in total. The wasted "
        f"share is {run.total('wasted_share')}."
    )
    spec = charts.opposed_columns(parts, _months(run, figures), bands)
    return Chart("waste", spec, alt, bands)


def reuse(figures: Figures) -> Chart | None:
    """Return the reuse rates of the most expensive families; None if no pool has ended."""
    run = figures.reuse
    rows = [row for row in run.rows if row["reuse_rate"] is not None][:MOST_BARS]
    if not rows:
        return None
    lowest = min(rows, key=lambda row: row["reuse_rate"])
    alt = (
        f"Bars of the reuse rate of {len(rows)} of {counted(len(run.rows), 'family', 'families')}, "
        f"most expensive first. Over all families, {run.totals['reused']:,} of "
        f"{counted(run.totals['pools'], 'ended pool')} were reused, or {run.total('reuse_rate')}. "
        f"The lowest rate shown is {run.text(lowest, 'reuse_rate')}, of {lowest['family']}."
    )
    titles = {
        "family": "family",
        "reuse_rate": "reuse rate",
        "reused": "reused pools",
        "pools": "ended pools",
        "median_wait_seconds": "median idle time if reused",
        "cost_usd": "cost of all its pools",
    }
    spec = charts.shares(_bars(run, rows, titles), title="pools reused", colour="var(--reuse)")
    return Chart("reuse", spec, alt)


def idle(figures: Figures) -> Chart | None:
    """Return what each idle pool costs per hour; None unless two pools can be compared."""
    run = figures.idle
    rows = [row for row in run.rows if row["usd_per_hour"]][:MOST_BARS]
    if len(rows) < 2:
        return None
    titles = {
        "job": "job",
        "usd_per_hour": "USD per hour",
        "instance_type": "instance type",
        "instances": "instances",
        "accrued_usd": "cost to date",
        "waits_since": "idle since",
        "ends_by": "ends by",
    }
    bars = _bars(run, rows, titles)
    alt = (
        f"Bars of the hourly cost of each idle pool, by job. The most expensive is {bars[0].name} "
        f"with {bars[0].label} USD per hour."
    )
    return Chart("idle", charts.amounts(bars, title="USD per hour", colour="var(--pool)"), alt)


def _bars(
    run: ReportRun, rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str]
) -> list[Bar]:
    """Return a bar a row; the first column of `titles` names it, the second is its length."""
    name, length, *_ = titles
    return [
        Bar(
            row[name] or f"unknown {titles[name]}",
            float(row[length]),
            run.text(row, length),
            run.tooltip(row, **titles),
        )
        for row in rows
    ]


def idle_hidden(figures: Figures) -> set[str]:
    """Return the columns that the table of idle pools leaves out."""
    one_region = len({row["region"] for row in figures.idle.rows}) == 1
    return {"end_command", "region"} if one_region else {"end_command"}


def end_commands(figures: Figures) -> list[str]:
    """Return the commands that would end the idle pools."""
    return [row["end_command"] for row in figures.idle.rows[:MOST_IDLE_POOLS] if row["end_command"]]


def keep_alive(figures: Figures) -> list[KeepAlive]:
    """Return the keep-alive periods of the most expensive families."""
    runs = [run for run in figures.keep_alive if run.rows]
    return [_keep_alive(run, f"keep-alive-{place}") for place, run in enumerate(runs)]


def _keep_alive(run: ReportRun, name: str) -> KeepAlive:
    rows = run.rows
    heading = f"{rows[0]['family']} on {rows[0]['instance_type']}"
    # The minutes saved are unknown if the period holds no warm start.
    saves_minutes = all(row["saved_minutes"] is not None for row in rows)
    across = "saved_minutes" if saves_minutes else "reuses"
    title = "startup minutes saved per month" if saves_minutes else "reused pools in the period"
    points = [
        Point(
            float(row[across]),
            float(row["idle_usd"]),
            _short(row["keep_alive_seconds"]),
            _CURRENT in row["mark"],
            run.tooltip(row, **_keep_alive_titles(row)),
        )
        for row in rows
        if row["idle_usd"] is not None
    ]
    summary = " ".join(_keep_alive_summary(run))
    chart = None
    if points:
        spec = charts.curve(points, title=title, labels=[_short(length) for length in _LABELLED])
        chart = Chart(name, spec, f"Curve for {heading}. {summary}")
    return KeepAlive(heading, summary, chart, run.result)


def _keep_alive_titles(row: Mapping[str, Any]) -> dict[str, str]:
    titles = {
        "keep_alive_seconds": "keep-alive period",
        "idle_usd": "idle cost per month",
        "saved_minutes": "minutes saved per month",
        "reuses": "reused pools",
        "ends": "of pools in the period",
        "usd_per_minute": "cost of one more minute",
        "net_usd": "net benefit per month",
    }
    optional = {"saved_minutes", "usd_per_minute", "net_usd"}
    unknown = {name for name in optional if row[name] is None}
    return {name: title for name, title in titles.items() if name not in unknown}


def _keep_alive_summary(run: ReportRun) -> Iterator[str]:
    for row in run.rows:
        period = _short(row["keep_alive_seconds"])
        if _CURRENT in row["mark"]:
            gain = f"{run.text(row, 'saved_minutes')} startup minutes saved"
            if row["saved_minutes"] is None:
                gain = f"{row['reuses']:,} of {row['ends']:,} pools reused, minutes saved unknown"
            yield f"Current period {period}: {run.text(row, 'idle_usd')} per month, {gain}."
        if _SUGGESTED in row["mark"]:
            gain = f"{run.text(row, 'gain_usd')} per month better than the current one"
            yield f"Suggested period {period}: {gain}."


def _short(seconds: int) -> str:
    if not seconds:
        return "none"
    if seconds % 3600 == 0:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds % 60 == 0 else duration(seconds)


def training(figures: Figures) -> Chart | None:
    """Return training cost next to warm pool cost, by month; None if no cost is known."""
    run = figures.by_month
    rows = [row for row in run.rows if row["cost_usd"] or row["training_usd"]]
    if not rows:
        return None
    alt = (
        f"Pairs of columns by month: training, {run.total('training_usd')} in total, and warm "
        f"pools, {run.total('cost_usd')} in total. Warm pool cost ÷ training cost is "
        f"{run.total('times_training')}."
    )
    titles = {"month": "month", "training_usd": "training"} | _COMPARED
    bands = (_TRAINING, _POOLS)
    parts = [
        Part(row["month"], band, float(row[name]), run.tooltip(row, **titles))
        for row in rows
        for band, name in ((_TRAINING, "training_usd"), (_POOLS, "cost_usd"))
        if row[name] is not None
    ]
    spec = charts.paired_columns(parts, _months(run, figures), bands)
    return Chart("training", spec, alt, bands)


def ratio(figures: Figures) -> Chart | None:
    """Return warm pool cost ÷ training cost by instance type; None if no ratio is known."""
    run = figures.by_type
    rows = [row for row in run.rows if row["cost_usd"] and row["times_training"]]
    if not rows:
        return None
    rows.sort(key=lambda row: -row["times_training"])
    titles = {"instance_type": "instance type", "times_training": "pools ÷ training"} | _COMPARED
    bars = _bars(run, rows[:MOST_BARS], titles)
    alt = (
        f"Bars by instance type. The longest is {bars[0].name}: its warm pools cost "
        f"{bars[0].label} its training."
    )
    title = "warm pool cost ÷ training cost"
    spec = charts.amounts(bars, title=title, colour=_POOLS.colour, line_at=1.0)
    return Chart("ratio", spec, alt)


def _months(run: ReportRun, figures: Figures) -> Months:
    """Return all months from the first with a cost to the last, including those without one."""
    spent = [row["month"] for row in run.rows if _has_cost(row)]
    names = []
    if spent:
        year, month = map(int, min(spent).split("-"))
        while (name := f"{year:04}-{month:02}") <= max(spent):
            names.append(name)
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    last = figures.data_as_of
    return Months(names, f"{last:%Y-%m}" if last else "")


def _has_cost(row: Mapping[str, Any]) -> bool:
    return any(isinstance(value, Decimal) and value for value in row.values())
