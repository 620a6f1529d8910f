"""Values as text: for people (tables), for programs (CSV), for JSON."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from exporter import sql
from exporter.text import visible
from exporter.times import format_time

#: What stands for a value that is not known, or not there.
MISSING = "–"


def plain(value: object) -> str:
    """The value in full, as CSV and unit-less tables have it; empty for NULL."""
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
    """All digits of a number that say something: 43, 0.257, never 4.3E+1."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(value: object, unit: str) -> str:
    """The value as a table shows it, by its unit; one line, harmless to a terminal.

    money: USD to the cent, two significant digits below a cent. rate: USD with up to six places.
    hours: three places. count: whole, or one place where it is a mean. percent: a share of 1, as
    per cent. factor: times. seconds: as h and m. time: to the second.
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
    if unit == "money":
        return money(number)
    if unit == "rate":
        text = digits(number.quantize(Decimal("0.000001"), ROUND_HALF_UP))
        whole, _, part = text.partition(".")
        return f"{int(whole):,}.{part:0<2}"
    if unit == "hours":
        return f"{number.quantize(Decimal('0.001'), ROUND_HALF_UP):,}"
    if unit == "count":
        return (
            f"{int(number):,}" if number == int(number) else f"{number.quantize(Decimal('0.1')):,}"
        )
    if unit == "percent":
        return f"{(number * 100).quantize(Decimal('0.1'), ROUND_HALF_UP):,} %"
    if unit == "factor":
        return f"{number.quantize(Decimal('0.01'), ROUND_HALF_UP):,} ×"
    if unit == "seconds":
        return duration(int(number))
    return plain(value)


def money(amount: Decimal) -> str:
    """USD to the cent; an amount below a cent keeps two digits that say something."""
    if amount and abs(amount) < Decimal("0.01"):
        return format(amount.quantize(Decimal(1).scaleb(amount.adjusted() - 1), ROUND_HALF_UP), "f")
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def duration(seconds: int) -> str:
    """Seconds as a reader takes them in: 45s, 12m 05s, 3h 20m."""
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{sign}{hours:,}h {minutes:02}m"
    return f"{sign}{minutes}m {rest:02}s" if minutes else f"{sign}{rest}s"


def to_json(value: object) -> str:
    """JSON text; decimals as numbers with all their digits, times as ISO 8601.

    The json module would round decimals to floats. A reader that needs the exact amount parses
    numbers as decimals (Python: `json.loads(text, parse_float=Decimal)`).
    """
    return "".join(_json(value))


def _json(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _joined("{", (_member(key, item) for key, item in value.items()), "}")
    elif isinstance(value, list | tuple):
        yield from _joined("[", map(_json, value), "]")
    elif value is None or isinstance(value, bool | int | str):
        yield json.dumps(value)
    elif isinstance(value, Decimal):
        yield digits(value) if value.is_finite() else "null"
    elif isinstance(value, float):
        yield json.dumps(value) if value - value == 0 else "null"  # JSON has no NaN, no infinity
    elif isinstance(value, timedelta):
        yield json.dumps(value.total_seconds())
    elif isinstance(value, datetime | date | time | bytes | uuid.UUID):
        yield json.dumps(plain(value))
    else:
        yield json.dumps(str(value))


def _member(key: object, item: object) -> Iterator[str]:
    yield f"{json.dumps(str(key))}: "
    yield from _json(item)


def _joined(start: str, parts: Iterable[Iterable[str]], end: str) -> Iterator[str]:
    yield start
    for number, part in enumerate(parts):
        if number:
            yield ", "
        yield from part
    yield end


def literal(value: Any) -> str:  # noqa: ANN401 - whatever may be bound
    """The value as DuckDB reads it in a statement."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return sql.literal(plain(value))
