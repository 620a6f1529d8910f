"""The charts: Vega-Lite specifications made with Altair, of figures that the reports gave.

Geometry is in floats; what a reader reads (labels, tooltips) is the text that the reports print.
Colours are the variables of style.css, so that a chart follows the page's scheme; no chart says
a thing by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from exporter.extras import extra
from exporter.text import visible

with extra("dashboard", "dashboard"):
    import altair as alt

Spec = dict[str, Any]
Row = Mapping[str, Any]

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
#: The look of every chart.
CONFIG: Final[Spec] = {
    "aria": False,  # the figure around it carries a text, its table the figures
    "axis": {
        "domainColor": "var(--rule)",
        "gridColor": "var(--grid)",
        "labelColor": "var(--soft)",
        "labelFont": _FONT,
        "labelFontSize": 12,
        "labelPadding": 6,
        "tickColor": "var(--rule)",
        "tickSize": 0,
        "titleColor": "var(--soft)",
        "titleFont": _FONT,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "background": "transparent",
    "padding": 4,
    "text": {"color": "var(--ink)", "font": _FONT, "fontSize": 12},
    "view": {"stroke": None},
}
_MONTH_NAMES: Final = (
    "['Jan','Feb','Mar','Apr','May','Jun','Jul','Aug','Sep','Oct','Nov','Dec']"
    "[toNumber(slice(datum.label, 5)) - 1]"
)


@dataclass(frozen=True)
class Band:
    """What a part of a stacked column stands for: a name, and the letter written on it."""

    name: str
    letter: str
    colour: str


@dataclass(frozen=True)
class Pair:
    """One of two amounts of a month; `shown` are (label, value) to read."""

    month: str
    band: Band
    usd: Decimal | None
    shown: Mapping[str, str]


@dataclass(frozen=True)
class Bar:
    """A horizontal bar: its name, its length, the label at its end, and what to read."""

    name: str
    length: float
    label: str
    shown: Mapping[str, str]


@dataclass(frozen=True)
class Slice:
    """A part of a stacked column, from `low` to `high`; `shown` are (label, value) to read."""

    month: str
    band: Band
    low: float
    high: float
    shown: Mapping[str, str]


@dataclass(frozen=True)
class Point:
    """A point of a curve: where it is, its label, whether it is how things are now."""

    x: float
    y: float
    label: str
    is_present: bool
    shown: Mapping[str, str]


def number(amount: Decimal | float | int | None) -> float:
    """An amount as the length of a mark; what is not known has none (and is said in words)."""
    return 0.0 if amount is None else float(amount)


def stacked_months(
    slices: Sequence[Slice], months: Sequence[str], bands: Sequence[Band], so_far: str
) -> Spec:
    """Columns by month, one part a band, its letter on every part that has room for it."""
    top = max((part.high for part in slices), default=0.0)
    rows = [
        {
            "month": part.month,
            "band": part.band.name,
            "letter": part.band.letter if part.high - part.low > top * 0.055 else "",
            "low": part.low,
            "high": part.high,
            "middle": (part.low + part.high) / 2,
            **_texts(part.shown),
        }
        for part in slices
    ]
    touched = alt.selection_point(on="pointerover", clear="pointerout", fields=["band"])
    base = alt.Chart(_data(rows)).encode(x=_month_axis(months, so_far))
    bars = base.mark_bar(stroke="var(--card)", strokeWidth=1.5, cornerRadius=2).encode(
        y=_usd_axis("low"),
        y2="high:Q",
        color=alt.Color("band:N")
        .scale(domain=[band.name for band in bands], range=[band.colour for band in bands])
        .legend(None),
        opacity=alt.when(touched).then(alt.value(1)).otherwise(alt.value(0.3)),
        tooltip=_tooltip(slices[0].shown if slices else {}),
    )
    letters = base.mark_text(fontWeight="bold", fontSize=11, color="var(--key-ink)").encode(
        y=alt.Y("middle:Q"), text="letter:N"
    )
    return _spec((bars.add_params(touched) + letters).properties(height=280, width="container"))


def paired_months(
    pairs: Sequence[Pair], months: Sequence[str], bands: Sequence[Band], so_far: str
) -> Spec:
    """Columns side by side in each month, one a band, always in the order of the bands."""
    names = [band.name for band in bands]
    bars = _columns(pairs, months, bands, so_far).encode(
        xOffset=alt.XOffset("band:N").sort(names).scale(paddingInner=0.08), y=_usd_axis("usd")
    )
    return _spec(bars.properties(height=240, width="container"))


def opposed_months(
    pairs: Sequence[Pair], months: Sequence[str], bands: Sequence[Band], so_far: str
) -> Spec:
    """Columns by month, the first band above the line and the second below it."""
    bars = _columns(pairs, months, bands, so_far).encode(y=_usd_axis("signed", signed=True))
    line = alt.Chart(_data([{"at": 0}])).mark_rule(color="var(--soft)").encode(y="at:Q")
    return _spec((bars + line).properties(height=260, width="container"))


def _columns(
    pairs: Sequence[Pair], months: Sequence[str], bands: Sequence[Band], so_far: str
) -> alt.Chart:
    rows = [
        {
            "month": pair.month,
            "band": pair.band.name,
            "usd": number(pair.usd),
            "signed": number(pair.usd) * (1 if pair.band is bands[0] else -1),
            **_texts(pair.shown),
        }
        for pair in pairs
        if pair.usd is not None
    ]
    chart: alt.Chart = (
        alt.Chart(_data(rows))
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            x=_month_axis(months, so_far),
            color=alt.Color("band:N")
            .scale(domain=[band.name for band in bands], range=[band.colour for band in bands])
            .legend(None),
            tooltip=_tooltip(pairs[0].shown if pairs else {}),
        )
    )
    return chart


def bars(rows: Sequence[Bar], *, title: str, colour: str, line_at: float | None = None) -> Spec:
    """Horizontal bars from top to bottom, each with its label at the end.

    Args:
        rows: The bars.
        title: Of the axis.
        colour: Of the bars.
        line_at: Where a line stands to compare with.
    """
    longest = max((row.length for row in rows), default=0.0)
    # Room for the longest label beyond the longest bar.
    end = max(longest * 1.22, (line_at or 0.0) * 1.22, 1e-9)
    axis = alt.Axis(title=title, titleAnchor="start", tickCount=5)
    return _bars(rows, alt.Scale(domain=[0, end], nice=False), axis, colour, line_at)


def shares(rows: Sequence[Bar], *, title: str, colour: str) -> Spec:
    """The same for shares of 1, on a scale that always ends beyond 100 %."""
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axis = alt.Axis(title=title, titleAnchor="start", values=ticks, format=".0%")
    return _bars(rows, alt.Scale(domain=[0, 1.22], nice=False), axis, colour, None)


def _bars(
    rows: Sequence[Bar], scale: alt.Scale, axis: alt.Axis, colour: str, line_at: float | None
) -> Spec:
    values = [
        {
            # Two bars of one name (a name used again) stay two: what is added has no width.
            "name": visible(row.name) + "\u200b" * place,
            "length": row.length,
            "label": row.label,
            **_texts(row.shown),
        }
        for place, row in enumerate(rows)
    ]
    names = alt.Axis(title=None, labelLimit=150)
    base = alt.Chart(_data(values)).encode(y=alt.Y("name:N").sort(None).axis(names))
    marks = base.mark_bar(color=colour, cornerRadiusEnd=2, height={"band": 0.62}).encode(
        x=alt.X("length:Q").scale(scale).axis(axis),
        tooltip=_tooltip(rows[0].shown if rows else {}),
    )
    layers = [marks]
    if line_at is not None:
        rule = alt.Chart(_data([{"at": line_at}])).mark_rule(
            color="var(--ink)", strokeDash=[4, 3], strokeWidth=1.25
        )
        layers.append(rule.encode(x=alt.X("at:Q")))
    ends = base.encode(x=alt.X("length:Q"), text="label:N")
    layers += _haloed(ends, "left", 5, 0)
    chart = alt.LayerChart(layer=layers)
    return _spec(chart.properties(height=28 * len(rows), width="container"))


def curve(points: Sequence[Point], x_title: str, labelled: Sequence[str]) -> Spec:
    """A line through points, the present one a diamond; labels where there is room for them.

    Args:
        points: In the order of the line.
        x_title: What goes to the right; upwards it is USD a month.
        labelled: Labels wanted beside those of the present and the last point, in this order.
    """
    told = _with_room(points, labelled)
    # Said, as some layers may have no point of their own to tell the extent by.
    right = max((point.x for point in points), default=0.0)
    top = max((point.y for point in points), default=0.0)
    # Of some periods less is known, so that they have fewer lines to read.
    titles = list(dict.fromkeys(title for point in points for title in point.shown))
    rows = [
        {
            "x": point.x,
            "y": point.y,
            "label": point.label if point in told else "",
            "present": point.is_present,
            "left": point.x < right * 0.35,
            "place": place,
            **_texts({title: point.shown.get(title, "not known") for title in titles}),
        }
        for place, point in enumerate(points)
    ]
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("x:Q")
        .scale(domain=[0, right or 1], nice=True)
        .axis(title=x_title, tickCount=4, titleAnchor="start", grid=False),
        y=_usd_axis("y", title="USD a month", ticks=4).scale(domain=[0, top or 1], nice=True),
    )
    line = base.mark_line(color="var(--pool)", strokeWidth=2).encode(order="place:Q")
    dots = base.mark_point(filled=True, opacity=1, color="var(--pool)").encode(
        shape=alt.when("datum.present").then(alt.value("diamond")).otherwise(alt.value("circle")),
        size=alt.when("datum.present").then(alt.value(170)).otherwise(alt.value(45)),
        tooltip=_tooltip(titles),
    )
    words = base.encode(text="label:N")
    layers = [
        line,
        dots,
        *_haloed(words.transform_filter("!datum.left"), "right", -9, -7),
        *_haloed(words.transform_filter("datum.left"), "left", 9, -7),
    ]
    return _spec(alt.LayerChart(layer=layers).properties(height=190, width="container"))


def _with_room(points: Sequence[Point], labelled: Sequence[str]) -> list[Point]:
    """The points whose labels do not run into one another, the more important ones first."""
    right = max((point.x for point in points), default=0.0) or 1.0
    top = max((point.y for point in points), default=0.0) or 1.0
    wanted = [point for point in points if point.is_present] + list(points[-1:])
    wanted += [point for label in labelled for point in points if point.label == label]
    told: list[Point] = []
    for point in wanted:
        if all(
            abs(point.x - other.x) / right > 0.3 or abs(point.y - other.y) / top > 0.14
            for other in told
        ):
            told.append(point)
    return told


def _month_axis(months: Sequence[str], so_far: str) -> alt.X:
    # Two lines: the month, and below it the year where it begins, or that it is not over.
    # Not under a first December: January's year stands close beside it.
    year_at = months[0] if months and not months[0].endswith("12") else ""
    below = (
        f"datum.label === '{so_far}' ? 'so far' : "
        f"(slice(datum.label, 5) === '01' || datum.label === '{year_at}')"
        " ? slice(datum.label, 0, 4) : ''"
    )
    axis = alt.Axis(title=None, labelAngle=0, labelExpr=f"[{_MONTH_NAMES}, {below}]")
    return alt.X("month:N").scale(domain=list(months), paddingInner=0.25).axis(axis)


def _haloed(
    words: alt.Chart, align: Literal["left", "right"], dx: float, dy: float
) -> list[alt.Chart]:
    """Text on a strip of the card's colour, as it may cross a line."""
    return [
        words.mark_text(
            align=align, dx=dx, dy=dy, stroke="var(--card)", strokeWidth=5, strokeJoin="round"
        ),
        words.mark_text(align=align, dx=dx, dy=dy),
    ]


def _usd_axis(field: str, *, title: str = "USD", ticks: int = 5, signed: bool = False) -> alt.Y:
    value = "abs(datum.value)" if signed else "datum.value"
    axis = alt.Axis(
        title=title,
        labelExpr=f"format({value}, ',~r')",
        tickCount=ticks,
        domain=False,
        titleAngle=0,
        titleAlign="left",
        titleAnchor="end",
        titleX=0,
        titleY=-12,
    )
    return alt.Y(f"{field}:Q").axis(axis)


def _tooltip(shown: Iterable[str]) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"shown_{place}:N", title=title) for place, title in enumerate(shown)]


def _texts(shown: Mapping[str, str]) -> dict[str, str]:
    # Fields by place: a title may hold what Vega reads as a path.
    return {f"shown_{place}": visible(value) for place, value in enumerate(shown.values())}


def _data(rows: Sequence[Row]) -> alt.InlineData:
    return alt.InlineData(values=[dict(row) for row in rows])


def _spec(chart: alt.Chart | alt.LayerChart) -> Spec:
    spec: Spec = chart.to_dict()
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec.pop("config", None)  # Altair's own; the page has one for all
    return spec
