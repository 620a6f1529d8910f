"""The data that the page's script filters, as JSON: cells, advice and idle pools, with their names.

Amounts are whole numbers of 10^-12 USD. JavaScript reads numbers below 2^53 exactly, so larger ones
are texts. Names are shown as `visible` gives them, so none can steer the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from exporter.reports.result import Result
from exporter.text import visible
from exporter.web.cells import OTHERS, Key
from exporter.web.figures import Figures, is_change
from exporter.web.view import DIMENSIONS, months, named

#: Rows of the advice that keep their own figures. The rest is added up.
MOST_ADVICE: Final = 3_000
_EXACT: Final = 2**53
#: The amounts of a row of the advice, in the order of the page's script.
_AMOUNTS: Final = (
    "current_idle_usd",
    "current_wasted_usd",
    "suggested_idle_usd",
    "gained_minutes",
)
_CURRENT: Final = _AMOUNTS.index("current_idle_usd")
_SUGGESTED: Final = _AMOUNTS.index("suggested_idle_usd")


class Names:
    """The values of each dimension; a cell and a row name them by their place."""

    def __init__(self, figures: Figures) -> None:
        """Collect the values of all cells."""
        self._accounts = figures.accounts
        self.values: dict[str, list[str | None]] = {
            code: sorted(
                {getattr(key, code) for key, _ in figures.cells},
                key=lambda value: (value is None, value == OTHERS, value or ""),
            )
            for code in DIMENSIONS
        }
        self._places = {
            code: {value: place for place, value in enumerate(values)}
            for code, values in self.values.items()
        }

    def place(self, code: str, value: str | None) -> int:
        """Return the place of a value; that of the others if it has none; else -1."""
        places = self._places[code]
        return places.get(value, places.get(OTHERS, places.get(None, -1)))

    def places(self, key: Key) -> list[int]:
        """Return the places of all values of a key."""
        return [self.place(code, value) for code, value in zip(DIMENSIONS, key, strict=True)]

    def shown(self) -> dict[str, list[str]]:
        """Return the names of all values by dimension; accounts have their names, too."""
        return {
            code: [visible(named(value, code, self._accounts)) for value in values]
            for code, values in self.values.items()
        }


def payload(figures: Figures, names: Names) -> dict[str, Any]:
    """Return the data of the page's script."""
    keys = list(dict.fromkeys(key for key, _ in figures.cells))
    buckets = sorted({bucket for _, bucket in figures.cells})
    key_places = {key: place for place, key in enumerate(keys)}
    bucket_places = {bucket: place for place, bucket in enumerate(buckets)}
    period = figures.period
    return {
        "since": str(period.since),
        "until": str(period.until),
        "today": str(figures.now.date()),
        "months": [str(month.since) for month in months(period)],
        "names": names.shown(),
        "keys": [names.places(key) for key in keys],
        "buckets": list(map(str, buckets)),
        "cells": [
            [key_places[key], bucket_places[bucket], *_trimmed(map(_number, sums))]
            for (key, bucket), sums in figures.cells.items()
        ],
        "advice": advice(figures.advice.rows, names),
        "idle": [_idle(row, names) for row in by_name(figures.idle)],
        "curves": [
            [curve.place, [_point(row, figures.advice.minute_usd) for row in curve.rows]]
            for curve in figures.advice.curves
        ],
    }


def advice(rows: Sequence[Mapping[str, Any]], names: Names) -> list[list[Any]]:
    """Return the filter values, counts and amounts of each row; rows beyond the most are added up.

    The counts are pools, reused pools, and 1 for a change.
    """
    found = [_advice(row, names) for row in rows[:MOST_ADVICE]]
    rest: dict[str, tuple[list[Any], list[int], list[int | None]]] = {}
    for row in rows[MOST_ADVICE:]:
        places, counts, amounts = _advice(row, names)
        if amounts[_SUGGESTED] is None:  # without a suggestion, it goes on as it is
            amounts[_SUGGESTED] = amounts[_CURRENT]
        _, counts_before, before = rest.get(repr(places), (places, [0] * 3, [0] * len(_AMOUNTS)))
        rest[repr(places)] = (
            places,
            [one + two for one, two in zip(counts_before, counts, strict=True)],
            [(one or 0) + (two or 0) for one, two in zip(before, amounts, strict=True)],
        )
    return [
        [places, counts, [None if amount is None else _number(amount) for amount in amounts]]
        for places, counts, amounts in (*found, *rest.values())
    ]


def _advice(row: Mapping[str, Any], names: Names) -> tuple[list[Any], list[int], list[int | None]]:
    counts = [row["pools"], row["current_reuses"], int(is_change(row))]
    return row_places(row, names), counts, [_pico(row[name]) for name in _AMOUNTS]


def row_places(row: Mapping[str, Any], names: Names) -> list[Any]:
    """Return the places of a row's values; for the team a list, because a row can have several."""
    teams = row["team"].split(", ") if row["team"] else [None]
    return [
        names.place("account", row["account_id"]),
        names.place("region", row["region"]),
        names.place("family", row["family"]),
        [names.place("team", team) for team in teams],
        names.place("type", row["instance_type"]),
    ]


def by_name(result: Result) -> list[dict[str, Any]]:
    """Return the rows of a result by column name."""
    names = [column.name for column in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows]


def _idle(row: Mapping[str, Any], names: Names) -> list[Any]:
    amounts = (_pico(row["usd_per_hour"]), _pico(row["accrued_usd"]))
    return [
        row_places(row, names),
        [None if amount is None else _number(amount) for amount in amounts],
    ]


def _point(row: Mapping[str, Any], minute_usd: Decimal) -> list[Any]:
    """Return a period in seconds, its idle cost and its worth in USD a month, and its mark."""
    minutes = row["saved_minutes"]
    return [
        row["keep_alive_seconds"],
        None if row["idle_usd"] is None else float(row["idle_usd"]),
        None if minutes is None else float(minutes * minute_usd),
        row["mark"],
    ]


def _pico(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount.scaleb(12))


def _number(number: int) -> int | str:
    return number if abs(number) < _EXACT else str(number)


def _trimmed(numbers: Iterable[int | str]) -> list[int | str]:
    """Return the numbers without the zeros at their end."""
    found = list(numbers)
    while found and not found[-1]:
        found.pop()
    return found
