"""`cost-change` compares the same account, region, type and days of two periods."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from exporter.reports.periods import Period
from tests.support.cases import REGION, World, job, load_case
from tests.support.rows import insert

OTHER = "444455556666"
ZERO = dict.fromkeys(("price_usd", "volume_usd", "new_usd", "ended_usd"), Decimal(0))


def on(month: int, day: int, hour: int = 8) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def row(family: str, before: str, now: str, **parts: str) -> dict[str, Any]:
    """Return a row of the report; parts that are not named are 0."""
    return (
        {
            "family": family,
            "before_usd": Decimal(before),
            "now_usd": Decimal(now),
            "change_usd": Decimal(now) - Decimal(before),
            "unpriced_jobs": None,
        }
        | ZERO
        | {name: Decimal(usd) for name, usd in parts.items()}
    )


def test_hours_that_move_to_an_account_with_a_discount_are_volume(world: World) -> None:
    world.put(load_case("change_a"))
    world.put(load_case("change_b"), account=OTHER)
    insert(world.connection, "discounts", account_id=OTHER, component="", percent=50)

    assert world.rows("cost-change") == [row("fam", "17.27", "10.99", volume_usd="-6.28")]


def test_hours_that_move_to_a_cheaper_region_or_type_are_volume(world: World) -> None:
    world.price("2")
    world.price("1", region="us-west-2")
    world.price("0.5", "ml.m5.xlarge")
    hours: dict[str, Any] = {"train": 36_000}
    world.put([job("a-1", on(9, 5), **hours), job("b-1", on(9, 5), **hours)])
    world.put([job("a-0", on(9, 6), train=3600)], region="us-west-2")
    world.put([job("a-2", on(10, 5), **hours)], region="us-west-2")
    world.put([job("b-2", on(10, 5), instance_type="ml.m5.xlarge", volume=0, **hours)])

    assert world.rows("cost-change") == [
        row("b", "20", "5", volume_usd="-15"),
        row("a", "21", "10", volume_usd="-11"),
    ]


def test_a_price_that_falls_is_a_price_effect_in_each_account(world: World) -> None:
    world.price("2")
    world.price("1", since=date(2026, 10, 1))
    for account in ("111122223333", OTHER):
        world.put(
            [job("a-1", on(9, 5), train=3600), job("a-2", on(10, 5), train=7200)], account=account
        )

    # For each account: 2 h that cost 1 USD less an hour, and 1 h more at the old price.
    assert world.rows("cost-change") == [row("a", "4", "4", price_usd="-4", volume_usd="4")]


def test_a_running_month_is_compared_with_the_same_days(world: World) -> None:
    world.price("1")
    until = on(10, 15, 12)
    month = [job(f"daily-{day}", on(9, day), train=3600) for day in range(1, 31)]
    month += [job(f"daily-{100 + day}", on(10, day), train=3600) for day in range(1, 16)]
    late = [job("late-1", on(9, 20), train=3600), job("early-1", on(9, 2), train=3600)]
    back = [job("back-1", on(9, 25), train=3600), job("back-2", on(10, 3), train=3600)]
    fresh = [job("fresh-1", on(10, 3), train=3600)]
    world.put([*month, *late, *back, *fresh], seen=until)

    assert world.rows("cost-change", now=until) == [
        # It did not run on the first 14 days of September, but it is not new.
        row("back", "0", "1", volume_usd="1"),
        # It has not run yet, but it may still run.
        row("early", "1", "0", volume_usd="-1"),
        row("fresh", "0", "1", new_usd="1"),
        row("daily", "14", "14"),
    ]
    total = world.total("cost-change", now=until)
    assert total == row(None, "15", "16", volume_usd="0", new_usd="1") | {  # type: ignore[arg-type] # the total has no family
        "unpriced_jobs": 0
    }


def test_each_scope_is_compared_for_the_days_that_it_has(world: World) -> None:
    world.price("1")
    for account, day in (("111122223333", 20), (OTHER, 6)):
        world.put(
            [job(f"a-{n}", on(9, 1) + timedelta(days=n), train=3600) for n in range(30)]
            + [job(f"a-{100 + n}", on(10, 1) + timedelta(days=n), train=3600) for n in range(day)],
            account=account,
            seen=on(10, day + 1, 0),
        )

    assert world.rows("cost-change") == [row("a", "26", "26")]


def test_a_month_that_is_over_is_compared_whole(world: World) -> None:
    world.price("1")
    world.put([job("a-1", on(9, 30, 1), train=3600), job("b-1", on(10, 31, 1), train=3600)])

    assert world.rows("cost-change") == [
        row("a", "1", "0", ended_usd="-1"),
        row("b", "0", "1", new_usd="1"),
    ]


def test_the_first_day_of_a_month_is_compared_with_one_day(world: World) -> None:
    world.price("1", region=REGION)
    world.put(
        [
            job("a-1", on(9, 1, 1), train=3600),
            job("a-2", on(9, 2, 1), train=3600),
            job("a-3", on(10, 1, 1), train=3600),
        ],
        seen=on(10, 1, 4),
    )

    assert world.rows("cost-change", Period(date(2026, 10, 1), date(2026, 11, 1))) == [
        row("a", "1", "1")
    ]
