"""The top of the page and its end: headline figures, warnings, freshness, words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from exporter.dashboard import html, pools
from exporter.dashboard.figures import Figures, Shown
from exporter.dashboard.parts import (
    Drawn,
    folded_table,
    nothing,
    percent,
    section,
    times,
    usd,
)
from exporter.reports.result import Column, Result
from exporter.text import counted, last_runs
from exporter.times import format_age, format_time

#: Data older than this is called old on the page; cron runs more often than that.
OLD: Final = timedelta(days=1)
_MOST_ALERTS: Final = 8
_MOST_SCOPES: Final = 250
_MOST_BASES: Final = 25

_WORDS: Final = (
    (
        "warm pool",
        "The instances of a job that are kept after it ended (KeepAlivePeriodInSeconds), so that "
        "a like job can start on them at once. The wait is billed as the training is.",
    ),
    ("idle instance hours", "Seconds of waiting × instances ÷ 3600."),
    ("reused", "The next job came while the instances waited."),
    ("nobody came", "The wait ended without a next job: it bought nothing."),
    (
        "family",
        "Jobs that belong together by their name, tags or tuning job, such as all the executions "
        "of one pipeline step.",
    ),
    ("so far", "Not settled yet: it still grows."),
    ("–", "There is none, or it is not known; the notes below a chart say which. Never zero."),
)


def head(figures: Figures) -> str:
    """Title, what the page is about, warnings and headline figures."""
    scopes = figures.status.scopes
    accounts = len({scope.account_id for scope in scopes})
    where = (
        f"{counted(accounts, 'account')}, {counted(len({s.region for s in scopes}), 'region')}, "
        f"{counted(sum(scope.jobs for scope in scopes), 'training job')}"
        if scopes
        else "nothing synced yet"
    )
    return (
        '<a class="skip" href="#main">Skip to the figures</a><header>'
        "<h1>What SageMaker warm pools cost</h1>"
        f'<p class="lead">{html.text(figures.period)}; {html.text(where)}. '
        f"{html.text(_as_of(figures))}</p>{_alerts(figures)}</header>"
    )


def tiles(figures: Figures) -> str:
    """The few figures to read when there is time for nothing else."""
    cost, waste, reuse = figures.by_month.total, figures.waste.total, figures.reuse.total
    jobs = cost.get("jobs") or 0
    training = cost.get("training_usd")
    ended = waste.get("pools") or 0
    burn, seen = pools.waiting_tile(figures)
    cells = (
        (
            "var(--pool)",
            "Warm pools cost",
            usd(cost.get("cost_usd")) if jobs else "none",
            f"{times(cost['times_training'])} the training's {usd(training)}"
            if cost.get("times_training")
            else "no training with a known cost beside them"
            if jobs
            else "no job kept its instances",
        ),
        (
            "var(--waste)",
            "Of it wasted: nobody came",
            _wasted(waste) if ended else "none",
            f"{percent(waste['wasted_share'])} of what ended pools cost"
            if ended and waste["wasted_share"] is not None
            else "no pool with a known cost ended",
        ),
        (
            "var(--reuse)",
            "Pools that were reused",
            percent(reuse["reuse_rate"]) if reuse.get("pools") else "none",
            f"{reuse['reused']:,} of {reuse['pools']:,}" if reuse.get("pools") else "no pool ended",
        ),
        ("var(--open)", "Waiting at the last look", burn, seen),
    )
    return f'<dl class="tiles">{"".join(_tile(*cell) for cell in cells)}</dl>'


def _wasted(total: Mapping[str, Any]) -> str:
    # Pools were wasted at no known cost, or none was wasted: only the first is unknown.
    return usd(total["wasted_usd"]) if total["wasted_pools"] else "none"


def _tile(tone: str, name: str, figure: str, note: str) -> str:
    number, _, unit = figure.partition(" ") if figure[:1].isdigit() else (figure, "", "")
    words = "" if number[:1].isdigit() else " words"
    return (
        f'<div class="tile" style="--tone: {tone}"><dt>{html.text(name)}</dt>'
        f'<dd><div class="figure{words}">{html.text(number)} '
        f'<span class="unit">{html.text(unit)}</span></div>'
        f'<div class="note">{html.text(note)}</div></dd></div>'
    )


def freshness(figures: Figures) -> Drawn:
    """How fresh each scope is, and what is missing in it."""
    scopes = figures.status.scopes
    commands = ["sagemaker-exporter status", figures.coverage.command]
    if not scopes:
        body = nothing("No account and region has been synced yet.")
        return section("freshness", "Coverage and freshness", body, commands)
    columns = (
        Column("account"),
        Column("region"),
        Column("data as of", "TIMESTAMP"),
        Column("age", "TIME"),
        Column("jobs", "BIGINT", "count"),
        Column("open jobs", "BIGINT", "count"),
        Column("open pools", "BIGINT", "count"),
        Column("without details", "BIGINT", "count"),
        Column("without price", "BIGINT", "count"),
    )
    rows: list[tuple[Any, ...]] = []
    for scope in scopes:
        age = scope.age(figures.now)
        rows.append(
            (
                scope.account_name or scope.account_id,
                scope.region,
                scope.watermark or "never complete",
                "" if age is None else format_age(age),
                scope.jobs,
                scope.open_jobs,
                scope.open_pools,
                scope.jobs_without_details,
                scope.jobs_without_price,
            )
        )
    totals = (None, None, None, None, *(sum(row[i] for row in rows) for i in range(4, 9)))
    result = Result(columns, rows, totals if len(rows) > 1 else None)
    remarks = [f"{scope.name}: {gap}" for scope in scopes for gap in scope.gaps()]
    body = (
        "<p>A scope is an account and a region. Its data is complete up to the time given; a "
        "sync that fails lets it age.</p>"
        + html.table(result, "Freshness and coverage by scope", most=_MOST_SCOPES)
        + html.items(remarks, "notes")
        + '<h3 class="sub">What the costs rest on, the weakest first</h3>'
        + html.table(_bases(figures.coverage), "Cost of the period by its basis", most=_MOST_BASES)
        + folded_table(figures.coverage, "Every component and type")
    )
    return section("freshness", "Coverage and freshness", body, commands)


def _bases(coverage: Shown) -> Result:
    """The rows of the report added up by basis and kind of price; jobs would not add up."""
    wanted = ("basis", "price", "instance_hours", "cost_usd", "remedy")
    columns = {column.name: column for column in coverage.result.columns}
    sums: dict[tuple[Any, Any, Any], list[Decimal | None]] = {}
    for row in coverage.rows:
        amounts = sums.setdefault((row["basis"], row["price"], row["remedy"]), [None, None])
        for place, name in enumerate(("instance_hours", "cost_usd")):
            if row[name] is not None:
                amounts[place] = (amounts[place] or Decimal()) + row[name]
    rows = [(basis, price, *amounts, remedy) for (basis, price, remedy), amounts in sums.items()]
    total = coverage.total
    return Result(
        tuple(columns[name] for name in wanted),
        rows,
        [total[name] for name in wanted] if total else None,
    )


def foot(figures: Figures) -> str:
    """What the words mean, what the totals rest on, and where the page is from."""
    rests_on = [note.text for note in figures.by_month.result.notes]
    words = "".join(
        f"<dt>{html.text(word)}</dt><dd>{html.text(meaning)}</dd>" for word, meaning in _WORDS
    )
    return (
        '<section id="words" aria-labelledby="words-title"><h2 id="words-title">What the totals '
        f"rest on, and what the words mean</h2>{html.items(rests_on, 'notes')}"
        f'<dl class="words">{words}</dl></section></main><footer><p>Made by sagemaker-exporter on '
        f"{html.text(format_time(figures.now.replace(microsecond=0)))}. This page is complete in "
        "itself: it asks nothing of the network. Times and days are UTC, money is USD."
        "</p></footer>"
    )


def _alerts(figures: Figures) -> str:
    lines = list(_worries(figures))
    if not lines:
        return ""
    if len(lines) > _MOST_ALERTS:
        rest = len(lines) - _MOST_ALERTS
        lines = [*lines[:_MOST_ALERTS], f"and {rest:,} more: see `sagemaker-exporter status`"]
    return (
        '<div class="alerts" role="note" aria-labelledby="alerts-title"><h2 id="alerts-title">'
        f"Read the figures with care</h2>{html.items(lines, '')}</div>"
    )


def _worries(figures: Figures) -> Iterator[str]:
    for scope in figures.status.scopes:
        age = scope.age(figures.now)
        if scope.last_error:
            runs = last_runs(scope.failing_runs or 1)
            yield f"{scope.name} failed in its {runs}: {scope.last_error}"
        if age is None:
            yield f"{scope.name} has never been synced completely."
        elif age > OLD:
            yield f"{scope.name} is {format_age(age)} old."


def _as_of(figures: Figures) -> str:
    known = [scope.watermark for scope in figures.status.scopes if scope.watermark is not None]
    if not known:
        return "Nothing is known to be complete."
    return f"Data as of {min(known):%Y-%m-%d %H:%M} UTC."
