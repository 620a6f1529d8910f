"""What sections are made of: figures with their words, keys, tables, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from exporter.dashboard import html
from exporter.dashboard.charts import Band, Spec
from exporter.dashboard.figures import Figures, Shown
from exporter.reports.result import Note
from exporter.reports.values import MISSING, shown

#: Rows of a table and marks of a chart at most; what is left out is counted and in the total.
MOST_ROWS: Final = 60
MOST_BARS: Final = 15
#: Notes that hold for the whole page stand at its end, once.
_OF_THE_PAGE: Final = frozenset(
    {"list_prices", "as_of", "empty", "failed_scope", "incomplete_scope", "late_start"}
)


@dataclass(frozen=True)
class Drawn:
    """A part of the page: its HTML, and the charts that stand in it by id."""

    body: str
    specs: Mapping[str, Spec] = field(default_factory=dict)


def section(
    name: str,
    title: str,
    body: str,
    commands: Sequence[str],
    *,
    notes: Iterable[Note] = (),
    specs: Mapping[str, Spec] | None = None,
) -> Drawn:
    """A section; `commands` print its figures, `notes` are those of its reports."""
    own = dict.fromkeys(note.text for note in notes if note.code not in _OF_THE_PAGE)
    same = " and ".join(map(html.command, commands))
    return Drawn(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">'
        f"{html.text(title)}</h2>{body}{html.items(own, 'notes')}"
        f'<p class="same">The same figures: {same}</p></section>',
        specs or {},
    )


def nothing(words: str) -> str:
    """What stands in the place of a chart that would be empty."""
    return f'<p class="none">{html.text(words)}</p>'


def figure(chart: str, alt: str, caption: str) -> str:
    """The place of a chart, with what it says for those who do not see it."""
    return (
        f'<figure><div class="chart" id="{chart}" role="img" aria-label="{html.text(alt)}"></div>'
        f"<figcaption>{html.text(caption)}</figcaption></figure>"
    )


def folded_table(found: Shown, caption: str, columns: Sequence[str] = ()) -> str:
    """A report's table, to be opened."""
    return (
        f"<details><summary>{html.text(caption)}: the figures</summary>"
        f"{html.table(found.result, caption, most=MOST_ROWS, columns=columns)}</details>"
    )


def key(bands: Sequence[Band]) -> str:
    """What the parts of a chart stand for."""
    lines = "".join(
        f'<li><span class="swatch" style="--swatch: {band.colour}" aria-hidden="true">'
        f"{html.text(band.letter)}</span>{html.text(band.name)}</li>"
        for band in bands
    )
    return f'<ul class="key">{lines}</ul>'


def months_of(*founds: Shown) -> list[str]:
    """Every month from the first with a cost to the last, also those without one."""
    spent = {row["month"] for found in founds for row in found.rows if _spent(row)}
    if not spent:
        return []
    months = []
    year, month = map(int, min(spent).split("-"))
    while (name := f"{year:04}-{month:02}") <= max(spent):
        months.append(name)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return months


def so_far(figures: Figures) -> str:
    """The month that the data ends in, such as 2026-11; empty where nothing is complete."""
    known = [scope.watermark for scope in figures.status.scopes if scope.watermark is not None]
    return f"{min(known):%Y-%m}" if known else ""


def usd(value: Decimal | None) -> str:
    """An amount as the reports show it."""
    return "not known" if value is None else f"{shown(value, 'money')} USD"


def times(value: float | None) -> str:
    """A factor as the reports show it."""
    return MISSING if value is None else shown(value, "factor")


def percent(value: float | None) -> str:
    """A share as the reports show it."""
    return "not known" if value is None else shown(value, "percent")


_READ: Final[dict[str, Callable[[Any], str]]] = {"money": usd, "factor": times, "percent": percent}


def reading(found: Shown, row: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, str]:
    """What a tooltip reads: (title, value as the report shows it) of some columns."""
    units = {column.name: column.unit for column in found.result.columns}
    return {title: _read(row[name], units[name]) for name, title in titles.items()}


def _read(value: Any, unit: str) -> str:  # noqa: ANN401 - whatever a report gives
    if value is None:
        return "not known"
    return _READ[unit](value) if unit in _READ else shown(value, unit)


def _spent(row: Mapping[str, Any]) -> bool:
    return any(isinstance(value, Decimal) and value for value in row.values())
