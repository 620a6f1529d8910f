"""The report summary: at most nine lines, each with its figures, whatever the database has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from exporter.prices import rows as prices
from exporter.prices.rows import Price
from exporter.reports.rendering import write_markdown
from exporter.reports.table import render
from tests.support.cases import ACCOUNT, REGION, Record, World, job

#: A Monday.
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
NO_CHANGE = "no change of a keep-alive period is worth money"
#: Without a price, nobody knows what a pool would cost.
NO_ADVICE = f"{NO_CHANGE}; 1 row of `keep-alive-advice` without a suggestion"
PRICED = "the cost of every job of this month is known"


def line(topic: str, text: str, usd: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a line as the report gives it."""
    amount = None if usd is None else Decimal(usd)
    rest = {"low_usd": None, "high_usd": None, "setting": None}
    return {"topic": topic, "usd": amount, **rest, "text": text} | more


def daily(since: date, until: date, **more: Any) -> Iterator[Record]:
    """Yield a job of one hour at noon of each day; at 1 USD an hour, a day costs 1 USD."""
    for number in range((until - since).days):
        day = datetime(since.year, since.month, since.day, 12, tzinfo=UTC) + timedelta(number)
        yield job(f"resnet-{day:%Y%m%d}", day, train=3600, **more)


def test_a_monday_in_the_middle_of_a_month(world: World) -> None:
    world.price("1")
    pool = {"pool": ("Terminated", 1800), "keep_alive": 1800}
    world.put(daily(date(2026, 9, 1), date(2026, 11, 16), **pool), seen=NOW)

    assert world.rows("summary", now=NOW) == [
        line(
            "month to date",
            "22.50 USD for 1–15 November 2026, compared with 22.50 USD for the same days of the "
            "month before",
            "22.50",
        ),
        line(
            "end of month",
            "about 45.00 USD for November: between 45.00 and 45.00 USD in 8 of 10 such months",
            "45.00",
            low_usd=Decimal("45.00"),
            high_usd=Decimal("45.00"),
        ),
        # 46 pools of half an hour in 46.375 days, for an average month of 30.4375 days.
        line(
            "change 1",
            "keep_alive_period_in_seconds=0 (none instead of 30 min) for resnet on "
            f"ml.g5.xlarge × 1 · role train · 30 GB in {ACCOUNT}/{REGION} is worth 15.10 USD a "
            "month",
            "15.095687",
            setting='"KeepAlivePeriodInSeconds": 0',
        ),
        line(
            "waste",
            "resnet wastes most: 7.50 of 7.50 USD for pools that no job reused this month",
            "7.50",
        ),
        line("not known", PRICED),
    ]


def test_the_first_of_a_month_covers_the_whole_month_before(world: World) -> None:
    world.price("1")
    world.put(daily(date(2026, 9, 1), date(2026, 10, 1)))
    world.put(daily(date(2026, 10, 1), date(2026, 11, 1), count=2))

    assert world.rows("summary", now=datetime(2026, 11, 1, tzinfo=UTC)) == [
        line(
            "month to date",
            "62.00 USD for 1–31 October 2026, 107 % more than 30.00 USD for the same days of the "
            "month before",
            "62",
        ),
        line("changes", NO_CHANGE),
        line("waste", "no known cost of a pool that no job reused"),
        line("not known", PRICED),
    ]


def test_a_database_without_jobs(world: World) -> None:
    assert world.rows("summary", now=NOW) == [
        line(
            "month to date",
            "0.00 USD for 1–15 November 2026, compared with 0.00 USD for the same days of the "
            "month before",
            "0",
        ),
        line(
            "end of month",
            "not known: a projection needs 3 whole weeks of known costs",
        ),
        line("changes", NO_CHANGE),
        line("waste", "no known cost of a pool that no job reused"),
        line("not known", PRICED),
    ]


@pytest.mark.parametrize(
    ("currency", "reason"),
    [
        (None, "there is no price (run `report coverage`, then `prices import FILE`)"),
        (
            "CNY",
            "it is in CNY or EUR (see other_currencies in `report training-cost` and `report "
            "warm-pool-cost`)",
        ),
    ],
)
def test_costs_without_a_price_in_usd_are_not_zero(
    world: World, currency: str | None, reason: str
) -> None:
    world.connection.execute("DELETE FROM prices")
    if currency:
        price = Price(
            REGION, "Training", "ml.g5.xlarge", Decimal(7), "Hrs", date(2026, 1, 1), "import",
            currency=currency,
        )  # fmt: skip
        prices.write(world.connection, [price])
    else:
        world.connection.execute("DELETE FROM rates")
    world.put(daily(date(2026, 9, 1), date(2026, 11, 16)), seen=NOW)

    assert world.rows("summary", now=NOW) == [
        line(
            "month to date",
            "no known cost for 1–15 November 2026, compared with no known cost for the same days "
            "of the month before",
        ),
        line("end of month", "not known: a projection needs 3 whole weeks of known costs"),
        line("changes", NO_ADVICE),
        line("waste", "no known cost of a pool that no job reused"),
        line("not known", f"no cost for all or part of 15 jobs: {reason}"),
    ]


def test_five_of_many_changes_are_named_and_names_cannot_format_the_message(world: World) -> None:
    world.price("1")
    for number in range(7):
        records = daily(
            date(2026, 10, 1), date(2026, 11, 16), pool=("Terminated", 1800), keep_alive=1800,
            volume=30 + number, count=7 - number,
        )  # fmt: skip
        world.put([each | {"TrainingJobName": f"f{number}-{index}"} for index, each in
                   enumerate(records)], seen=NOW)  # fmt: skip
    world.connection.execute(
        "UPDATE training_jobs SET job_family = :odd WHERE training_job_name LIKE 'f0-%'",
        {"odd": "a|b`c*d\n# <!channel> [e](f)"},
    )
    result = world.run("summary", now=NOW)
    topics = [row[0] for row in result.rows]
    assert topics == [
        "month to date", "end of month", *(f"change {n}" for n in range(1, 6)), "waste",
        "not known",
    ]  # fmt: skip

    text = render(result, width=60).splitlines()
    assert text[0] == "The month so far"
    assert text[1].startswith("month to date  ")
    assert all(len(each) <= 60 for each in text)

    message = StringIO()
    write_markdown(result, message)
    lines = message.getvalue().splitlines()
    assert len(lines) == 10
    assert all(each.startswith("- **") for each in lines)
    assert "a\\|b\\`c\\*d" in lines[7]
    assert "<" not in message.getvalue()
    assert "[" not in message.getvalue().replace("\\[", "")
