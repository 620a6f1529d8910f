"""The UTC days that a report covers. Pure: today is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from exporter.errors import UsageError
from exporter.spelling import named

#: One day.
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """The UTC days from `since` to `until`; `until` is exclusive."""

    since: date
    until: date

    @property
    def before(self) -> Period:
        """The period before this one: as many calendar months, otherwise as many days.

        It is shorter, or empty, if it would begin before the year 1.
        """
        if self.since.day == 1 and self.until.day == 1:
            months = _months(self.until) - _months(self.since)
            first = max(_months(self.since) - months, _months(date.min))
            return Period(_month(first), self.since)
        days = min(self.until - self.since, self.since - date.min)
        return Period(self.since - days, self.since)

    def __str__(self) -> str:
        last = self.until - DAY
        days = f"{self.since}" if last == self.since else f"{self.since} to {last}"
        return f"{days} (UTC days)"


def of_month(first: date) -> Period:
    """Return the calendar month that begins on this day."""
    return Period(first, _month(_months(first) + 1))


def midnight(day: date) -> datetime:
    """Return the time at which a UTC day begins."""
    return datetime.combine(day, time.min, UTC)


def choose(
    *,
    month: date | None,
    since: datetime | None,
    until: datetime | None,
    today: date,
    kind: str = "default",
) -> Period:
    """Return the period that the options choose.

    `--since 2026-10-01 --until 2026-11-01` is October: the end date is exclusive.

    Args:
        month: The first day of a calendar month.
        since: A time on the first day; None = the start of the month before the last day's month.
        until: A midnight that ends the period, or a time on the last day; None = the end of this
            month.
        today: The current UTC day.
        kind: The period if no option is given: `default` (last month and this month) or
            `last-month`.

    Raises:
        UsageError: A month is combined with the others, or the period is empty.
    """
    if month is not None:
        if since is not None or until is not None:
            raise UsageError(
                f"{named('month')} excludes {named('since')} and {named('until')}.",
                "Use one or the other.",
            )
        return of_month(month)
    this_month = today.replace(day=1)
    if since is None and until is None and kind == "last-month":
        return of_month(_month(_months(this_month) - 1))
    end = of_month(this_month).until if until is None else _ceiling(until)
    if since is not None:
        start = since.astimezone(UTC).date()
    else:
        start = _month(_months((end - DAY).replace(day=1)) - 1)
    if start >= end:
        raise UsageError(
            f"The period from {start} to {end} is empty.",
            f"{named('until')} is exclusive: use a later end date.",
        )
    return Period(start, end)


def _ceiling(moment: datetime) -> date:
    moment = moment.astimezone(UTC)
    return moment.date() + (DAY if moment.time() > time.min else timedelta())


def _months(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month(months: int) -> date:
    try:
        return date(months // 12, months % 12 + 1, 1)
    except ValueError:
        raise UsageError("The period lies outside the years 1 to 9999.") from None
