"""The sections on money: what the pools cost, and what the training cost beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from exporter.dashboard import charts
from exporter.dashboard.charts import Band, Pair, Slice
from exporter.dashboard.figures import Figures
from exporter.dashboard.parts import (
    MOST_BARS,
    Drawn,
    figure,
    folded_table,
    key,
    months_of,
    nothing,
    reading,
    section,
    so_far,
    times,
    usd,
)
from exporter.reports.values import shown

_LETTERS: Final = "ABCDEF"
_TRAINING: Final = Band("training", "", "var(--train)")
_POOLS: Final = Band("warm pools", "", "var(--pool)")


def pool_cost(figures: Figures) -> Drawn:
    """What the pools cost, by month and instance type."""
    found = figures.by_month_and_type
    rows = [row for row in found.rows if row["cost_usd"]]
    title, commands = "Pool cost by month and type", [found.command]
    body = (
        "<p>Idle time of instances that were kept after a job, in the UTC month in which its "
        "seconds fall.</p>"
    )
    if not rows:
        body += nothing("No pool with a known cost in this period.")
        return section("pool-cost", title, body, commands, notes=found.result.notes)
    months = months_of(figures.by_month)
    bands, band_of = _bands(figures)
    dearest = max(figures.by_month.rows, key=lambda row: row["cost_usd"] or Decimal())
    alt = (
        f"Stacked columns: warm pool cost in USD by month, {months[0]} to {months[-1]}, parted by "
        f"instance type. The total is {usd(found.total['cost_usd'])}; the dearest month is "
        f"{dearest['month']} with {usd(dearest['cost_usd'])}."
    )
    body += (
        key(bands)
        + figure(
            "chart-pool-cost",
            alt,
            "Dearest type at the bottom. Point at a part for its figures, or open the table.",
        )
        + folded_table(found, "Warm pool cost by month and instance type")
    )
    slices = _stack(rows, months, bands, band_of)
    specs = {"chart-pool-cost": charts.stacked_months(slices, months, bands, so_far(figures))}
    return section("pool-cost", title, body, commands, notes=found.result.notes, specs=specs)


def beside_training(figures: Figures) -> Drawn:
    """Training and pools side by side, by month; and how many times the training, by type."""
    found, by_type = figures.by_month, figures.by_type
    rows = [row for row in found.rows if row["cost_usd"] or row["training_usd"]]
    title = "Training beside pool cost"
    commands = [found.command, by_type.command]
    if not rows:
        body = nothing("No training and no pool with a known cost in this period.")
        return section("beside", title, body, commands, notes=found.result.notes)
    months = months_of(found)
    total = found.total
    alt = (
        f"Pairs of columns by month: training, {usd(total['training_usd'])} in all, beside warm "
        f"pools, {usd(total['cost_usd'])}, which is {times(total['times_training'])} the training."
    )
    titles = {
        "month": "month",
        "training_usd": "training",
        "cost_usd": "warm pools",
        "times_training": "pools ÷ training",
    }
    pairs = [
        Pair(row["month"], band, row[column], reading(found, row, titles))
        for row in rows
        for band, column in ((_TRAINING, "training_usd"), (_POOLS, "cost_usd"))
    ]
    body = (
        "<p>What was paid for work, and what was paid for waiting.</p>"
        + key((_TRAINING, _POOLS))
        + figure("chart-beside", alt, "In each month, training stands on the left.")
        + folded_table(found, "Training and warm pool cost by month")
    )
    specs = {
        "chart-beside": charts.paired_months(pairs, months, (_TRAINING, _POOLS), so_far(figures))
    }
    ratios = [row for row in by_type.rows if row["cost_usd"] and row["times_training"]]
    if ratios:
        ratios.sort(key=lambda row: -row["times_training"])
        worst = ratios[0]
        bars = [
            charts.Bar(
                row["instance_type"] or "type not known",
                charts.number(row["times_training"]),
                times(row["times_training"]),
                reading(
                    by_type,
                    row,
                    {
                        "instance_type": "type",
                        "cost_usd": "warm pools",
                        "training_usd": "training",
                        "times_training": "pools ÷ training",
                    },
                ),
            )
            for row in ratios[:MOST_BARS]
        ]
        specs["chart-times"] = charts.bars(
            bars, title="pool cost ÷ training cost", colour=_POOLS.colour, line_at=1.0
        )
        body += (
            '<h3 class="sub">Pool cost as a multiple of the training, by instance type</h3>'
            + figure(
                "chart-times",
                f"Bars by instance type. The longest: {worst['instance_type']}, whose pools cost "
                f"{times(worst['times_training'])} its training.",
                "Right of the dashed line, the waiting cost more than the work.",
            )
            + folded_table(by_type, "Training and warm pool cost by instance type")
        )
    return section("beside", title, body, commands, notes=found.result.notes, specs=specs)


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
            read = {
                "month": month,
                "type": band.name,
                "cost": usd(cost),
                "idle instance hours": shown(hours, "hours"),
            }
            slices.append(Slice(month, band, float(base), float(base + cost), read))
            base += cost
    return slices


def _bands(figures: Figures) -> tuple[list[Band], dict[str | None, Band]]:
    """The dearest types, each with a letter; the rest together."""
    types = [row["instance_type"] for row in figures.by_type.rows if row["cost_usd"]]
    named, rest = types[: len(_LETTERS)], types[len(_LETTERS) :]
    bands = [
        Band(name or "type not known", _LETTERS[place], f"var(--k{place + 1})")
        for place, name in enumerate(named)
    ]
    band_of = dict(zip(named, bands, strict=True))
    if rest:
        name = f"{len(rest)} other types" if len(rest) > 1 else rest[0] or "type not known"
        bands.append(Band(name, "+", "var(--k0)"))
        band_of |= dict.fromkeys(rest, bands[-1])
    return bands, band_of
