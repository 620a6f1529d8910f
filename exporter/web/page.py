"""The dashboard as one HTML text: templates, style and script.

`render` fills the templates with a view of the figures. The page's script has the same rules as
`view`, and shows another selection without a server.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final

from exporter.extras import extra
from exporter.reports import rendering, values
from exporter.reports.result import Result
from exporter.text import counted, last_runs, visible
from exporter.times import format_age, format_time
from exporter.web import view
from exporter.web.figures import Figures, is_change, saving
from exporter.web.payload import Names, by_name, payload

with extra("dashboard", "dashboard"):
    import jinja2
    from markupsafe import Markup, escape

#: Rows of the table of changes, of the table of all other rows, and of the idle pools.
MOST_CHANGES: Final = 25
MOST_OTHERS: Final = 300
MOST_IDLE_POOLS: Final = 20
#: Columns of a report, with its bars, that fit on a sheet of A4.
MOST_ON_PAPER: Final = 12
#: The page warns about data older than this, in seconds. Cron usually runs more often.
_OLD: Final = 86_400
_MOST_ALERTS: Final = 8
#: The page may load nothing, and has no script and no style but its own.
_POLICY: Final = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; base-uri 'none'; "
    "form-action 'none'"
)


def render(figures: Figures, site: object = None) -> str:
    """Return the dashboard as one HTML text.

    Args:
        figures: What it shows.
        site: The site that has the page; None = a file, which needs no other file and no network.
    """
    names = Names(figures)
    selection = view.Selection(figures.period)
    script, style = asset("dashboard.js"), asset("style.css")
    rows = list(enumerate(figures.advice.rows))
    changes = [pair for pair in rows if is_change(pair[1])]
    others = [*changes[MOST_CHANGES:], *(pair for pair in rows if not is_change(pair[1]))]
    template = environment().get_template(
        "dashboard.html" if figures.status.scopes else "empty.html"
    )
    return template.render(
        site=site,
        made=figures.now,
        policy=_POLICY.format(script=_digest(script), style=_digest(style)),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file, named by the policy
        figures=figures,
        view=view.view(
            figures.cells, selection, figures.period, figures.now.date(), figures.accounts
        ),
        names=names.shown(),
        data=payload(figures, names),
        changes=changes[:MOST_CHANGES],
        others=others,
        most_others=MOST_OTHERS,
        worth=worth(figures),
        idle=by_name(figures.idle),
        idle_total=_total(figures.idle),
        most_idle_pools=MOST_IDLE_POOLS,
        alerts=alerts(figures),
        synced=synced(figures),
        gaps=[f"{scope.name}: {gap}" for scope in figures.status.scopes for gap in scope.gaps()],
        dimensions=view.DIMENSIONS,
    )


def _total(result: Result) -> Mapping[str, Any]:
    names = [column.name for column in result.columns]
    return dict(zip(names, result.totals or (), strict=bool(result.totals)))


def worth(figures: Figures) -> str:
    """Return the sentence on what the suggested changes are worth."""
    total, changes = figures.advice.total, sum(map(is_change, figures.advice.rows))
    current = _pico(total["current_idle_usd"])
    then = _pico(total["suggested_idle_usd"])
    return saved(changes, current, then, _pico(total["gained_minutes"]))


def saved(changes: int, current: int, then: int, minutes: int) -> str:
    """Return what changes are worth a month.

    Args:
        changes: How many settings change.
        current: What all pools cost a month, in 10^-12 USD.
        then: What they would cost with the changes.
        minutes: The minutes of starting that they save a month, × 10^12; below 0 = lost.
    """
    if not changes:
        return "No other keep-alive period is suggested."
    settings = counted(changes, "keep-alive setting")
    whole = abs(minutes) // view.PICO
    wait = counted(whole, "startup minute")
    part = f"about {view.usd(max(0, current - then)).removesuffix(' USD')} of {view.usd(current)}"
    text = f"{part} a month"
    if then > current:
        text = f"{wait} a month, for {view.usd(then - current)} more"
    elif whole and minutes > 0:
        text = f"{part} and {wait} a month"
    elif whole:
        text += f", for {wait} more"
    return f"Changing {settings} would save {text} (modelled)."


def _pico(amount: Decimal | None) -> int:
    return 0 if amount is None else int(amount.scaleb(12))


def synced(figures: Figures) -> str:
    """Return what the database covers, and up to when."""
    scopes = figures.status.scopes
    accounts = counted(len({scope.account_id for scope in scopes}), "account")
    regions = counted(len({scope.region for scope in scopes}), "region")
    jobs = counted(sum(scope.jobs for scope in scopes), "training job")
    known = figures.data_as_of
    as_of = f"Data as of {known:%Y-%m-%d %H:%M} UTC." if known else "No sync is complete yet."
    return f"{accounts}, {regions}, {jobs}. {as_of}"


def alerts(figures: Figures) -> list[str]:
    """Return what a reader must know before relying on the figures."""
    lines = []
    for scope in figures.status.scopes:
        age = scope.age(figures.now)
        if scope.last_error:
            runs = last_runs(scope.failing_runs or 1)
            lines.append(f"{scope.name} failed in its {runs}: {scope.last_error}")
        if age is None:
            lines.append(f"{scope.name} has never been synced completely.")
        elif age.total_seconds() > _OLD:
            lines.append(f"The data of {scope.name} is {format_age(age)} old.")
    if len(lines) > _MOST_ALERTS:
        rest = len(lines) - _MOST_ALERTS
        lines[_MOST_ALERTS:] = [f"{rest:,} more: run `sagemaker-exporter status`."]
    return lines


@cache
def asset(name: str) -> str:
    """Return the text of a file next to this module."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def environment() -> jinja2.Environment:
    """Return the templates' environment, in which all text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: asset(f"templates/{name}")),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions = (
        counted,
        format_time,
        format_age,
        view.money,
        view.exact,
        view.share,
        view.factor,
        view.pools_usd,
        view.unknown_wasted,
        values.shown,
        values.digits,
        values.heading,
        values.period,
        rendering.is_numeric,
        lines,
        with_code,
        parted,
        place,
        filled,
        empty,
        too_wide_for_paper,
        totals,
        bars,
        suggested,
        saving,
    )
    for function in functions:
        environment.filters[function.__name__] = function
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def bars(group: view.Group) -> list[tuple[str, str]]:
    """Return the lengths of the bars of a group's rows, wasted and reused, in percent."""
    lines = [*group.lines, *([group.rest] if group.rest else [])]
    longest = max((line.sums.wasted + line.sums.reused for line in group.lines), default=0)
    return [
        (_length(line.sums.wasted, longest), _length(line.sums.reused, longest)) for line in lines
    ]


