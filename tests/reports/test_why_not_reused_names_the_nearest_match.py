"""`why-not-reused` names the later job that came nearest to reusing a pool, and why it missed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exporter.reports.periods import Period
from tests.support.cases import ACCOUNT, OCTOBER, Record, World, job, load_case

#: Each pool of these tests begins at this time, and is idle for an hour.
START = datetime(2026, 10, 5, 9, tzinfo=UTC)
OTHER = "444455556666"


def pool(name: str = "pool-1", idle: int | None = 3600, **more: Any) -> Record:
    """Return a job whose pool begins at START and is wasted."""
    settings: dict[str, Any] = {"keep_alive": 3600, "volume": 100, "pool": ("Terminated", idle)}
    return job(name, START - timedelta(seconds=2100), **(settings | more))


def later(name: str, seconds: float, **more: Any) -> Record:
    """Return a job that is created that long after START."""
    settings: dict[str, Any] = {"volume": 100}
    return job(name, START + timedelta(seconds=seconds), **(settings | more))


def why(world: World) -> tuple[str | None, int | None, str]:
    """Return the nearest match of the only pool, when it came, and why it missed."""
    (row,) = world.rows("why-not-reused")
    return row["next_job"], row["came_after_seconds"], row["why"]


def test_a_burst_and_alternating_types_are_explained(world: World) -> None:
    world.put(load_case("why"))
    world.price("1")
    burst, het = "burst-2026-10-05-08-{}-000", "het-2026-10-06-{}-00-00-000"
    took = "took another pool: burst-2026-10-05-08-00-00-002"

    rows = world.rows("why-not-reused")

    same = {"cost_usd": Decimal("0.5"), "idle_seconds": 1800, "instance_type": "ml.g5.xlarge"}
    names = ("job", "next_job", "came_after_seconds", "why")
    assert rows == [
        same | dict(zip(names, row, strict=True))
        for row in (
            (burst.format("00-00"), burst.format("40-00"), 600, took),
            ("burst-2026-10-05-08-00-00-001", burst.format("40-00"), 599, took),
            (het.format("00"), het.format("01"), 1860, "1m 00s after expiry"),
            (het.format("01"), het.format("02"), 1860, "1m 00s after expiry"),
            (het.format("02"), het.format("03"), 1860, "1m 00s after expiry"),
            (
                het.format("03"),
                "het-2026-10-06-03-44-00-000",
                300,
                "instance type ml.m5.xlarge instead of ml.g5.xlarge",
            ),
        )
    ]
    total = world.total("why-not-reused")
    assert (total["job"], total["cost_usd"]) == ("6 of 6", Decimal(3))


VPC = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
GROUPS = {"InstanceGroups": [{"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}]}
PLAN = {
    "InstanceType": "ml.g5.xlarge",
    "InstanceCount": 1,
    "VolumeSizeInGB": 100,
    "TrainingPlanArn": "arn:plan",
}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"volume": 200}, "volume 200 GB instead of 100 GB"),
        ({"count": 2}, "instance count 2 instead of 1"),
        ({"instance_type": "ml.p3.2xlarge"}, "instance type ml.p3.2xlarge instead of ml.g5.xlarge"),
        (
            {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/team/eval", "volume": 50},
            "role eval instead of train, volume 50 GB instead of 100 GB",
        ),
        ({"RoleArn": None}, "role none instead of train"),
        ({"VpcConfig": VPC}, "other subnets, other security groups"),
        ({"EnableInterContainerTrafficEncryption": True}, "with traffic encryption"),
        ({"EnableNetworkIsolation": True}, "with network isolation"),
        ({"EnableManagedSpotTraining": True}, "a spot job"),
        ({"ServerlessJobConfig": {"BaseModelArn": "arn:model"}}, "a serverless job"),
        ({"ResourceConfig": GROUPS | {"VolumeSizeInGB": 100}}, "on instance groups"),
        ({"ResourceConfig": PLAN}, "on a training plan"),
        (
            {"EnableNetworkIsolation": False},
            "in time and equal, but it started on new instances",
        ),
    ],
)
def test_what_differs_in_a_job_that_came_in_time_is_named(
    world: World, more: dict[str, Any], expected: str
) -> None:
    world.put([pool(), later("next-1", 3600, **more)])

    assert why(world) == ("next-1", 3600, expected)


def test_the_settings_of_the_pool_come_second(world: World) -> None:
    world.put([pool(EnableInterContainerTrafficEncryption=True, VpcConfig=VPC), later("next-1", 5)])

    assert why(world)[2] == ("other subnets, other security groups, without traffic encryption")


@pytest.mark.parametrize(
    ("followers", "expected"),
    [
        # Another family, and no keep-alive: neither plays a part.
        ([("other-9", 3647, {})], ("other-9", 3647, "47s after expiry")),
        # An equal job soon after expiry is nearer than a job that differs in time.
        (
            [("next-1", 60, {"volume": 200}), ("next-2", 3601, {})],
            ("next-2", 3601, "1s after expiry"),
        ),
        # A longer period cannot reach an equal job of the next day.
        (
            [("next-1", 60, {"volume": 200}), ("next-2", 90_000, {})],
            ("next-1", 60, "volume 200 GB instead of 100 GB"),
        ),
        # Another type can never take the pool.
        (
            [("next-1", 60, {"instance_type": "ml.m5.xlarge"}), ("next-2", 90_000, {})],
            ("next-2", 90_000, "24h 00m after expiry"),
        ),
        # The fewest differences count, then the earliest job.
        (
            [
                ("next-1", 10, {"volume": 200, "RoleArn": "arn:role/x"}),
                ("next-2", 20, {"volume": 300}),
                ("next-3", 30, {"volume": 400}),
            ],
            ("next-2", 20, "volume 300 GB instead of 100 GB"),
        ),
        # Hundreds of jobs in between do not hide an equal one.
        (
            [
                *((f"busy-{n}", n, {"instance_type": "ml.m5.xlarge"}) for n in range(1, 300)),
                ("next-1", 3599, {}),
            ],
            ("next-1", 3599, "in time and equal, but it started on new instances"),
        ),
        (
            [("next-1", 3660, {"volume": 200})],
            ("next-1", 3660, "1m 00s after expiry; volume 200 GB instead of 100 GB"),
        ),
        # A job from before the idle time is no later job.
        ([("next-1", -1, {})], (None, None, "no later job in the account and region")),
    ],
)
def test_the_nearest_of_all_later_jobs_is_named(
    world: World,
    followers: list[tuple[str, float, dict[str, Any]]],
    expected: tuple[str | None, int | None, str],
) -> None:
    world.put([pool(), *(later(name, seconds, **more) for name, seconds, more in followers)])

    assert why(world) == expected


def test_other_accounts_and_regions_hold_no_match(world: World) -> None:
    world.put([pool()])
    world.put([later("next-1", 10)], account=OTHER)
    world.put([later("next-1", 10)], region="us-east-1")

    assert why(world)[2] == "no later job in the account and region"


def test_a_namesake_of_the_follower_took_no_pool(world: World) -> None:
    """The name in ReusedByJob means the next job of that name, an earlier one here."""
    before = START - timedelta(hours=20)
    world.put(
        [
            pool(),
            job("third-1", before, volume=100, pool=("Reused", 60), taken_by="next-1"),
            job("next-1", before + timedelta(hours=1), volume=100),
            later("next-1", 30),
        ]
    )

    assert why(world) == ("next-1", 30, "in time and equal, but it started on new instances")


def test_a_pool_that_was_ended_early_says_so(world: World) -> None:
    world.put([pool(idle=600), later("next-1", 630)])

    assert why(world) == ("next-1", 630, "30s after the pool was ended early")


def test_an_unknown_idle_time_gives_no_reason(world: World) -> None:
    early = START + timedelta(minutes=5)  # deleted before the seconds came
    world.put([pool(idle=None)], seen=early, deleted=early)
    world.put([later("next-1", 630)])

    assert why(world) == ("next-1", 630, "idle time not known")


def test_a_job_without_details_may_be_equal(world: World) -> None:
    world.put([pool(), later("next-1", 630)])
    world.connection.execute(
        "DELETE FROM training_job_details WHERE training_job_arn LIKE '%next-1'"
    )

    assert why(world) == ("next-1", 630, "details not known")


def test_a_pool_over_a_month_border_is_in_both_months_with_its_part(world: World) -> None:
    world.price("1")
    start = datetime(2026, 9, 30, 23, 45, tzinfo=UTC)
    world.put(
        [job("pool-1", start - timedelta(seconds=2100), keep_alive=3600, pool=("Terminated", 3600))]
    )
    september = Period(date(2026, 9, 1), date(2026, 10, 1))

    for period, usd in ((september, Decimal("0.25")), (OCTOBER, Decimal("0.75"))):
        (row,) = world.rows("why-not-reused", period)
        assert (row["cost_usd"], row["idle_seconds"]) == (usd, 3600)
        assert world.total("why-not-reused", period)["cost_usd"] == usd
        assert world.total("warm-pool-waste", period)["wasted_usd"] == usd
    (whole,) = world.rows("why-not-reused", september, argument="pool-1")
    assert whole["cost_usd"] == 1


def test_the_most_expensive_pools_of_several_accounts_are_shown(world: World) -> None:
    world.price("1", since=date(2027, 1, 1))
    world.put([pool(), pool("pool-2", count=2), later("next-1", 7200)])
    world.put([pool("pool-3", count=3), later("next-1", 3610, count=3)], account=OTHER)
    world.put([pool("kept-1", pool=("Reused", 60), taken_by="next-1"), pool("none-1", 0)])

    result = world.run("why-not-reused", params={"top": "2"})

    assert [(row[0], row[1], row[5]) for row in result.rows] == [
        ("pool-3", Decimal(3), "10s after expiry"),
        ("pool-2", Decimal(2), "1h 00m after expiry; instance count 1 instead of 2"),
    ]
    assert result.totals is not None
    assert result.totals[:2] == ("2 of 3", Decimal(5))
    (estimated,) = [note.text for note in result.notes if note.code == "estimated"]
    assert estimated.startswith("Includes 5.00 USD ")
