"""Times and ages as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from exporter.times import format_age, format_time, parse_age, parse_month, parse_time

NOW = datetime(2026, 11, 23, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", NOW - timedelta(days=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("90m", NOW - timedelta(minutes=90)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("2w", NOW - timedelta(days=14)),
        ("45s", NOW - timedelta(seconds=45)),
        ("0d", NOW),
        ("today", datetime(2026, 11, 23, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-10-03", datetime(2026, 10, 3, tzinfo=UTC)),
        ("2026-10-03T12:30", datetime(2026, 10, 3, 12, 30, tzinfo=UTC)),
        ("2026-10-03 12:30:01.25Z", datetime(2026, 10, 3, 12, 30, 1, 250_000, tzinfo=UTC)),
        ("2026-10-03T12:30+02:00", datetime(2026, 10, 3, 10, 30, tzinfo=UTC)),
        (" 20261003T1230Z ", datetime(2026, 10, 3, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_iso_8601_or_an_age_and_comes_out_in_utc(text: str, expected: datetime) -> None:
    moment = parse_time(text, NOW)
    assert moment == expected
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "30", "d", "-3d", "3 d", "1e3d", "2026-13-01", "2026-10", "٣d", "999999999w",
     "0001-01-01T00:00+14:00", "30d12h"],
)  # fmt: skip
def test_other_text_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected an ISO 8601 time"):
        parse_time(text, NOW)


@pytest.mark.parametrize(
    ("text", "first"),
    [("2026-10", date(2026, 10, 1)), ("this", date(2026, 11, 1)), ("last", date(2026, 10, 1))],
)
def test_a_month_is_a_date_or_a_word(text: str, first: date) -> None:
    assert parse_month(text, NOW) == first


def test_the_month_before_january_is_in_the_year_before() -> None:
    # One minute into January in UTC, and still December in New York.
    now = datetime(2026, 12, 31, 19, 1, tzinfo=timezone(timedelta(hours=-5)))
    assert (parse_month("this", now), parse_month("last", now)) == (
        *(date(2027, 1, 1), date(2026, 12, 1)),
    )


@pytest.mark.parametrize("text", ["", "next", "2026-13", "2026-1", "2026", "Last"])
def test_another_month_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="month"):
        parse_month(text, NOW)


def test_an_age_is_a_number_and_a_unit() -> None:
    assert parse_age("2h") == timedelta(hours=2)
    for text in ("2026-10-03", "2", "999999999w"):
        with pytest.raises(ValueError, match="expected an age"):
            parse_age(text)


def test_an_age_counts_from_now_in_any_time_zone() -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert parse_time("1h", tokyo) == NOW - timedelta(hours=1)


def test_times_and_ages_are_printed_in_utc_and_two_units() -> None:
    assert format_time(NOW) == "2026-11-23T17:00:00Z"
    assert format_time(NOW.replace(tzinfo=None)) == "2026-11-23T17:00:00Z"
    assert format_time(NOW.astimezone(timezone(timedelta(hours=9)))) == "2026-11-23T17:00:00Z"
    ages = {
        0: "0s",
        59: "59s",
        725: "12m 5s",
        7200: "2h",
        273_600: "3d 4h",
        86_405: "1d",
        -1: "just now",
    }
    for seconds, text in ages.items():
        assert format_age(timedelta(seconds=seconds)) == text
