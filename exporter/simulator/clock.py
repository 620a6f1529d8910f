"""The clock of the simulated world. It stands still until somebody moves it."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Self


class Clock:
    """An aware UTC clock that tests and the demo move; thread-safe.

    Args:
        start: The first time it shows; aware.

    Raises:
        ValueError: The time is naive.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._lock = threading.Lock()
        self._start: datetime | None = start.astimezone(UTC)
        self._moved = timedelta()

    @classmethod
    def real(cls) -> Self:
        """Return a clock that follows the system clock; `advance` puts it further ahead."""
        clock = cls(datetime.now(UTC))
        clock._start = None
        return clock

    def now(self) -> datetime:
        """Return the time, cut to the millisecond, which is all that the wire carries."""
        with self._lock:
            return to_millisecond((self._start or datetime.now(UTC)) + self._moved)

    def advance(self, by: float | timedelta) -> datetime:
        """Move forward by seconds or a timedelta and return the new time.

        Raises:
            ValueError: The step is negative; the services' clocks never go back.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta():
            raise ValueError("a clock does not go back")
        with self._lock:
            self._moved += step
        return self.now()


def to_millisecond(when: datetime) -> datetime:
    """Return an aware time in UTC, cut to the millisecond."""
    when = when.astimezone(UTC)
    return when.replace(microsecond=when.microsecond // 1000 * 1000)
