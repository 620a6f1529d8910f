"""`spot-savings` values the seconds of each day at the price of that day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from exporter.reports.periods import Period
from tests.support.cases import OCTOBER, World, job, load_case

DAY = datetime(2026, 10, 5, 8, tzinfo=UTC)
SPOT: dict[str, Any] = {"EnableManagedSpotTraining": True}
SEPTEMBER = Period(date(2026, 9, 1), date(2026, 10, 1))
BOTH = Period(date(2026, 9, 1), date(2026, 11, 1))


def test_a_price_that_falls_on_the_second_day_counts_from_that_day(world: World) -> None:
    world.put(load_case("spot_price_change"))
    world.price("2.00")
    world.price("1.00", since=date(2026, 10, 2))

    (row,) = world.rows("spot-savings")

    # 23 h 59 min of the first day at 2 USD, all others at 1 USD; half of the time is billed.
    usd = Decimal("251.991666666667")
    assert row == {
        "month": "2026-10",
        "instance_type": "ml.g5.xlarge",
        "jobs": 1,
        "interrupted_jobs": 0,
        "training_hours": 480,
        "billable_hours": 240,
        "saved_share": 0.5,
        "cost_usd": pytest.approx(usd),
        "saved_usd": pytest.approx(usd),
        "unpriced_jobs": 0,
    }


def test_a_job_over_a_month_border_counts_in_both_months(world: World) -> None:
    world.price("1.00")
    world.price("3.00", since=date(2026, 10, 1))
    world.put(
        [
            job(
                "sp-1",
                datetime(2026, 9, 30, 20, 55, tzinfo=UTC),
                train=10 * 3600,
                BillableTimeInSeconds=3600,
                **SPOT,
            )
        ]
    )
    first = {"jobs": 1, "training_hours": 3, "billable_hours": 0.3, "saved_usd": Decimal("2.7")}
    second = {"jobs": 1, "training_hours": 7, "billable_hours": 0.7, "saved_usd": Decimal("18.9")}

    def figures(row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in first}

    assert [figures(row) for row in world.rows("spot-savings", BOTH)] == [first, second]
    assert figures(world.total("spot-savings", SEPTEMBER)) == first
    assert figures(world.total("spot-savings", OCTOBER)) == second
    total = world.total("spot-savings", BOTH)
    assert (total["jobs"], total["saved_usd"]) == (1, Decimal("21.6"))


def test_a_job_that_is_billed_for_nothing_saves_all_of_its_days(world: World) -> None:
    world.price("1.00")
    world.price("2.00", since=date(2026, 10, 6))
    world.put([job("sp-1", DAY, train=24 * 3600, BillableTimeInSeconds=0, **SPOT)])

    (row,) = world.rows("spot-savings")

    # It trains from 08:05 to 08:05: 955 minutes at 1 USD an hour, then 485 at 2 USD.
    assert row["saved_usd"] == pytest.approx(Decimal(955 + 2 * 485) / 60)
    assert row["training_hours"] == 24


def test_only_known_seconds_of_spot_jobs_count(world: World) -> None:
    world.price("0.5")
    paid: dict[str, Any] = {"train": 7200, "count": 2, "BillableTimeInSeconds": 1800}
    world.put(
        [
            job("a-1", DAY, SecondaryStatusTransitions=[{"Status": "Interrupted"}], **paid, **SPOT),
            job("a-2", DAY, instance_type="ml.none.large", **paid, **SPOT),
            job("a-3", DAY, TrainingTimeInSeconds=None, **paid, **SPOT),
            job("a-4", DAY, **paid),
            job("a-5", DAY, **(paid | {"BillableTimeInSeconds": -1}), **SPOT),
            job("a-6", DAY, TrainingTimeInSeconds=-5, **paid, **SPOT),
        ]
    )

    result = world.run("spot-savings", by=["family"])

    assert [
        dict(zip([c.name for c in result.columns], row, strict=True)) for row in result.rows
    ] == [
        {
            "family": "a",
            "jobs": 2,
            "interrupted_jobs": 1,
            "training_hours": 8,
            "billable_hours": 2,
            "saved_share": 0.75,
            "cost_usd": Decimal("0.5"),
            # 2 instances × (7200 − 1800) s at 0.50 USD an hour; the other has no price.
            "saved_usd": Decimal("1.5"),
            "unpriced_jobs": 1,
        }
    ]
    assert ("no price",) in [note.reasons for note in result.notes]


def test_a_spot_job_of_two_instance_types_is_one_job(world: World) -> None:
    world.price("2")
    world.price("2", "ml.m5.xlarge")
    groups = [
        {"InstanceType": f"ml.{name}.xlarge", "InstanceCount": 1, "InstanceGroupName": name}
        for name in ("g5", "m5")
    ]
    world.put(
        [
            job(
                "a-1",
                DAY,
                train=7200,
                BillableTimeInSeconds=1800,
                ResourceConfig={"InstanceGroups": groups},
                SecondaryStatusTransitions=[{"Status": "Interrupted"}],
                **SPOT,
            )
        ]
    )

    assert [row["jobs"] for row in world.rows("spot-savings")] == [1, 1]
    total = world.total("spot-savings")
    assert (total["jobs"], total["interrupted_jobs"], total["training_hours"]) == (1, 1, 4)
    assert (total["cost_usd"], total["saved_usd"]) == (Decimal(2), Decimal(6))
