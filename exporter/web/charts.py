"""The charts, as Vega-Lite specifications.

Lengths and positions are floats; the text that people read (labels, tooltips) is what the reports
print. Colours are the variables of style.css, so charts follow the page's colour scheme. No chart
uses colour alone to tell things apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exporter.text import visible

Spec = dict[str, Any]
#: What the reader sees when pointing at a mark: a text by title.
Tooltip = Mapping[str, str]

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
#: The style that all charts share.
CONFIG: Final[Spec] = {
    "aria": False,  # the page describes each chart in words and gives its figures in a table
    "autosize": {"type": "fit-x", "contains": "padding"},
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
#: The data of a layer that is drawn once, not once a row.
_ONCE: Final[Spec] = {"data": {"values": [{}]}}


@dataclass(frozen=True)
class Band:
    """What a colour stands for: a name, the letter on its marks, and a CSS colour."""

    name: str
    letter: str
    colour: str


@dataclass(frozen=True)
class Part:
    """A column of a month, or a part of one, from `low` to `high` in USD."""

    month: str
    band: Band
    high: float
    tooltip: Tooltip
    low: float = 0.0


@dataclass(frozen=True)
class Bar:
    """A horizontal bar with its name on the left and its label at the end."""

    name: str
    length: float
    label: str
    tooltip: Tooltip


@dataclass(frozen=True)
class Point:
    """A point of a curve; `is_current` marks how things are now."""

    x: float
    y: float
    label: str
    is_current: bool
    tooltip: Tooltip


@dataclass(frozen=True)
class Months:
    """The month axis: months such as 2026-11, and the one that the data ends in."""

    names: Sequence[str]
    last_synced: str

    def encoding(self) -> Spec:
        """Return the encoding of `x`: the month's name, and a second line below it."""
        # The second line is the year where it begins, or says that the month is incomplete.
        # A first December has no year: it would touch the year below the next January.
        first = self.names[0] if self.names and not self.names[0].endswith("12") else ""
        below = (
            f"datum.label === '{self.last_synced}' ? 'to date' : "
            f"(slice(datum.label, 5) === '01' || datum.label === '{first}')"
            " ? slice(datum.label, 0, 4) : ''"
        )
        axis = {"title": None, "labelAngle": 0, "labelExpr": f"[{_MONTH_NAMES}, {below}]"}
        return _text("month", scale={"domain": self.names, "paddingInner": 0.25}, axis=axis)


def stacked_columns(parts: Sequence[Part], months: Months, bands: Sequence[Band]) -> Spec:
    """Return one stack a month, with the band's letter on each part that has room for it."""
    top = max((part.high for part in parts), default=0.0)
    data, encoding = _columns(parts, months, bands)
    for row, part in zip(data["values"], parts, strict=True):
        row["low"], row["middle"] = part.low, (part.low + part.high) / 2
        row["letter"] = part.band.letter if part.high - part.low > top * 0.055 else ""
    hover = {"type": "point", "on": "pointerover", "clear": "pointerout", "fields": ["band"]}
    opacity = {"condition": {"param": "touched", "value": 1}, "value": 0.3}
    columns = _layer(
        _mark("bar", stroke="var(--card)", strokeWidth=1.5, cornerRadius=2),
        **encoding | {"y": _usd("low"), "y2": {"field": "high"}, "opacity": opacity},
    )
    columns["params"] = [{"name": "touched", "select": hover}]
    letters = _layer(
        _mark("text", fontWeight="bold", fontSize=11, color="var(--key-ink)"),
        x=encoding["x"],
        y=_number("middle"),
        text=_text("letter"),
    )
    return _spec(data, 280, columns, letters)


def paired_columns(parts: Sequence[Part], months: Months, bands: Sequence[Band]) -> Spec:
    """Return one column a band for each month, side by side in the order of the bands."""
    data, encoding = _columns(parts, months, bands)
    side = _text("band", scale={"paddingInner": 0.08})
    columns = _layer(_mark("bar", cornerRadiusEnd=2), **encoding, xOffset=side, y=_usd("high"))
    return _spec(data, 240, columns)


