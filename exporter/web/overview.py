"""The top and the end of the dashboard: headline figures, warnings, freshness and coverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from exporter.reports.result import Column, Result
from exporter.text import counted, last_runs
from exporter.times import format_age
from exporter.web.figures import Figures, ReportRun

#: The page warns about data older than this. Cron usually runs more often.
OLD: Final = timedelta(days=1)
_MOST_ALERTS: Final = 8


@dataclass(frozen=True)
class Tile:
    """A headline figure: its colour, name, value with unit, and a note below it."""

    colour: str
    name: str
    value: str
    note: str


def synced(figures: Figures) -> str:
    """Return what the database covers, and up to when."""
    scopes = figures.status.scopes
    if not scopes:
        return "nothing has been synced yet."
    accounts = counted(len({scope.account_id for scope in scopes}), "account")
    regions = counted(len({scope.region for scope in scopes}), "region")
    jobs = counted(sum(scope.jobs for scope in scopes), "training job")
    known = figures.data_as_of
    as_of = f"Data as of {known:%Y-%m-%d %H:%M} UTC." if known else "No sync is complete yet."
    return f"{accounts}, {regions}, {jobs}. {as_of}"


def tiles(figures: Figures) -> list[Tile]:
    """Return the headline figures; a value is `none` where there is nothing to count."""
    return [
        Tile("var(--pool)", "Warm pool cost", *_cost(figures.by_month)),
        Tile("var(--waste)", "Wasted: never reused", *_wasted(figures.waste)),
        Tile("var(--reuse)", "Pools reused", *_reused(figures.reuse)),
        Tile("var(--open)", "Idle at the last sync", *_idle(figures)),
    ]


def _cost(run: ReportRun) -> tuple[str, str]:
    if not run.totals.get("jobs"):
        return "none", "no job kept a warm pool"
    if not run.totals["times_training"]:
        return run.total("cost_usd"), "no training cost is known to compare with"
    note = f"{run.total('times_training')} the training cost of {run.total('training_usd')}"
    return run.total("cost_usd"), note


def _wasted(run: ReportRun) -> tuple[str, str]:
    # No cost means "unknown" if pools were wasted, and "none" if no pool was.
    value = run.total("wasted_usd") if run.totals.get("wasted_pools") else "none"
    if run.totals.get("wasted_share") is None:
        return value, "no pool with a known cost has ended"
    return value, f"{run.total('wasted_share')} of the cost of ended pools"


def _reused(run: ReportRun) -> tuple[str, str]:
    if not run.totals.get("pools"):
        return "none", "no pool has ended"
    ended = counted(run.totals["pools"], "ended pool")
    return run.total("reuse_rate"), f"{run.totals['reused']:,} of {ended}"


def _idle(figures: Figures) -> tuple[str, str]:
    run, seen = figures.idle, figures.data_as_of
    if run.rows:
        unit = "" if run.totals["usd_per_hour"] is None else " USD/h"
        return run.total("usd_per_hour") + unit, counted(len(run.rows), "idle pool")
    return "none", f"as of {seen:%Y-%m-%d %H:%M} UTC" if seen else "nothing has been synced yet"


def alerts(figures: Figures) -> list[str]:
    """Return what a reader must know before relying on the figures."""
    lines = list(_alerts(figures))
    if len(lines) > _MOST_ALERTS:
        rest = len(lines) - _MOST_ALERTS
        lines[_MOST_ALERTS:] = [f"{rest:,} more: run `sagemaker-exporter status`."]
    return lines


def _alerts(figures: Figures) -> Iterator[str]:
    for scope in figures.status.scopes:
        age = scope.age(figures.now)
        if scope.last_error:
            runs = last_runs(scope.failing_runs or 1)
            yield f"{scope.name} failed in its {runs}: {scope.last_error}"
        if age is None:
            yield f"{scope.name} has never been synced completely."
        elif age > OLD:
            yield f"The data of {scope.name} is {format_age(age)} old."


def scopes(figures: Figures) -> Result | None:
    """Return how fresh and complete each scope is; None if nothing has been synced."""
    if not figures.status.scopes:
        return None
    names = ("jobs", "open jobs", "idle pools", "without details", "without price")
    columns = (
        Column("account"),
        Column("region"),
        Column("data as of", "TIMESTAMP"),
        Column("age", "TIME"),
        *(Column(name, "BIGINT", "count") for name in names),
    )
    rows: list[tuple[Any, ...]] = []
    for scope in figures.status.scopes:
        age = scope.age(figures.now)
        rows.append(
            (
                scope.account_name or scope.account_id,
                scope.region,
                scope.watermark or "not complete yet",
                "" if age is None else format_age(age),
                scope.jobs,
                scope.open_jobs,
                scope.open_pools,
                scope.jobs_without_details,
                scope.jobs_without_price,
            )
        )
    totals = (None, None, None, None, *(sum(row[i] for row in rows) for i in range(4, 9)))
    return Result(columns, rows, totals if len(rows) > 1 else None)


def bases(figures: Figures) -> Result:
    """Return the costs added up by basis; without jobs, which one row may share with another."""
    run = figures.coverage
    wanted = ("basis", "price", "instance_hours", "cost_usd", "remedy")
    columns = {column.name: column for column in run.result.columns}
    sums: dict[tuple[Any, Any, Any], list[Decimal | None]] = {}
    for row in run.rows:
        amounts = sums.setdefault((row["basis"], row["price"], row["remedy"]), [None, None])
        for place, name in enumerate(("instance_hours", "cost_usd")):
            if row[name] is not None:
                amounts[place] = (amounts[place] or Decimal()) + row[name]
    rows = [(basis, price, *amounts, remedy) for (basis, price, remedy), amounts in sums.items()]
    totals = [run.totals[name] for name in wanted] if run.totals else None
    return Result(tuple(columns[name] for name in wanted), rows, totals)
