"""Times as the wire has them: epoch seconds with milliseconds.

Source: the ``json`` protocol's default timestamp format (``unixTimestamp``), and answers
of the real service, which carry three digits after the point.
"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_millis(when: datetime) -> int:
    """Give an aware datetime as whole milliseconds since the epoch, rounded down."""
    return (when - EPOCH) // _MILLISECOND


def from_millis(millis: int) -> datetime:
    """Give milliseconds since the epoch as an aware UTC datetime, exactly."""
    # Not fromtimestamp(millis / 1000): the detour over a float is not exact.
    return EPOCH + timedelta(milliseconds=millis)


def from_seconds(seconds: float) -> datetime:
    """Give epoch seconds, with any fraction, as an aware UTC datetime.

    Raises:
        OverflowError: The time lies outside the years 1 to 9999.
        ValueError: It is not a number.
    """
    return EPOCH + timedelta(seconds=seconds)


def epoch_seconds(value: object) -> float:
    """Write an aware datetime as a JSON number; made to be an encoder's ``default``.

    Raises:
        TypeError: The value is not an aware datetime, so nothing here can write it.
    """
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError(f"{value!r} cannot be sent in an AWS JSON answer")
    return round(value.timestamp(), 3)


def http_date(when: datetime) -> str:
    """Give the ``Date`` header's form of an aware datetime, in GMT, to the second."""
    return format_datetime(when.astimezone(UTC), usegmt=True)


def iso(when: datetime) -> str:
    """Give the query protocol's form: ``2026-11-01T00:00:00Z``, with any milliseconds."""
    text = when.astimezone(UTC).replace(tzinfo=None)
    digits = "milliseconds" if text.microsecond else "seconds"
    return text.isoformat(timespec=digits) + "Z"
