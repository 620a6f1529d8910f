"""Which days a report is about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from exporter.errors import UsageError
from exporter.reports.periods import Period, choose, of_month

TODAY = date(2026, 11, 23)


def pick(
    month: date | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    kind: str = "default",
) -> tuple[date, date]:
    period = choose(month=month, since=since, until=until, today=TODAY, kind=kind)
    return period.since, period.until


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def test_by_default_it_is_this_month_and_the_last() -> None:
    assert pick() == (date(2026, 10, 1), date(2026, 12, 1))
    assert pick(kind="last-month") == (date(2026, 10, 1), date(2026, 11, 1))


def test_a_month() -> None:
    assert pick(month=date(2025, 12, 1)) == (date(2025, 12, 1), date(2026, 1, 1))


def test_from_a_time_on_and_up_to_but_without_another() -> None:
    assert pick(since=at(2026, 10, 5)) == (date(2026, 10, 5), date(2026, 12, 1))
    assert pick(since=at(2026, 10, 5), until=at(2026, 10, 7)) == (
        date(2026, 10, 5),
        date(2026, 10, 7),
    )
    assert pick(until=at(2026, 3, 1)) == (date(2026, 1, 1), date(2026, 3, 1))
    assert pick(until=at(2026, 1, 2)) == (date(2025, 12, 1), date(2026, 1, 2))


def test_a_time_within_a_day_means_the_whole_of_it_in_utc() -> None:
    assert pick(since=at(2026, 10, 5, 13), until=at(2026, 10, 5, 14)) == (
        date(2026, 10, 5),
        date(2026, 10, 6),
    )
    tokyo = datetime(2026, 10, 5, 1, tzinfo=timezone(timedelta(hours=9)))
    assert pick(since=tokyo)[0] == date(2026, 10, 4)


def test_the_period_before_has_as_many_months_or_days() -> None:
    assert of_month(date(2026, 3, 1)).before == of_month(date(2026, 2, 1))
    assert Period(date(2026, 1, 1), date(2026, 3, 1)).before == Period(
        date(2025, 11, 1), date(2026, 1, 1)
    )
    assert Period(date(2026, 3, 2), date(2026, 3, 9)).before == Period(
        date(2026, 2, 23), date(2026, 3, 2)
    )
    # Before the first day there is none.
    assert Period(date(1, 1, 5), date(9999, 12, 31)).before == Period(date.min, date(1, 1, 5))
    assert of_month(date.min).before == Period(date.min, date.min)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="--month excludes --since and --until"):
        pick(month=date(2026, 10, 1), until=at(2026, 10, 2))
    with pytest.raises(UsageError, match="is empty"):
        pick(since=at(2026, 10, 2), until=at(2026, 10, 2))
    with pytest.raises(UsageError, match="outside the years"):
        pick(month=date(9999, 12, 1))


def test_as_text() -> None:
    assert str(of_month(date(2026, 2, 1))) == "2026-02-01 to 2026-02-28 (UTC days)"
    assert str(Period(date(2026, 2, 1), date(2026, 2, 2))) == "2026-02-01 (UTC days)"
