"""`startup-time` compares warm starts with the cold starts that a pool could have saved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.cases import World, job, load_case

DAY = datetime(2026, 10, 5, 8, tzinfo=UTC)


def test_spot_jobs_are_no_cold_starts_of_a_pool(world: World) -> None:
    world.put(load_case("startup_spot"))
    world.price("1.5")

    (row,) = world.rows("startup-time")

    assert row == {
        "family": "mix",
        "instance_type": "ml.g5.xlarge",
        "cold_starts": 1,
        "cold_seconds": 300,
        "warm_starts": 5,
        "warm_seconds": 20,
        "saved_seconds": 280,
        "minutes_bought": pytest.approx(5 * 280 / 60),
        "pool_usd": Decimal("0.375"),
        "usd_per_minute": pytest.approx(0.375 / (5 * 280 / 60)),
        "unpriced_jobs": 0,
    }


@pytest.mark.parametrize(
    "other",
    [
        {"EnableManagedSpotTraining": True},
        {"TrainingPlanArn": "arn:plan"},
        {"ServerlessJobConfig": {"BaseModelArn": "arn:model"}},
        {
            "ResourceConfig": {
                "InstanceGroups": [{"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}],
                "VolumeSizeInGB": 30,
            }
        },
        {
            "ResourceConfig": {
                "InstanceType": "ml.g5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
                "TrainingPlanArn": "arn:plan",
            }
        },
        # The clock of the start is wrong.
        {"TrainingStartTime": DAY - timedelta(days=1)},
    ],
)
def test_a_job_that_no_pool_serves_is_no_start(world: World, other: dict[str, Any]) -> None:
    world.put(
        [
            job("a-1", DAY, wait=200, pool=("Reused", 60), taken_by="a-2"),
            job("a-2", DAY + timedelta(hours=1), wait=30),
            *(job(f"a-{n}", DAY + timedelta(hours=n), wait=4000, **other) for n in range(3, 9)),
        ]
    )

    total = world.total("startup-time", by=["family"])

    assert (total["cold_starts"], total["warm_starts"]) == (1, 1)
    assert total["minutes_bought"] == pytest.approx(170 / 60)
