"""The sections on use: what waited in vain, what was reused, and what waits now."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from exporter.dashboard import charts, html
from exporter.dashboard.charts import Band, Pair
from exporter.dashboard.figures import Figures, Shown
from exporter.dashboard.parts import (
    MOST_BARS,
    Drawn,
    figure,
    folded_table,
    key,
    months_of,
    nothing,
    percent,
    reading,
    section,
    so_far,
    usd,
)
from exporter.reports.values import shown
from exporter.text import counted

_REUSED: Final = Band("reused: another job came", "↑", "var(--reuse)")
_WASTED: Final = Band("wasted: nobody came", "↓", "var(--waste)")
_MOST_LIVE: Final = 20


def waste(figures: Figures) -> Drawn:
    """What pools cost that were reused, and what those that were not."""
    found = figures.waste
    title, commands = "Waste against reuse", [found.command]
    months = months_of(found)
    if not months:
        body = nothing("No pool with a known cost ended in this period.")
        return section("waste", title, body, commands, notes=found.result.notes)
    total = found.total
    alt = (
        f"Columns by month: above the line what reused pools cost, {usd(total['reused_usd'])} in "
        f"all; below it what pools cost that nobody reused, {usd(total['wasted_usd'])}, which is "
        f"{percent(total['wasted_share'])} of both."
    )
    titles = {
        "month": "month",
        "reused_usd": "reused",
        "wasted_usd": "wasted",
        "wasted_share": "share wasted",
        "pools": "pools",
        "wasted_pools": "of them wasted",
    }
    pairs = [
        Pair(row["month"], band, row[column], reading(found, row, titles))
        for row in found.rows
        for band, column in ((_REUSED, "reused_usd"), (_WASTED, "wasted_usd"))
    ]
    body = (
        "<p>A wait that another job ended bought that job a warm start. A wait that nobody ended "
        "bought nothing.</p>"
        + key((_REUSED, _WASTED))
        + figure(
            "chart-waste",
            alt,
            "Cost of pools that have ended, in USD; those that still wait are in neither.",
        )
        + folded_table(found, "Waste and reuse by month")
    )
    specs = {
        "chart-waste": charts.opposed_months(pairs, months, (_REUSED, _WASTED), so_far(figures))
    }
    return section("waste", title, body, commands, notes=found.result.notes, specs=specs)


def reuse(figures: Figures) -> Drawn:
    """How often the pools of each family were reused."""
    found = figures.reuse
    title, commands = "Reuse rate by family", [found.command]
    rows = [row for row in found.rows if row["reuse_rate"] is not None]
    if not rows:
        body = nothing("No pool ended in this period.")
        return section("reuse", title, body, commands, notes=found.result.notes)
    total = found.total
    top = rows[:MOST_BARS]
    lowest = min(top, key=lambda row: row["reuse_rate"])
    alt = (
        f"Bars of reuse rate for the {counted(len(top), 'family', 'families')} "
        f"whose pools cost most. Over all families, {total['reused']:,} of {total['pools']:,} "
        f"pools were reused, {percent(total['reuse_rate'])}; the lowest shown is "
        f"{lowest['family']} with {percent(lowest['reuse_rate'])}."
    )
    titles = {
        "family": "family",
        "reuse_rate": "reuse rate",
        "reused": "reused",
        "pools": "pools",
        "median_wait_seconds": "median wait, if reused",
        "cost_usd": "cost of all its pools",
    }
    bars = [
        charts.Bar(
            row["family"] or "family not known",
            charts.number(row["reuse_rate"]),
            percent(row["reuse_rate"]),
            reading(found, row, titles),
        )
        for row in top
    ]
    body = (
        "<p>Of the pools that have ended, the share that another job took over.</p>"
        + figure(
            "chart-reuse", alt, f"The {len(top)} dearest of {len(found.rows):,}, dearest first."
        )
        + folded_table(found, "Reuse by family")
    )
    specs = {"chart-reuse": charts.shares(bars, title="pools reused", colour="var(--reuse)")}
    return section("reuse", title, body, commands, notes=found.result.notes, specs=specs)


def live(figures: Figures) -> Drawn:
    """What waits now, as far as the last look tells."""
    found = figures.live
    title, commands = "Waiting at the last look", [found.command]
    if not found.rows:
        body = nothing("No pool waited when the service was last asked.")
        return section("live", title, body, commands, notes=found.result.notes)
    total = found.total
    burn = total["usd_per_hour"]
    rate = "not known" if burn is None else f"{shown(burn, 'rate')} USD an hour"
    body = (
        f"<p>Pools that had not ended when the service was last asked. Together they burn "
        f"<strong>{html.text(rate)}</strong>, and have cost "
        f"{html.text(usd(total['so_far_usd']))} so far.</p>"
    )
    specs = {}
    priced = [row for row in found.rows if row["usd_per_hour"]][:MOST_BARS]
    if len(priced) > 1:
        titles = {
            "job": "job",
            "instance_type": "type",
            "instances": "instances",
            "usd_per_hour": "USD an hour",
            "so_far_usd": "so far",
            "waits_since": "waits since",
            "ends_by": "ends by",
        }
        bars = [
            charts.Bar(
                row["job"],
                charts.number(row["usd_per_hour"]),
                shown(row["usd_per_hour"], "rate"),
                reading(found, row, titles),
            )
            for row in priced
        ]
        specs["chart-live"] = charts.bars(bars, title="USD an hour", colour="var(--pool)")
        dearest = priced[0]
        alt = (
            f"Bars by job. The dearest is {dearest['job']} with "
            f"{shown(dearest['usd_per_hour'], 'rate')} USD an hour."
        )
        body += figure("chart-live", alt, "The dearest first.")
    hidden = {"end_command"}
    if len({row["region"] for row in found.rows}) == 1:
        hidden.add("region")
    columns = [column.name for column in found.result.columns if column.name not in hidden]
    body += html.table(
        found.result, "Pools that waited", most=_MOST_LIVE, columns=columns
    ) + _commands(found)
    return section("live", title, body, commands, notes=found.result.notes, specs=specs)


def waiting_tile(figures: Figures) -> tuple[str, str]:
    """The figure and the note of the tile: what waits, and when that was seen."""
    found = figures.live
    if not found.rows:
        known = [scope.watermark for scope in figures.status.scopes if scope.watermark]
        seen = f"no pool, on {min(known):%Y-%m-%d %H:%M} UTC" if known else "nothing is synced yet"
        return "none", seen
    burn: Decimal | None = found.total["usd_per_hour"]
    pools = counted(len(found.rows), "pool")
    return ("not known" if burn is None else f"{shown(burn, 'rate')} USD/h"), f"{pools} waiting"


def _commands(found: Shown) -> str:
    lines = "".join(
        f"<li>{html.command(row['end_command'])}</li>"
        for row in found.rows[:_MOST_LIVE]
        if row["end_command"]
    )
    return (
        "<details><summary>Commands that would end them</summary><p>Nothing here runs them. A "
        f'pool that is ended early cannot be reused.</p><ul class="notes">{lines}</ul></details>'
    )