def opposed_columns(parts: Sequence[Part], months: Months, bands: Sequence[Band]) -> Spec:
    """Return a column above the zero line and one, of negative length, below it a month."""
    data, encoding = _columns(parts, months, bands)
    length = _usd("high", label="abs(datum.value)")
    columns = _layer(_mark("bar", cornerRadiusEnd=2), **encoding, y=length)
    zero = _layer(_mark("rule", color="var(--soft)"), y={"datum": 0}) | _ONCE
    return _spec(data, 260, columns, zero)


def _columns(parts: Sequence[Part], months: Months, bands: Sequence[Band]) -> tuple[Spec, Spec]:
    """Return the data of columns by month, and the encoding that they share."""
    # Bands go by their place, because a name may hold anything.
    data, tooltip = _data(
        [
            {"month": part.month, "band": bands.index(part.band), "high": part.high}
            for part in parts
        ],
        [part.tooltip for part in parts],
    )
    colours = {"domain": list(range(len(bands))), "range": [band.colour for band in bands]}
    colour = _text("band", scale=colours, legend=None)
    return data, {"x": months.encoding(), "color": colour, "tooltip": tooltip}


def amounts(bars: Sequence[Bar], *, title: str, colour: str, line_at: float | None = None) -> Spec:
    """Return horizontal bars of amounts.

    Args:
        bars: The bars, from top to bottom.
        title: The title of the axis.
        colour: The CSS colour of the bars.
        line_at: Where to draw a line to compare with; None = no line.
    """
    # The longest bar leaves room for its label.
    end = max(*(bar.length * 1.22 for bar in bars), (line_at or 0.0) * 1.22, 1e-9)
    return _bars(bars, end, {"title": title, "tickCount": 5}, colour, line_at)


def shares(bars: Sequence[Bar], *, title: str, colour: str) -> Spec:
    """Return horizontal bars of shares, on an axis from 0 % to 100 %."""
    axis = {"title": title, "values": [0, 0.25, 0.5, 0.75, 1], "format": ".0%"}
    return _bars(bars, 1.22, axis, colour, None)


def _bars(bars: Sequence[Bar], end: float, axis: Spec, colour: str, line_at: float | None) -> Spec:
    names = _distinct(bar.name for bar in bars)
    data, tooltip = _data(
        [
            {"name": name, "length": bar.length, "label": bar.label}
            for name, bar in zip(names, bars, strict=True)
        ],
        [bar.tooltip for bar in bars],
    )
    name = _text("name", sort=None, axis={"title": None, "labelLimit": 150})
    scale = {"domain": [0, end], "nice": False}
    length = _number("length", scale=scale, axis={"titleAnchor": "start"} | axis)
    mark = _mark("bar", color=colour, cornerRadiusEnd=2, height={"band": 0.62})
    layers = [_layer(mark, x=length, y=name, tooltip=tooltip)]
    if line_at is not None:
        line = _mark("rule", color="var(--ink)", strokeDash=[4, 3], strokeWidth=1.25)
        layers.append(_layer(line, x={"datum": line_at}) | _ONCE)
    label = _mark("text", align="left", dx=5)
    layers += _haloed(_layer(label, x=_number("length"), y=name, text=_text("label")))
    return _spec(data, 28 * len(bars), *layers)


