"""`--fail-over` fails where a part of the total is not known, and says which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exporter.reports.catalogue import find
from exporter.reports.limits import breach
from tests.support.cases import Record, World, job

DAY = datetime(2026, 10, 5, 8, tzinfo=UTC)
UNKNOWN = "cost_usd is {} USD without its unknown parts ({}), which could take it over the limit"


def wasted(name: str, **more: Any) -> Record:
    """Return a job with a wasted pool of an hour."""
    settings: dict[str, Any] = {"pool": ("Terminated", 3600), "keep_alive": 3600}
    return job(name, DAY, **(settings | more))


def reason(world: World, report: str, limit: str, **more: Any) -> str | None:
    return breach(find(report), world.run(report, **more), Decimal(limit))


def test_a_known_total_is_compared_with_the_limit(world: World) -> None:
    world.price("2")
    world.put([wasted("a-1")])

    assert reason(world, "warm-pool-cost", "2") is None
    assert reason(world, "warm-pool-cost", "1.99") == (
        "cost_usd is 2.00 USD, over the limit of 1.99 USD."
    )


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ({"instance_type": "ml.none.large", "volume": 0}, "no price"),
        ({"pool": ("Terminated", None)}, "unknown seconds"),
        ({"pool": ("Terminated", -5)}, "unknown seconds"),
        ({"ServerlessJobConfig": {"BaseModelArn": "arn:model"}}, "serverless"),
        ({"TrainingPlanArn": "arn:plan"}, None),
        ({"pool": ("Reused", 0), "taken_by": "a-1"}, None),
    ],
)
def test_an_unknown_part_is_named(world: World, more: dict[str, Any], parts: str | None) -> None:
    world.price("2")
    world.put([wasted("a-1"), wasted("b-1", **more)])

    for report in ("warm-pool-cost", "warm-pool-jobs"):
        found = reason(world, report, "1000000")
        assert (found or "").startswith(UNKNOWN.format("2.00", parts) if parts else "")
        assert (found is None) == (parts is None)


def test_a_total_of_unknown_parts_alone_fails(world: World) -> None:
    early = DAY + timedelta(minutes=40)  # deleted before the seconds came
    world.put([wasted("a-1", pool=("Terminated", None))], seen=early, deleted=early)

    for report in ("warm-pool-cost", "warm-pool-waste", "warm-pool-jobs", "warm-pool-chains"):
        found = reason(world, report, "5")
        assert found is not None, report
        assert "is 0.00 USD without its unknown parts (unknown seconds)" in found, report


def test_nothing_at_all_is_not_over_the_limit(world: World) -> None:
    for report in ("warm-pool-cost", "warm-pool-chains", "warm-pool-live", "cost-change"):
        assert reason(world, report, "0") is None


def test_an_idle_pool_without_a_price_could_cost_anything_an_hour(world: World) -> None:
    seen = DAY + timedelta(seconds=2200)
    world.price("2")
    world.put([wasted("a-1", pool=("Available", None))], seen=seen)
    assert reason(world, "warm-pool-live", "2", now=seen) is None

    world.put([wasted("b-1", pool=("Available", None), instance_type="ml.none.large")], seen=seen)
    assert reason(world, "warm-pool-live", "2", now=seen) == (
        "usd_per_hour is 2.00 USD without its unknown parts (usd_per_hour of 1 row), which could "
        "take it over the limit of 2.00 USD."
    )


def test_a_deleted_jobs_pool_could_cost_more_than_was_observed(world: World) -> None:
    world.price("2")
    seen = DAY + timedelta(seconds=3000)
    world.put([wasted("a-1", pool=("Available", None))], seen=seen, deleted=seen)

    found = reason(world, "warm-pool-cost", "100")

    assert found is not None
    assert found.startswith(UNKNOWN.format("0.00", "unknown seconds"))


@pytest.mark.parametrize(
    "more",
    [
        {"pool": ("Reused", None), "taken_by": "c-1"},
        {"instance_type": "ml.none.large", "volume": 0},
    ],
)
def test_advice_names_unknown_parts_of_rows_that_are_not_shown(
    world: World, more: dict[str, Any]
) -> None:
    world.price("2")
    world.put([wasted("a-1"), wasted("b-1", **more)])

    assert reason(world, "keep-alive-advice", "1000000", params={"top": "1"}) == (
        "idle_usd is 2.00 USD without its unknown parts (idle_usd of 1 job), "
        "which could take it over the limit of 1,000,000.00 USD."
    )


@pytest.mark.parametrize("report", ["keep-alive-advice", "keep-alive-curve"])
def test_a_storage_price_that_is_missing_could_cost_anything(world: World, report: str) -> None:
    region = "us-east-1"
    world.price("2", "ml.m5.xlarge", region=region)
    world.put([wasted("a-1", instance_type="ml.m5.xlarge")], region=region)

    params = {"family": "a"} if report == "keep-alive-curve" else {}
    found = reason(world, report, "1000000", params=params)

    assert "without its unknown parts (idle_usd of 1 job)" in (found or "")
