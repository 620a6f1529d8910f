"""The sections of the page: each a heading, a chart, what it leaves out, and its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from exporter.dashboard import charts, html
from exporter.dashboard.charts import Band, Slice, Spec
from exporter.dashboard.figures import Figures, Shown
from exporter.reports.result import Note
from exporter.reports.values import MISSING, shown

#: Rows of a table and marks of a chart at most; what is left out is counted and in the total.
MOST_ROWS: Final = 60
MOST_BARS: Final = 15
_TYPES: Final = 6
_OF_THE_PAGE: Final = frozenset(
    {"list_prices", "as_of", "empty", "failed_scope", "incomplete_scope", "late_start"}
)
_LETTERS: Final = "ABCDEF"

TRAINING: Final = Band("training", "", "var(--train)")
POOLS: Final = Band("warm pools", "", "var(--pool)")


@dataclass(frozen=True)
class Drawn:
    """A part of the page: its HTML, and the charts that stand in it by id."""

    body: str
    specs: Mapping[str, Spec]


def pool_cost(figures: Figures) -> Drawn:
    """What the pools cost, by month and instance type."""
    found = figures.by_month_and_type
    rows = [row for row in found.rows if row["cost_usd"]]
    intro = (
        "<p>Idle time of instances that were kept alive after a job, by the UTC month in which "
        "its seconds fall.</p>"
    )
    if not rows:
        return _section("pool-cost", "Pool cost by month and type", intro + _nothing(found), found)
    months = _months(figures)
    bands, band_of = _bands(figures)
    slices = _stack(rows, months, bands, band_of)
    dearest = max(figures.by_month.rows, key=lambda row: row["cost_usd"] or Decimal())
    alt = (
        f"Stacked columns: warm pool cost in USD by month, {months[0]} to {months[-1]}, parted by "
        f"instance type. The total is {usd(found.total['cost_usd'])}; the dearest month is "
        f"{dearest['month']} with {usd(dearest['cost_usd'])}."
    )
    body = (
        intro
        + _key(bands)
        + _figure("chart-pool-cost", alt, "Hover over a part for its figures.")
        + _table(found, "Warm pool cost by month and instance type")
    )
    spec = charts.stacked_months(slices, months, bands, _so_far(figures))
    return _section(
        "pool-cost", "Pool cost by month and type", body, found, {"chart-pool-cost": spec}
    )


def beside_training(figures: Figures) -> Drawn:
    """Training and pools side by side, by month; and how many times the training, by type."""
    found = figures.by_month
    rows = [row for row in found.rows if row["cost_usd"] or row["training_usd"]]
    title = "Training beside pool cost"
    if not rows:
        return _section("beside", title, _nothing(found), found)
    months = _months(figures)
    pairs = [
        (row["month"], band, row[column], _reading(row, ("month", column, "times_training")))
        for row in rows
        for band, column in ((TRAINING, "training_usd"), (POOLS, "cost_usd"))
    ]
    alt = (
        f"Pairs of columns by month: training {usd(found.total['training_usd'])} in all, warm "
        f"pools {usd(found.total['cost_usd'])}, which is "
        f"{times(found.total['times_training'])} the training."
    )
    body = (
        "<p>What was paid for work, and what was paid for waiting.</p>"
        + _key((TRAINING, POOLS), swatch_text=False)
        + _figure("chart-beside", alt, "In each month, training is on the left.")
        + _table(found, "Training and warm pool cost by month")
    )
    specs = {
        "chart-beside": charts.paired_months(pairs, months, (TRAINING, POOLS), _so_far(figures))
    }
    ratios = [row for row in figures.by_type.rows if row["cost_usd"] and row["times_training"]]
    if ratios:
        ratios.sort(key=lambda row: -row["times_training"])
        worst = ratios[0]
        specs["chart-times"] = charts.bars(
            [
                (
                    row["instance_type"] or "not known",
                    charts.number(row["times_training"]),
                    times(row["times_training"]),
                    _reading(row, ("instance_type", "cost_usd", "training_usd", "times_training")),
                )
                for row in ratios[:MOST_BARS]
            ],
            title="pool cost ÷ training cost",
            colour=POOLS.colour,
            line_at=1.0,
        )
        body += (
            "<h3>Pool cost as a multiple of the training, by instance type</h3>"
            + _figure(
                "chart-times",
                f"Bars by instance type. The highest: {worst['instance_type']}, whose pools cost "
                f"{times(worst['times_training'])} its training.",
                "Right of the dashed line, the waiting cost more than the work.",
            )
            + _table(figures.by_type, "Training and warm pool cost by instance type")
        )
    return _section("beside", title, body, found, specs)


def _stack(
    rows: Sequence[Mapping[str, Any]],
    months: Sequence[str],
    bands: Sequence[Band],
    band_of: Mapping[str | None, Band],
) -> list[Slice]:
    slices = []
    for month in months:
        base = Decimal()
        for band in bands:
            parts = [
                row
                for row in rows
                if row["month"] == month and band_of[row["instance_type"]] is band
            ]
            cost = sum((row["cost_usd"] for row in parts), Decimal())
            if not cost:
                continue
            hours = sum((row["instance_hours"] or Decimal() for row in parts), Decimal())
            reading = {
                "month": month,
                "type": band.name,
                "cost": usd(cost),
                "idle instance hours": shown(hours, "hours"),
            }
            slices.append(Slice(month, band, float(base), float(base + cost), reading))
            base += cost
    return slices


def _bands(figures: Figures) -> tuple[list[Band], dict[str | None, Band]]:
    """The dearest types, each with a letter; the rest together."""
    types = [row["instance_type"] for row in figures.by_type.rows if row["cost_usd"]]
    bands = [
        Band(name or "type not known", _LETTERS[place], f"var(--k{place + 1})")
        for place, name in enumerate(types[:_TYPES])
    ]
    band_of = dict(zip(types, bands, strict=False))
    if rest := types[_TYPES:]:
        name = f"{len(rest)} other types" if len(rest) > 1 else str(rest[0] or "type not known")
        other = Band(name, "+", "var(--k0)")
        bands.append(other)
        band_of |= dict.fromkeys(rest, other)
    return bands, band_of


def _months(figures: Figures) -> list[str]:
    """Every month from the first with a cost to the last, also those without one."""
    spent = [
        row["month"] for row in figures.by_month.rows if row["cost_usd"] or row["training_usd"]
    ]
    months = []
    year, month = map(int, min(spent).split("-"))
    while (name := f"{year:04}-{month:02}") <= max(spent):
        months.append(name)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return months


def _so_far(figures: Figures) -> str:
    """The month that the data ends in; empty where the period ends before it."""
    known = [scope.watermark for scope in figures.status.scopes if scope.watermark is not None]
    return f"{min(known):%Y-%m}" if known else ""


def _reading(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    titles = {"cost_usd": "warm pools", "training_usd": "training", "times_training": "pools are"}
    read: dict[str, Callable[[Any], str]] = {
        "cost_usd": usd,
        "training_usd": usd,
        "times_training": times,
    }
    return {
        titles.get(name, name.replace("_", " ")): read.get(name, _plain)(row[name])
        for name in names
    }


def _plain(value: object) -> str:
    return "not known" if value is None else str(value)


def usd(value: Decimal | None) -> str:
    """An amount as the reports show it."""
    return "not known" if value is None else f"{shown(value, 'money')} USD"


def times(value: float | None) -> str:
    """A factor as the reports show it."""
    return MISSING if value is None else shown(value, "factor")


def _section(
    name: str, title: str, body: str, found: Shown, specs: Mapping[str, Spec] | None = None
) -> Drawn:
    # What holds for the whole page stands at its end, once.
    own = [note for note in found.result.notes if note.code not in _OF_THE_PAGE]
    same = f'<p class="same">The same figures: <code>{html.text(found.command)}</code></p>'
    return Drawn(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">'
        f"{html.text(title)}</h2>{body}{note_list(own)}{same}</section>",
        specs or {},
    )


def note_list(notes: Iterable[Note]) -> str:
    """Notes of a report as a list."""
    return html.items((note.text for note in notes), "notes")


def _nothing(found: Shown) -> str:
    return '<p class="none">Nothing in this period.</p>'


def _figure(chart: str, alt: str, caption: str) -> str:
    return (
        f'<figure><div class="chart" id="{chart}" role="img" aria-label="{html.text(alt)}"></div>'
        f"<figcaption>{html.text(caption)}</figcaption></figure>"
    )


def _table(found: Shown, caption: str, columns: Sequence[str] = ()) -> str:
    return (
        f"<details><summary>{html.text(caption)}: the figures</summary>"
        f"{html.table(found.result, caption, most=MOST_ROWS, columns=columns)}</details>"
    )


def _key(bands: Sequence[Band], *, swatch_text: bool = True) -> str:
    lines = "".join(
        f'<li><span class="swatch" style="--swatch: {band.colour}" aria-hidden="true">'
        f"{html.text(band.letter) if swatch_text else ''}</span>{html.text(band.name)}</li>"
        for band in bands
    )
    return f'<ul class="key">{lines}</ul>'
