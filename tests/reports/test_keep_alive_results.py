"""keep-alive-results: what a change did to the same jobs, and nothing for a drop in demand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.cases import ACCOUNT, REGION, World
from tests.support.pools import Wish, served

START = datetime(2026, 10, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
PARAMS = {"minute_usd": "0.1"}


def wishes(family: str, first: float, number: int, keep_alive: int, apart: float = 2) -> list[Wish]:
    """Return pairs of jobs: the second is created a minute after the end of the first."""
    made = []
    for place in range(number):
        created = START + (first + place * apart) * HOUR
        made += [
            Wish(family, created, 600, keep_alive),
            Wish(family, created + timedelta(seconds=960), 600, keep_alive),
        ]
    return made


def results(world: World, **params: str) -> list[dict[str, Any]]:
    return world.rows("keep-alive-results", params=PARAMS | params)


def test_a_shorter_period_saves_what_the_pools_wait_in_vain(world: World) -> None:
    world.price("3.6")
    # A minute of each first pool is used, and all of each second one is wasted.
    world.put(served(wishes("a", 0, 4, 1800) + wishes("a", 8, 6, 300)))
    rows = results(world)
    saved = 6 * 1500 * Decimal("0.001")
    assert rows == [
        {
            "family": "a",
            "specification": "ml.g5.xlarge × 1 · role train · 30 GB",
            "account_id": ACCOUNT,
            "region": REGION,
            "instance_type": "ml.g5.xlarge",
            "changed_at": START + 8 * HOUR,
            "old_keep_alive": "30 min",
            "new_keep_alive": "5 min",
            "old_seconds": 1800,
            "new_seconds": 300,
            "ends_before": 8,
            "ends_after": 12,
            "idle_usd_before": Decimal("0.93"),
            "idle_usd_after": Decimal("0.18"),
            "reuse_before": Decimal("0.5"),
            "reuse_after": Decimal("0.5"),
            "waited_minutes_before": Decimal("2.666667"),
            "waited_minutes_after": Decimal("2.666667"),
            "idle_usd": Decimal("2.16"),
            "saved_usd": saved,
            "gained_minutes": 0,
            "net_usd": saved,
            "predicted_saved_usd": saved,
            "predicted_net_usd": saved,
            "explained": 1,
            "reason": None,
        }
    ]
    total = world.total("keep-alive-results", params=PARAMS)
    assert {name: value for name, value in total.items() if value is not None} == {
        "ends_after": 12,
        "idle_usd": Decimal("2.16"),
        "saved_usd": saved,
        "gained_minutes": 0,
        "net_usd": saved,
        "predicted_saved_usd": saved,
        "predicted_net_usd": saved,
    }


def test_a_period_that_is_too_short_loses_minutes(world: World) -> None:
    world.price("3.6")
    world.put(served(wishes("a", 0, 5, 600) + wishes("a", 10, 5, 0)))
    (row,) = results(world)
    # Each of five pairs loses a warm start of 280 seconds, and two pools of 60 and 600 seconds.
    assert (row["saved_usd"], row["gained_minutes"]) == (
        pytest.approx(Decimal("3.3")),
        pytest.approx(Decimal(-5 * 280) / 60),
    )
    assert row["net_usd"] == pytest.approx(Decimal("3.3") - Decimal("2.333333"))
    assert (row["reuse_after"], row["idle_usd_after"], row["new_keep_alive"]) == (0, 0, "none")


def test_fewer_jobs_are_no_saving(world: World) -> None:
    world.price("3.6")
    # The period changes, but no pool waits for longer than before: only the demand falls.
    chain = [
        Wish("a", START + timedelta(seconds=place * 1000), 600, 600 if place < 20 else 900)
        for place in range(24)
    ]
    world.put(served(chain))
    (row,) = results(world)
    assert (row["ends_before"], row["ends_after"]) == (20, 4)
    # The last pool waits for five minutes more.
    assert row["saved_usd"] == pytest.approx(Decimal("-0.3"))
    assert row["gained_minutes"] == 0
    # Nothing changes: no row, although nine of ten jobs are gone.
    world.put(served(wishes("b", 0, 20, 600, apart=1) + wishes("b", 30, 2, 600), volume=50))
    assert [each["family"] for each in results(world)] == ["a"]


def test_other_families_that_share_the_pools_count(world: World) -> None:
    world.price("3.6")
    made = []
    for place in range(12):
        created = START + place * 2 * HOUR
        made += [
            Wish("prep", created, 600, 600 if place < 6 else 0),
            Wish("fit", created + timedelta(seconds=960), 600, 0),
        ]
    world.put(served(made))
    (row,) = results(world)
    assert row["family"] == "prep"
    # Each fit job of the six days loses its warm start: 280 seconds, for 60 seconds of a pool.
    assert row["saved_usd"] == pytest.approx(Decimal("0.36"))
    assert row["gained_minutes"] == pytest.approx(Decimal(-28))


@pytest.mark.parametrize(
    "keep_alive",
    [
        [600, 900] * 6,  # alternates: no change
        [600] * 6 + [900, 900] + [600] * 4,  # an exception
        [600] * 12,
        [600] * 10 + [900] * 2,  # too few jobs yet
    ],
)
def test_exceptions_and_mixtures_are_no_change(world: World, keep_alive: list[int]) -> None:
    world.price("1")
    made = [Wish("a", START + place * HOUR, 600, each) for place, each in enumerate(keep_alive)]
    world.put(served(made))
    assert results(world) == []


def test_two_changes_are_two_rows_and_top_shows_the_latest(world: World) -> None:
    world.price("1")
    periods = [600] * 4 + [1200] * 4 + [300] * 4
    world.put(served([Wish("a", START + n * HOUR, 600, each) for n, each in enumerate(periods)]))
    rows = results(world)
    columns = ("changed_at", "old_seconds", "new_seconds", "ends_before", "ends_after")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        (START + 8 * HOUR, 1200, 300, 4, 4),
        (START + 4 * HOUR, 600, 1200, 4, 4),
    ]
    assert len(results(world, top="1")) == 1
    total = world.total("keep-alive-results", params=PARAMS | {"top": "1"})
    assert total["saved_usd"] == sum(row["saved_usd"] for row in rows)


def test_what_is_not_known_is_said(world: World) -> None:
    made = wishes("a", 0, 4, 1800) + wishes("a", 8, 4, 300)
    world.put(served(made, instance_type="ml.x9.large"))
    (row,) = results(world)
    assert row["reason"] == "the cost of the pools is not known"
    assert row["saved_usd"] is row["net_usd"] is row["predicted_net_usd"] is None
    records = served(wishes("b", 0, 4, 1800) + wishes("b", 8, 4, 1200))
    for record in records:  # something else kept the pools from being taken
        if record["WarmPoolStatus"]["Status"] == "Reused":
            record["WarmPoolStatus"] = {
                "Status": "Terminated",
                "ResourceRetainedBillableTimeInSeconds": 1200,
            }
    world.put(records)
    world.price("1")
    (row,) = [row for row in results(world) if row["family"] == "b"]
    assert row["reason"] == "the replay explains only 0% of the observed reuse"


def test_absurd_values_fail_nothing(world: World) -> None:
    world.price("3.6")
    records = served(wishes("a", 0, 4, 1800) + wishes("a", 8, 4, 300))
    for number, record in enumerate(records):
        if number >= 8:
            record["ResourceConfig"]["KeepAlivePeriodInSeconds"] = -300
    records[0]["TrainingEndTime"] = START - HOUR
    records[1]["TrainingStartTime"] = START - HOUR
    records[2]["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 2**31 - 1
    world.put(records)
    (row,) = results(world)
    assert (row["old_seconds"], row["new_seconds"], row["new_keep_alive"]) == (1800, 0, "none")
    assert row["explained"] == 0
    assert row["saved_usd"] is None
