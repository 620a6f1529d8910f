"""The top of the page and its end: headline figures, warnings, freshness, words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from exporter.dashboard import html
from exporter.dashboard.figures import Figures
from exporter.dashboard.sections import Drawn, note_list, times, usd
from exporter.reports.result import Column, Result
from exporter.times import format_age, format_time

#: Data older than this is called old on the page; cron runs more often than that.
OLD: Final = timedelta(days=1)
_MOST_ALERTS: Final = 8

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
        f"{_count(accounts, 'account')}, {_count(len({s.region for s in scopes}), 'region')}, "
        f"{sum(scope.jobs for scope in scopes):,} training jobs"
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
    total = figures.by_month.total
    pools, training = total.get("cost_usd"), total.get("training_usd")
    ratio = times(total.get("times_training"))
    jobs = total.get("jobs") or 0
    cells = [
        (
            "var(--pool)",
            "Warm pools cost",
            usd(pools) if jobs else "none",
            f"{_count(jobs, 'job')} kept instances" if jobs else "no job kept its instances",
        ),
        (
            "var(--train)",
            "The training itself",
            usd(training) if total else "none",
            f"the pools cost {ratio} that" if total.get("times_training") else "",
        ),
    ]
    return f'<dl class="tiles">{"".join(_tile(*cell) for cell in cells)}</dl>'


def _tile(tone: str, name: str, figure: str, note: str) -> str:
    number, _, unit = figure.partition(" ") if figure[:1].isdigit() else (figure, "", "")
    return (
        f'<div class="tile" style="--tone: {tone}"><dt>{html.text(name)}</dt>'
        f'<dd><div class="figure">{html.text(number)} <span class="unit">{html.text(unit)}</span>'
        f'</div><div class="note">{html.text(note)}</div></dd></div>'
    )


def freshness(figures: Figures) -> Drawn:
    """How fresh each scope is, and what is missing in it."""
    scopes = figures.status.scopes
    if not scopes:
        body = '<p class="none">No account and region has been synced yet.</p>'
        return Drawn(_freshness(body), {})
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
    rows = []
    for scope in scopes:
        age = scope.age(figures.now)
        known = scope.watermark and scope.watermark.replace(microsecond=0)
        rows.append(
            (
                scope.account_name or scope.account_id,
                scope.region,
                "never complete" if known is None else format_time(known),
                "" if age is None else format_age(age),
                scope.jobs,
                scope.open_jobs,
                scope.open_pools,
                scope.jobs_without_details,
                scope.jobs_without_price,
            )
        )
    totals = (None, None, None, None, *(sum(int(row[i]) for row in rows) for i in range(4, 9)))
    result = Result(columns, rows, totals if len(rows) > 1 else None)
    remarks = [f"{scope.name}: {gap}" for scope in scopes for gap in scope.gaps()]
    body = (
        "<p>A scope is an account and a region. Its data is complete up to the time given; a "
        "sync that fails lets it age.</p>"
        + html.table(result, "Freshness and coverage by scope", most=200)
        + html.items(remarks, "notes")
    )
    return Drawn(_freshness(body), {})


def _freshness(body: str) -> str:
    return (
        '<section id="freshness" aria-labelledby="freshness-title"><h2 id="freshness-title">'
        f'Coverage and freshness</h2>{body}<p class="same">The same figures: '
        "<code>sagemaker-exporter status</code></p></section>"
    )


def foot(figures: Figures) -> str:
    """What the words mean, what the totals rest on, and where the page is from."""
    words = "".join(
        f"<dt>{html.text(word)}</dt><dd>{html.text(meaning)}</dd>" for word, meaning in _WORDS
    )
    return (
        '<section id="words" aria-labelledby="words-title"><h2 id="words-title">What the totals '
        f"rest on, and what the words mean</h2>{note_list(figures.by_month.result.notes)}"
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
            runs = _count(scope.failing_runs or 1, "run")
            yield f"{scope.name} failed in its last {runs}: {scope.last_error}"
        if age is None:
            yield f"{scope.name} has never been synced completely."
        elif age > OLD:
            yield f"{scope.name} is {format_age(age)} old."


def _as_of(figures: Figures) -> str:
    known = [scope.watermark for scope in figures.status.scopes if scope.watermark is not None]
    if not known:
        return "Nothing is known to be complete."
    return f"Data as of {min(known):%Y-%m-%d %H:%M} UTC."


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
