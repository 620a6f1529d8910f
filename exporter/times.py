"""Times as people write them, and as this program prints them. Pure: `now` is an argument."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

EXPECTED_TIME: Final = (
    "an ISO 8601 time such as 2026-10-03T12:00Z, an age such as 30d or 12h, today or yesterday"
)
EXPECTED_AGE: Final = "an age such as 90m, 12h, 30d or 2w"
EXPECTED_MONTH: Final = "a month such as 2026-10, this or last"

_AGE: Final = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,6})?)(?P<unit>[smhdw])", re.ASCII)
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
#: A word -> how many days ago that day began.
_DAYS: Final = {"today": 0, "yesterday": 1}
_MONTH: Final = re.compile(r"\d{4}-\d{2}", re.ASCII)


def parse_age(text: str) -> timedelta:
    """Return the length of an age: a number and one of s, m, h, d, w.

    Raises:
        ValueError: The text is no age, or an age longer than a timedelta can hold.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected {EXPECTED_AGE}")
    try:
        return float(match["number"]) * _UNITS[match["unit"]]
    except OverflowError:
        raise ValueError(f"expected {EXPECTED_AGE}; this one is too long") from None


def parse_time(text: str, now: datetime) -> datetime:
    """Return the moment that a text means, aware and in UTC.

    Args:
        text: ISO 8601 (UTC if it has no offset), an age before `now`, or `today` or `yesterday`
            for the beginning of that UTC day.
        now: An aware datetime.

    Raises:
        ValueError: The text is none of these, or the moment is outside the years 1 to 9999.
    """
    text = text.strip()
    if text in _DAYS:
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=_DAYS[text])
    if _AGE.fullmatch(text):
        try:
            return now.astimezone(UTC) - parse_age(text)
        except (ValueError, OverflowError):
            raise ValueError(f"expected {EXPECTED_TIME}; this age is too long") from None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"expected {EXPECTED_TIME}") from None


def parse_month(text: str, now: datetime) -> date:
    """Return the first day of the UTC month that a text means.

    Args:
        text: A month such as `2026-10`, `this`, or `last` for the one before.
        now: An aware datetime.

    Raises:
        ValueError: The text is none of these.
    """
    this = now.astimezone(UTC).date().replace(day=1)
    if text == "this":
        return this
    if text == "last":
        return (this - timedelta(days=1)).replace(day=1)
    if not _MONTH.fullmatch(text):
        raise ValueError(f"expected {EXPECTED_MONTH}")
    return date.fromisoformat(f"{text}-01")


def format_time(moment: datetime) -> str:
    """Return a moment in ISO 8601, in UTC, without loss: `2026-10-03T12:00:00Z`."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def format_age(age: timedelta) -> str:
    """Return an age in at most two units: `3d 4h`, `12m 5s`; `just now` if it is negative."""
    seconds = int(age.total_seconds())
    if seconds < 0:
        return "just now"
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, length)
        if number or (unit == "s" and not parts):
            parts.append(f"{number}{unit}")
        elif parts:
            break
    return " ".join(parts[:2])
