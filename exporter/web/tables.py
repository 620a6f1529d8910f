"""The cells and headings of a report's table, as filters of the templates."""

from __future__ import annotations

from datetime import UTC, datetime

from exporter.reports.rendering import is_numeric, total_cells
from exporter.reports.result import Column, Result, Row
from exporter.reports.values import MISSING, shown


def cells(row: Row, result: Result) -> list[str | None]:
    """Return a row of a result as texts; None where a value is unknown or there is none."""
    return [
        None if value is None else _text(value, column.unit)
        for value, column in zip(row, result.columns, strict=True)
    ]


def totals(result: Result) -> list[str | None]:
    """Return the totals of a result as texts; an empty list if it has none."""
    texts = [] if result.totals is None else total_cells(result, result.totals)
    return [None if text == MISSING else text for text in texts]


def heading(column: Column) -> str:
    """Return a column's name as a reader would write it."""
    if column.name.startswith("tag:"):
        return column.name
    return column.name.replace("_", " ").replace("usd", "USD")


def kind(column: Column) -> str:
    """Return `number`, `time` or `text`: the class of a column's cells."""
    if is_numeric(column.type):
        return "number"
    return "time" if column.type.startswith(("DATE", "TIME")) else "text"


def _text(value: object, unit: str) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%MZ}"
    return shown(value, unit)
