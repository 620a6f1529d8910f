"""Results as tables of text for a template."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.reports.rendering import is_numeric, total_cells
from exporter.reports.result import Column, Result
from exporter.reports.values import MISSING, shown

#: A line of cells. A cell is None where the value is unknown or there is none.
Cells = list[str | None]


@dataclass(frozen=True)
class Heading:
    """A column's heading, its explanation, and `number`, `time` or `text`, by its content."""

    text: str
    note: str
    kind: str


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        caption: What the table shows.
        headings: One heading a column.
        rows: The first rows, one cell a column.
        left_out: How many more rows the result has.
        totals: The totals of all rows, or None.
    """

    caption: str
    headings: list[Heading]
    rows: list[Cells]
    left_out: int
    totals: Cells | None


def table(result: Result, caption: str, *, limit: int = 60, hidden: Collection[str] = ()) -> Table:
    """Return a result as a table.

    Args:
        result: The result.
        caption: What the table shows.
        limit: The highest number of rows.
        hidden: Names of columns to leave out.
    """
    kept = [
        (place, column) for place, column in enumerate(result.columns) if column.name not in hidden
    ]
    rows = list(result.rows)
    totals: Cells | None = None
    if result.totals is not None:
        cells = total_cells(result, result.totals)
        totals = [None if cells[place] == MISSING else cells[place] for place, _ in kept]
    return Table(
        caption=caption,
        headings=[_heading(column) for _, column in kept],
        rows=[[_cell(row[place], column.unit) for place, column in kept] for row in rows[:limit]],
        left_out=max(len(rows) - limit, 0),
        totals=totals,
    )


def _heading(column: Column) -> Heading:
    name = column.name
    if not name.startswith("tag:"):
        name = name.replace("_", " ").replace("usd", "USD")
    kind = "text"
    if is_numeric(column.type):
        kind = "number"
    elif column.type.startswith(("DATE", "TIME")):
        kind = "time"
    return Heading(name, column.note, kind)


def _cell(value: Any, unit: str) -> str | None:  # noqa: ANN401 - a report gives values of any type
    if value is None:
        return None
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%MZ}"
    return shown(value, unit)
