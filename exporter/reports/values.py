"""Values as texts: for tables, for CSV, for JSON, and for SQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Any, Final

from exporter import sql
from exporter.text import visible
from exporter.times import format_time

#: Words of names of columns as a reader knows them.
_ACRONYMS: Final = {
    word: word.upper() for word in ("api", "arn", "gb", "iam", "id", "kms", "sdk", "usd")
}
#: Units that the cells of a table show -> the word for it in names of columns.
_SHOWN: Final = {"seconds": "seconds", "percent": "percent"}
#: Stands for a value that is unknown or does not exist.
MISSING = "–"


def plain(value: object) -> str:
    """Return the full value, as in CSV files and columns without a unit; empty for NULL."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return digits(value)
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple | dict):
        return to_json(value)
    return str(value)


def digits(number: Decimal) -> str:
    """Return a number without trailing zeros and without an exponent: 43, 0.257."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def heading(name: str, unit: str = "") -> str:
    """Return the name of a report's column for a reader: `cost USD` for `cost_usd`.

    A unit that the cells show is no part of it: `retained` for `retained_seconds`, whose cells
    read as 22m 05s. Amounts of money show no currency, so their headings do. The dimensions
    `tag:KEY` stay as they are.

    Args:
        name: The name of the column.
        unit: Its unit (catalogue.UNITS).
    """
    if name.startswith("tag:"):
        return name
    words = [_ACRONYMS.get(word, word) for word in name.split("_")]
    if unit in _SHOWN and len(words) > 1:
        words = [word for word in words if word != _SHOWN[unit]]
    return "time" if words == ["seconds"] and unit == "seconds" else " ".join(words)


def shown(value: object, unit: str) -> str:
    """Return the value as a table shows it: one line without control characters.

    Args:
        value: The value.
        unit: `money` is USD to the cent, or to two significant digits below a cent; `rate` is USD
            with up to six decimals; `hours` has three decimals; `count` is whole, or has one
            decimal if it is a mean; `percent` is a share of 1; `factor` is a multiple; `seconds`
            reads as hours and minutes; `time` is to the second. With any other unit, such as
            `command`, the value is plain.
    """
    if value is None:
        return MISSING
    if isinstance(value, datetime) and unit == "time":
        return format_time(value.replace(microsecond=0))
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return visible(plain(value))
    number = Decimal(str(value))
    if not number.is_finite():
        return str(value)
    return _NUMBERS[unit](number) if unit in _NUMBERS else plain(value)


def _rounded(number: Decimal, places: int) -> str:
    return f"{number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,}"


def _rate(number: Decimal) -> str:
    whole, _, part = digits(number.quantize(Decimal("0.000001"), ROUND_HALF_UP)).partition(".")
    return f"{int(whole):,}.{part:0<2}"


def _count(number: Decimal) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number.quantize(Decimal('0.1')):,}"


def money(amount: Decimal) -> str:
    """Return USD to the cent; an amount below a cent keeps two significant digits."""
    if amount and abs(amount) < Decimal("0.01"):
        return format(amount.quantize(Decimal(1).scaleb(amount.adjusted() - 1), ROUND_HALF_UP), "f")
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def duration(seconds: int) -> str:
    """Return seconds for a reader: 45s, 12m 05s, 3h 20m."""
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{sign}{hours:,}h {minutes:02}m"
    return f"{sign}{minutes}m {rest:02}s" if minutes else f"{sign}{rest}s"


def period(seconds: int) -> str:
    """Return a keep-alive period in its largest whole unit: none, 10 min, 1 h, 1m 30s."""
    if not seconds:
        return "none"
    if seconds % 3600 == 0:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds % 60 == 0 else duration(seconds)


_NUMBERS: Final[Mapping[str, Callable[[Decimal], str]]] = {
    "money": money,
    "rate": _rate,
    "hours": lambda number: _rounded(number, 3),
    "count": _count,
    "percent": lambda number: f"{_rounded(number * 100, 1)} %",
    "factor": lambda number: f"{_rounded(number, 2)} ×",
    "seconds": lambda number: duration(int(number)),
}


def to_json(value: object) -> str:
    """Return JSON; decimals are numbers with all their digits, times are ISO 8601.

    The json module would round decimals to floats. A program that needs the exact amount parses
    numbers as decimals (Python: `json.loads(text, parse_float=Decimal)`).
    """
    if isinstance(value, dict):
        members = (f"{json.dumps(str(key))}: {to_json(item)}" for key, item in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_json, value))}]"
    if isinstance(value, Decimal):
        return digits(value) if value.is_finite() else "null"
    if isinstance(value, float) and not isfinite(value):
        return "null"
    if value is None or isinstance(value, bool | int | float | str):
        return json.dumps(value)
    if isinstance(value, timedelta):
        return json.dumps(value.total_seconds())
    return json.dumps(plain(value))


def literal(value: Any) -> str:  # noqa: ANN401 - whatever may be bound
    """Return the value as a literal of DuckDB's SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return sql.literal(plain(value))