def curve(points: Sequence[Point], *, title: str, labels: Sequence[str]) -> Spec:
    """Return a line through points; the current point is a diamond.

    Args:
        points: The points, in the order of the line.
        title: The title of the horizontal axis; the vertical axis shows USD per month.
        labels: The labels to show where there is room, after those of the current and the
            last point, most important first.
    """
    labelled = _with_room(points, labels)
    # Some layers may hold no point, so the scales cannot be left to the data.
    right = max((point.x for point in points), default=0.0)
    top = max((point.y for point in points), default=0.0)
    rows = [
        {
            "x": point.x,
            "y": point.y,
            "label": point.label if point in labelled else "",
            "current": point.is_current,
            "left": point.x <= right * 0.35,
            "place": place,
        }
        for place, point in enumerate(points)
    ]
    data, tooltip = _data(rows, [point.tooltip for point in points])
    axis = {"title": title, "tickCount": 4, "titleAnchor": "start", "grid": False}
    position = {
        "x": _number("x", scale={"domain": [0, right or 1], "nice": True}, axis=axis),
        "y": _usd("y", title="USD per month", ticks=4)
        | {"scale": {"domain": [0, top or 1], "nice": True}},
    }
    dots = {
        name: {"condition": {"test": "datum.current", "value": current}, "value": other}
        for name, current, other in (("shape", "diamond", "circle"), ("size", 170, 45))
    }
    text = position | {"text": _text("label")}
    left_of_point = _layer(_mark("text", align="right", dx=-9, dy=-7), **text)
    right_of_point = _layer(_mark("text", align="left", dx=9, dy=-7), **text)
    return _spec(
        data,
        190,
        _layer(
            _mark("line", color="var(--pool)", strokeWidth=2), **position, order=_number("place")
        ),
        _layer(
            _mark("point", filled=True, opacity=1, color="var(--pool)"),
            **position | dots,
            tooltip=tooltip,
        ),
        *_haloed(left_of_point | {"transform": [{"filter": "!datum.left"}]}),
        *_haloed(right_of_point | {"transform": [{"filter": "datum.left"}]}),
    )


def _with_room(points: Sequence[Point], labels: Sequence[str]) -> list[Point]:
    """Return the points whose labels do not overlap, the more important ones first."""
    right = max((point.x for point in points), default=0.0) or 1.0
    top = max((point.y for point in points), default=0.0) or 1.0
    wanted = [point for point in points if point.is_current] + list(points[-1:])
    wanted += [point for label in labels for point in points if point.label == label]
    kept: list[Point] = []
    for point in wanted:
        if all(
            abs(point.x - other.x) / right > 0.3 or abs(point.y - other.y) / top > 0.14
            for other in kept
        ):
            kept.append(point)
    return kept


def _haloed(layer: Spec) -> list[Spec]:
    """Return a text layer on a strip of the card's colour, because the text may cross a line."""
    strip = {"stroke": "var(--card)", "strokeWidth": 5, "strokeJoin": "round"}
    return [layer | {"mark": layer["mark"] | strip}, layer]


def _usd(field: str, *, title: str = "USD", ticks: int = 5, label: str = "datum.value") -> Spec:
    above = {"titleAlign": "left", "titleAnchor": "end", "titleAngle": 0, "titleX": 0}
    text = {"title": title, "titleY": -12, "labelExpr": f"format({label}, ',~r')"}
    return _number(field, axis=above | text | {"domain": False, "tickCount": ticks})


def _number(field: str, **options: object) -> Spec:
    return {"field": field, "type": "quantitative"} | options


def _text(field: str, **options: object) -> Spec:
    return {"field": field, "type": "nominal"} | options


def _mark(kind: str, **style: object) -> Spec:
    return {"type": kind} | style


def _layer(mark: Spec, **encoding: object) -> Spec:
    return {"mark": mark, "encoding": encoding}


def _spec(data: Spec, height: int, *layers: Spec) -> Spec:
    return {"data": data, "width": "container", "height": height, "layer": layers}


def _distinct(names: Iterable[str]) -> list[str]:
    """Return the names, numbered where one is repeated: a deleted job's name can be used again."""
    seen: Counter[str] = Counter()
    distinct = []
    for name in map(visible, names):
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct


def _data(rows: Sequence[Spec], tooltips: Sequence[Tooltip]) -> tuple[Spec, list[Spec]]:
    """Return the data of a chart and the encoding of its tooltips.

    All text of other people enters a specification here, so control characters are made visible
    here. Tooltip fields are numbered, because Vega reads a name with a dot as a path.
    """
    titles = list(dict.fromkeys(title for tooltip in tooltips for title in tooltip))
    values = [
        row | {f"tip_{i}": tooltip.get(title, "unknown") for i, title in enumerate(titles)}
        for row, tooltip in zip(rows, tooltips, strict=True)
    ]
    for row in values:
        row |= {name: visible(value) for name, value in row.items() if isinstance(value, str)}
    encoding = [_text(f"tip_{i}", title=title) for i, title in enumerate(titles)]
    return {"values": values}, encoding
