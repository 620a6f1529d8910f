"""Reads a CSV file of Cost Explorer that has one column for each usage type. Pure.

Its first column holds the days. The others are named `EU-Train:ml.g5.xlarge($)` for the cost and
`EU-Train:ml.g5.xlarge(Hrs)` for the quantity. Totals stand in a row and in columns of their own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

#: The columns of the table that `rows` fills.
COLUMNS: Final = ("date", "end", "usagetype", "usagequantity", "unit", "cost", "currency")
_HEADING: Final = re.compile(r"(?P<name>.+?)\s*\((?P<unit>[^()]+)\)\s*")
_SIGNS: Final = {"$": "USD", "US$": "USD", "€": "EUR", "¥": "CNY"}
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_FIRST: Final = re.compile(r"usage ?type|date|day", re.IGNORECASE)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_wide(header: Sequence[str]) -> bool:
    """Return whether a header line has one column for each usage type.

    A file with one row for each day and usage type has a column for either.
    """
    named = [name for name in header if _FIRST.fullmatch(name.strip())]
    return named == header[:1] and any(map(_HEADING.fullmatch, header[1:]))


def rows(lines: Iterable[str]) -> dict[str, list[str | None]]:
    """Return one row for each line of a day and usage type, by column.

    A file by the hour has several lines for each day.

    Args:
        lines: The lines of the file, with the header line.

    Raises:
        ValueError: A first cell is neither a day nor a total.
    """
    reader = csv.reader(lines, strict=True)
    headings = [_HEADING.fullmatch(name) for name in next(reader)[1:]]
    days = [(date.fromisoformat(line[0][:10]), line[1:]) for line in reader if _is_day(line)]
    monthly = all(day.day == 1 for day, _ in days) and len(days) == len({day for day, _ in days})
    found: dict[str, list[str | None]] = {name: [] for name in COLUMNS}
    for day, cells in days:
        end = (day + timedelta(days=32)).replace(day=1) if monthly else day + timedelta(days=1)
        for name, values in _by_usage_type(headings, cells).items():
            row = {"date": day.isoformat(), "end": end.isoformat(), "usagetype": name, **values}
            for column in COLUMNS:
                found[column].append(row.get(column))
    return found


def _is_day(line: Sequence[str]) -> bool:
    """Return whether a line is of a day (or month), and not a total or empty.

    Raises:
        ValueError: It is none of these.
    """
    first = line[0] if line else ""
    if not first.strip() or "total" in first.lower():
        return False
    if not _DAY.fullmatch(first[:10]):
        raise ValueError(f"{first!r} is not a day such as 2026-10-31")
    return True


def _by_usage_type(
    headings: Sequence[re.Match[str] | None], cells: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return quantity, unit, cost and currency of each usage type on one day.

    An empty cell of a cost is 0. A usage type with neither usage nor a cost has no row.
    """
    found: dict[str, dict[str, str]] = {}
    for heading, cell in zip(headings, cells, strict=False):
        value = cell.replace(",", "").strip()
        if heading is None or heading["name"].lower().startswith("total"):
            continue
        unit = heading["unit"].strip()
        currency = _SIGNS.get(unit, unit if _CURRENCY.fullmatch(unit) else "")
        row = found.setdefault(heading["name"], {})
        if currency:
            row |= {"cost": value or "0", "currency": currency}
        elif value:
            row |= {"usagequantity": value, "unit": unit}
    return {name: row for name, row in found.items() if "usagequantity" in row or _has_cost(row)}


def _has_cost(row: Mapping[str, str]) -> bool:
    return bool(row.get("cost", "").strip("-0."))
