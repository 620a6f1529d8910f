"""The reports on pools: most expensive, live, wasted, reused, chains, why not reused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

POOL, DISK = "Training Warm Pool", "Training Warm Pool ML storage"
CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)


def later(minutes: float) -> datetime:
    return CREATED + timedelta(minutes=minutes)


def test_the_most_expensive_pools_come_first_with_their_share(bench: Bench) -> None:
    bench.scope()
    for name, usd in (("a-1", "6"), ("b-1", "3"), ("c-1", "1"), ("d-1", None)):
        bench.job(name, warm_pool_status="Reused", warm_pool_retained_seconds=1800,
                  warm_pool_reused_by_job="next", keep_alive_seconds=3600)  # fmt: skip
        bench.cost(name, POOL, usd, instance_hours=Decimal("0.5"))
    bench.cost("a-1", DISK, "0.5")
    bench.cost("a-1", POOL, "2", usage_date=date(2026, 10, 4), instance_hours=Decimal("0.25"))
    bench.cost("a-1", POOL, "9", usage_date=date(2026, 11, 1))
    bench.cost("a-1", "Training", "7")
    bench.cost("a-1", "Training", "70", usage_date=date(2026, 9, 30))
    bench.cost("e-1", "Training", "500")

    result = bench.run("warm-pool-jobs", params={"top": "2"})

    same = {
        "instance_type": "ml.m5.xlarge",
        "pool": "Reused",
        "idle_seconds": 1800,
        "keep_alive_seconds": 3600,
        "reused_by": "next",
        "created_at": CREATED,
    }
    assert bench.rows(result) == [
        same
        | {
            "job": "a-1",
            "family": "a",
            "instance_hours": Decimal("0.75"),
            "cost_usd": Decimal("8.5"),
            "share": 0.68,
            "training_usd": Decimal(7),
        },
        same
        | {
            "job": "b-1",
            "family": "b",
            "instance_hours": Decimal("0.5"),
            "cost_usd": Decimal(3),
            "share": 0.24,
            "training_usd": None,
        },
    ]
    total = bench.total(result)
    assert (total["job"], total["cost_usd"]) == ("2 of 4", Decimal("11.5"))
    assert total["share"] == pytest.approx(0.92)
    everything = bench.rows(bench.run("warm-pool-jobs"))
    assert [row["job"] for row in everything] == ["a-1", "b-1", "c-1", "d-1"]
    assert everything[3]["cost_usd"] is None


def test_idle_pools_show_their_hourly_cost_and_the_command_to_end_them(bench: Bench) -> None:
    bench.scope(watermark=later(30))
    for name in ("a-1", "b-1", "gone-1", "done-1"):
        bench.job(
            name,
            keep_alive_seconds=3600,
            instance_count=2,
            verified_at=later(20),
            deleted_at=later(25) if name == "gone-1" else None,
        )
        bench.pool(
            name,
            "0.25",
            instance_count=2,
            warm_pool_status="Terminated" if name == "done-1" else "Available",
            pool_ended_at=None,
            cost_basis="accruing",
            usd_per_hour=None if name == "b-1" else Decimal("0.257"),
            retained_seconds=1800,
            storage_cost_usd=Decimal("0.001"),
        )

    result = bench.run("warm-pool-live", now=later(59.9))

    first, second = bench.rows(result)
    assert first == {
        "job": "a-1",
        "account_id": "123456789012",
        "region": "eu-west-1",
        "family": "a",
        "team": None,
        "instance_type": "ml.m5.xlarge",
        "instances": 2,
        # With the storage, which cost 0.001 in half an hour, as in running-now.
        "usd_per_hour": Decimal("0.516"),
        "accrued_usd": Decimal("0.25"),
        "waits_since": CREATED,
        "ends_by": later(60),
        "seen_at": later(30),
        "end_command": "aws sagemaker update-training-job --region eu-west-1 "
        "--training-job-name a-1 --resource-config KeepAlivePeriodInSeconds=0",
    }
    assert (second["job"], second["usd_per_hour"]) == ("b-1", None)
    total = bench.total(result)
    assert (total["job"], total["instances"]) == ("2 pools", 4)
    assert (total["usd_per_hour"], total["accrued_usd"]) == (Decimal("0.516"), Decimal("0.5"))
    assert "accruing" in [note.code for note in result.notes]


@pytest.mark.parametrize(
    ("keep_alive", "minutes", "shown"),
    [(3600, 60, []), (3600, 59, ["a-1"]), (60, 59, []), (None, 10_000, ["a-1"])],
)
def test_a_pool_whose_end_has_passed_is_not_live(
    bench: Bench, keep_alive: int | None, minutes: float, shown: list[str]
) -> None:
    bench.scope(watermark=later(0.5))
    bench.job("a-1", keep_alive_seconds=keep_alive, verified_at=later(0.5))
    bench.pool("a-1", "0.25", warm_pool_status="Available", pool_ended_at=None)

    result = bench.run("warm-pool-live", now=later(minutes))

    assert [row["job"] for row in bench.rows(result)] == shown
    assert bench.total(result)["job"] == ("1 pool" if shown else "0 pools")


def test_pools_without_reuse_are_wasted(bench: Bench) -> None:
    bench.scope()
    for name, status, usd in (
        ("a-1", "Terminated", "4"),
        ("a-2", "Terminated", None),
        ("a-3", "Reused", "1"),
        ("a-4", "Available", "50"),
        ("b-1", "Reused", "5"),
        ("c-1", "Terminated", None),
        ("c-2", "Reused", "2"),
    ):
        bench.job(name, warm_pool_status=status, warm_pool_retained_seconds=7200)
        bench.cost(
            name, POOL, usd, cost_basis="settled" if usd else "no price", instance_hours=Decimal(2)
        )
    bench.cost("a-1", "Training", "99")

    result = bench.run("warm-pool-waste")

    a, b, c = bench.rows(result)
    assert a == {
        "family": "a",
        "instance_type": "ml.m5.xlarge",
        "pools": 3,
        "wasted_pools": 2,
        "wasted_hours": Decimal(4),
        "wasted_usd": Decimal(4),
        "wasted_share": 0.8,
        "reused_usd": Decimal(1),
        "unpriced_jobs": 1,
    }
    assert b == {
        "family": "b",
        "instance_type": "ml.m5.xlarge",
        "pools": 1,
        "wasted_pools": 0,
        "wasted_hours": None,
        "wasted_usd": None,
        "wasted_share": 0,
        "reused_usd": Decimal(5),
        "unpriced_jobs": 0,
    }
    # The cost of the wasted pool is not known, so its share is not known.
    assert c == b | {
        "family": "c",
        "pools": 2,
        "wasted_pools": 1,
        "wasted_hours": Decimal(2),
        "wasted_share": None,
        "reused_usd": Decimal(2),
        "unpriced_jobs": 1,
    }
    total = bench.total(result)
    assert (total["pools"], total["wasted_usd"]) == (6, Decimal(4))
    assert total["wasted_share"] == pytest.approx(4 / 12)
    assert [note.reasons for note in result.notes] == [("no price",)]


def test_each_pool_counts_once_a_group_whatever_the_rows_of_its_cost(bench: Bench) -> None:
    bench.scope()
    for name, status, seconds in (
        ("a-1", "Reused", 60),
        ("a-2", "Reused", 600),
        ("a-3", "Reused", 100),
        ("a-4", "Terminated", 3600),
        ("a-5", "InUse", 5),
    ):
        bench.job(
            name,
            warm_pool_status=status,
            warm_pool_retained_seconds=seconds,
            keep_alive_seconds=3600,
        )
        bench.cost(name, POOL, "1")
    bench.cost("a-2", DISK, "0.5")
    bench.cost("a-2", POOL, "1.5", usage_date=date(2026, 10, 4))

    result = bench.run("warm-pool-reuse", by=["day"])

    first, second = bench.rows(result)
    assert first == {
        "day": date(2026, 10, 3),
        "pools": 4,
        "reused": 3,
        "reuse_rate": 0.75,
        "median_wait_seconds": 100,
        "longest_wait_seconds": 600,
        "median_keep_alive_seconds": 3600,
        "cost_usd": Decimal("4.5"),
        "usd_per_reuse": 1.5,
        "unpriced_jobs": 0,
    }
    assert (second["pools"], second["reuse_rate"], second["cost_usd"]) == (1, 1, Decimal("1.5"))
    total = bench.total(result)
    assert (total["pools"], total["reused"], total["cost_usd"]) == (4, 3, Decimal(6))
    assert total["usd_per_reuse"] == 2