def _length(amount: int, longest: int) -> str:
    tenths = min(1000, amount * 1000 // longest) if longest else 0
    return f"{tenths // 10}.{tenths % 10}"


def suggested(row: Mapping[str, Any]) -> str:
    """Return the current and the suggested period of a row of the advice."""
    seconds = row["suggested_keep_alive_seconds"]
    current = row["current_keep_alive"] or values.MISSING
    return f"{current} → {values.period(seconds)}" if is_change(row) else current


def place(result: Result, name: str) -> int:
    """Return the place of a column."""
    return [column.name for column in result.columns].index(name)


def parted(text: str) -> tuple[str, str]:
    """Return the first sentence of a text, and the rest."""
    first, stop, rest = text.partition(". ")
    return (f"{first}.", rest) if stop else (text, "")


def filled(result: Result) -> list[int]:
    """Return the places of the columns to show: all but those of `empty`."""
    left_out = empty(result)
    return [i for i, column in enumerate(result.columns) if column.name not in left_out]


def empty(result: Result) -> list[str]:
    """Return the names of the less important columns for which no row has a value."""
    rows = list(result.rows)
    return [
        column.name
        for i, column in enumerate(result.columns)
        if rows and column.wide and not column.key and all(row[i] is None for row in rows)
    ]


def too_wide_for_paper(result: Result) -> list[int]:
    """Return the places of the columns that paper has no room for: the less important of many."""
    shown = filled(result)
    if len(shown) + bool(result.bar) <= MOST_ON_PAPER:
        return []
    columns = result.columns
    return [place for place in shown if columns[place].wide and not columns[place].key]


def totals(result: Result) -> list[str]:
    """Return the total row of a result as tables show it."""
    return rendering.total_cells(result, result.totals or ())


def lines(text: str) -> Markup:
    """Return a text of several lines for a `<pre>`: escaped, without other control characters."""
    return Markup("\n").join(visible(line) for line in text.splitlines())


def with_code(text: str) -> Markup:
    """Return a sentence with its commands, which stand between backticks, as code."""
    parts = [escape(visible(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:  # one without its partner, in a text from outside
        return Markup("`").join(parts)
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )


def _finalize(value: object) -> object:
    """Write out control characters of every text that a template prints; Markup is ready."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _digest(text: str) -> str:
    """Return the hash by which the policy allows a script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
