"""Times on the wire: epoch seconds with milliseconds.

Sources: `unixTimestamp` is the default format of the `json` protocol [D]; answers of the real
service have three digits after the point [R].
"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_seconds(seconds: float) -> datetime:
    """Return the aware UTC datetime of epoch seconds with any fraction.

    Raises:
        OverflowError: The time is outside the years 1 to 9999.
        ValueError: The seconds are not a number (NaN).
    """
    return EPOCH + timedelta(seconds=seconds)


def epoch_seconds(value: object) -> float:
    """Return an aware datetime as a JSON number; for the `default` of an encoder.

    Raises:
        TypeError: The value is not an aware datetime.
    """
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError(f"{value!r} cannot be sent in an AWS JSON answer")
    return round(value.timestamp(), 3)


def http_date(when: datetime) -> str:
    """Return an aware datetime as the `Date` header has it: GMT, to the second."""
    return format_datetime(when.astimezone(UTC), usegmt=True)


def iso(when: datetime) -> str:
    """Return an aware datetime as the query protocol has it: `2026-11-01T00:00:00Z`."""
    text = when.astimezone(UTC).replace(tzinfo=None)
    digits = "milliseconds" if text.microsecond else "seconds"
    return text.isoformat(timespec=digits) + "Z"
