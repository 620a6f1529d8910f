"""The section on keep-alive periods: of the dearest families, what other periods would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from exporter.dashboard import charts, html
from exporter.dashboard.charts import Point, Spec
from exporter.dashboard.figures import Figures, Shown
from exporter.dashboard.parts import Drawn, figure, folded_table, nothing, reading, section, usd
from exporter.reports.values import duration, shown

_TITLES: Final = {
    "keep_alive_seconds": "keep-alive period",
    "idle_usd": "waits cost a month",
    "saved_minutes": "minutes saved a month",
    "reuses": "ends that are reused",
    "ends": "of ends in the period",
    "usd_per_minute": "one more minute costs",
    "net_usd": "net worth a month",
}
#: Periods worth a label, where there is room; the present and the longest come before them.
_LABELLED: Final = (900, 1800, 300, 3600, 7200, 10800, 14400)


def keep_alive(figures: Figures) -> Drawn:
    """A panel for each of the dearest families: what a month costs against what it saves."""
    title = "Dearest families: what other keep-alive periods would do"
    commands = [figures.advice_command]
    found = [found for found in figures.advice if found.rows]
    if not found:
        body = nothing("No family has had pools and jobs enough in this period to compare.")
        return section("keep-alive", title, body, commands)
    panels: list[str] = []
    specs: dict[str, Spec] = {}
    for place, one in enumerate(found):
        name = f"chart-keep-alive-{place}"
        panel, spec = _panel(one, name)
        panels.append(panel)
        if spec is not None:
            specs[name] = spec
    body = (
        "<p>Each curve runs through periods from none to the longest. Up is dearer, right is less "
        "waiting for jobs to start: where the curve turns steep, a longer period buys little. "
        "The diamond is the period that most of these jobs ask for now.</p>"
        f'<div class="panels">{"".join(panels)}</div>'
    )
    notes = [note for one in found for note in one.result.notes]
    return section("keep-alive", title, body, commands, notes=notes, specs=specs)


def _panel(found: Shown, name: str) -> tuple[str, Spec | None]:
    rows = found.rows
    family, kind = rows[0]["family"], rows[0]["instance_type"]
    heading = f"{family} on {kind}"
    # Without a warm start in the period it is not known how many minutes one saves.
    across = "saved_minutes" if all(r["saved_minutes"] is not None for r in rows) else "reuses"
    points = [
        Point(
            charts.number(row[across]),
            charts.number(row["idle_usd"]),
            _short(row["keep_alive_seconds"]),
            "current" in row["mark"],
            reading(found, row, _titles(row)),
        )
        for row in rows
        if row["idle_usd"] is not None
    ]
    if not points:
        words = nothing("No price is known for its instance type: there is no cost to compare.")
        return f"<div><h3>{html.text(heading)}</h3>{words}</div>", None
    x_title = (
        "minutes of starting saved a month"
        if across == "saved_minutes"
        else "ends that are reused, in the whole period"
    )
    spec = charts.curve(points, x_title, [_short(seconds) for seconds in _LABELLED])
    said = _said(rows)
    alt = f"Curve for {heading}. {said}"
    return (
        f"<div><h3>{html.text(heading)}</h3>{figure(name, alt, said)}"
        f"{folded_table(found, heading)}</div>",
        spec,
    )


def _said(rows: list[dict[str, Any]]) -> str:
    words = []
    for row in rows:
        period = _short(row["keep_alive_seconds"])
        saved = row["saved_minutes"]
        gain = (
            f"{row['reuses']:,} of {row['ends']:,} ends reused; the minutes saved are not known"
            if saved is None
            else f"{shown(saved, 'count')} minutes saved"
        )
        if "current" in row["mark"]:
            words.append(f"Now {period}: {usd(row['idle_usd'])} a month, {gain}.")
        if "best" in row["mark"]:
            words.append(f"Best {period}: {usd(row['gain_usd'])} a month better than now.")
    return " ".join(words)


def _titles(row: Mapping[str, Any]) -> dict[str, str]:
    optional = ("usd_per_minute", "net_usd", "saved_minutes")
    return {
        name: title
        for name, title in _TITLES.items()
        if name not in optional or row[name] is not None
    }


def _short(seconds: int) -> str:
    if seconds and seconds % 3600 == 0:
        return f"{seconds // 3600} h"
    if seconds and seconds % 60 == 0:
        return f"{seconds // 60} min"
    return "none" if not seconds else duration(seconds)
