"""keep-alive-advice: the right values of known cases, and promises that reality keeps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from exporter.reports.periods import Period
from exporter.store import rates
from tests.support.cases import ACCOUNT, OCTOBER, REGION, Record, World, job, load_case
from tests.support.pools import Wish, served

START = datetime(2026, 10, 5, 8, tzinfo=UTC)
CENT = Decimal("0.005")
#: Average days of a month ÷ days of October.
MONTHS = Decimal("365.25") / 12 / 31
LABEL = "ml.g5.xlarge × 1 · role train · 30 GB"


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with its decimals to two places, as tables show them."""
    return {
        name: round(value, 2) if isinstance(value, Decimal) else value
        for name, value in row.items()
    }


def by_family(world: World, **params: str) -> dict[str, dict[str, Any]]:
    rows = world.rows("keep-alive-advice", params=params)
    return {row["family"]: row for row in rows}


def test_two_families_that_hand_one_pool_on_are_judged_together(world: World) -> None:
    world.put(load_case("advice_cross_family"))
    world.price("1.57")
    params = {"minute_usd": "0.1"}
    both = {
        "specification": LABEL,
        "account_id": ACCOUNT,
        "region": REGION,
        "instance_type": "ml.g5.xlarge",
        "jobs": 12,
        "pools": 12,
        "unpriced_jobs": 0,
        "current_keep_alive": "10 min",
        "current_min_seconds": 600,
        "current_max_seconds": 600,
        "suggested_keep_alive_seconds": 180,
        "gained_minutes": 0,
        "explained": 1,
        "sdk_argument": "keep_alive_period_in_seconds=180",
        "api_setting": '"KeepAlivePeriodInSeconds": 180',
        "reason": None,
        "iam_statement": None,
    }
    assert [rounded(row) for row in world.rows("keep-alive-advice", params=params)] == [
        both
        | {
            "family": "fit",
            "team": None,
            "idle_usd": Decimal("1.05"),
            "wasted_usd": Decimal("0.52"),
            "current_idle_usd": Decimal("1.03"),
            "current_wasted_usd": Decimal("0.51"),
            "current_reuses": 10,
            "suggested_idle_usd": Decimal("0.67"),
            "suggested_reuses": 10,
            "net_usd": Decimal("0.36"),
            "current_net_usd": Decimal("3.55"),
            "suggested_net_usd": Decimal("3.91"),
        },
        both
        | {
            "family": "prep",
            "team": None,
            "idle_usd": Decimal("0.63"),
            "wasted_usd": 0,
            "current_idle_usd": Decimal("0.62"),
            "current_wasted_usd": 0,
            "current_reuses": 12,
            "suggested_idle_usd": Decimal("0.62"),
            "suggested_reuses": 12,
            "net_usd": 0,
            "current_net_usd": Decimal("4.88"),
            "suggested_net_usd": Decimal("4.88"),
        },
    ]
    total = rounded(world.total("keep-alive-advice", params=params | {"top": "1"}))
    assert {name: value for name, value in total.items() if value is not None} == {
        "jobs": 24,
        "pools": 24,
        "unpriced_jobs": 0,
        "idle_usd": Decimal("1.67"),
        "wasted_usd": Decimal("0.52"),
        "current_idle_usd": Decimal("1.64"),
        "current_wasted_usd": Decimal("0.51"),
        "current_reuses": 22,
        "suggested_idle_usd": Decimal("1.28"),
        "suggested_reuses": 22,
        "gained_minutes": 0,
        "net_usd": Decimal("0.36"),
        "current_net_usd": Decimal("8.44"),
        "suggested_net_usd": Decimal("8.80"),
    }


def test_the_volumes_of_idle_pools_cost_too(world: World) -> None:
    world.put(load_case("advice_storage"))
    (row,) = world.rows("keep-alive-advice", params={"minute_usd": "0.02"})
    assert rounded(row) == {
        "family": "etl",
        "team": None,
        "specification": "ml.m5.xlarge × 1 · role train · 2000 GB",
        "account_id": ACCOUNT,
        "region": REGION,
        "instance_type": "ml.m5.xlarge",
        "jobs": 24,
        "pools": 24,
        "unpriced_jobs": 0,
        "current_keep_alive": "10 min",
        "current_min_seconds": 600,
        "current_max_seconds": 600,
        "idle_usd": Decimal("2.01"),
        "wasted_usd": Decimal("1.23"),
        "current_idle_usd": Decimal("1.98"),
        "current_wasted_usd": Decimal("1.21"),
        "current_reuses": 13,
        "suggested_keep_alive_seconds": 0,
        "suggested_idle_usd": 0,
        "suggested_reuses": 0,
        "gained_minutes": Decimal("-59.57"),
        "net_usd": Decimal("0.79"),
        "current_net_usd": Decimal("-0.79"),
        "suggested_net_usd": 0,
        "explained": 1,
        "sdk_argument": "keep_alive_period_in_seconds=0",
        "api_setting": '"KeepAlivePeriodInSeconds": 0',
        "reason": None,
        "iam_statement": None,
    }


def test_pools_that_nobody_reuses_are_worth_nothing(world: World) -> None:
    """There is no warm start to learn from, and none is needed."""
    nights = [Wish("nightly", at(1440 * day), 1800, 1800) for day in range(5)]
    world.put(served(nights))
    world.price("2")
    (row,) = world.rows("keep-alive-advice")
    assert (row["suggested_keep_alive_seconds"], row["gained_minutes"]) == (0, 0)
    assert row["idle_usd"] == row["wasted_usd"] == 5
    assert row["net_usd"] == row["current_idle_usd"] == pytest.approx(5 * MONTHS, abs=CENT)


def test_a_family_without_pools_learns_what_a_period_would_bring(world: World) -> None:
    chain = [Wish("a", at(20 * number), 600, 0) for number in range(10)]
    others = [Wish("b", at(20 * number), 600, 900) for number in range(10)]
    world.put(served(chain))
    world.put(served(others, volume=50))
    world.price("0.60")
    row = by_family(world)["a"]
    # Ten jobs end 5 or 9 minutes before the next one starts: nine reuses of 280 saved seconds.
    assert (row["current_keep_alive"], row["current_idle_usd"]) == ("none", 0)
    assert (row["suggested_keep_alive_seconds"], row["suggested_reuses"]) == (300, 9)
    assert row["gained_minutes"] == pytest.approx(42 * MONTHS, abs=CENT)
    assert row["explained"] is None
    assert row["reason"] == "needs a warm pool quota"


def test_what_the_replay_does_not_explain_gets_a_reason_instead(world: World) -> None:
    """Every second pool was ended by hand before the job came that would have taken it."""
    records = served([Wish("a", at(20 * number), 600, 900) for number in range(10)])
    for record in records[::2]:
        record["WarmPoolStatus"] = {
            "Status": "Terminated",
            "ResourceRetainedBillableTimeInSeconds": 60,
        }
    world.put(records)
    world.price("1")
    (row,) = world.rows("keep-alive-advice")
    assert row["suggested_keep_alive_seconds"] is None
    assert row["net_usd"] is None
    assert row["explained"] == pytest.approx(Decimal(4) / 9)
    assert row["reason"] == "the replay explains only 44% of the observed reuse"


def test_pools_that_no_job_took_are_worth_nothing_whatever_the_replay_expects(
    world: World,
) -> None:
    records = [
        job(f"a-{number}", at(40 * number), keep_alive=600, pool=("Terminated", 60))
        for number in range(5)
    ]
    world.put(records)
    world.price("1")
    (row,) = world.rows("keep-alive-advice")
    assert (row["explained"], row["suggested_keep_alive_seconds"]) == (0, 0)
    assert row["net_usd"] == row["current_idle_usd"] > 0


def test_jobs_that_cannot_leave_a_pool_are_left_out(world: World) -> None:
    without: list[dict[str, Any]] = [
        {"EnableManagedSpotTraining": True},
        {"TrainingJobStatus": "Failed", "FailureReason": "InternalServerError: We encountered"},
        {"TrainingJobStatus": "Failed", "FailureReason": "CapacityError: none left"},
        {"TrainingJobStatus": "Stopped", "TrainingStartTime": None},
    ]
    kept: list[dict[str, Any]] = [
        {"TrainingJobStatus": "Stopped"},
        {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: exit code 1"},
        {"TrainingJobStatus": "Failed", "FailureReason": "ClientError: no such key"},
    ]
    for number, more in enumerate([*without, *kept]):
        world.put([job(f"a{number}-1", at(600 * number), **more)])
        world.put([job(f"a{number}-2", at(600 * number + 40), TrainingEndTime=None)])
    served_by = {
        row["family"]: row["reuses"]
        for number in range(len(without) + len(kept))
        for row in world.rows("keep-alive-curve", params={"family": f"a{number}"})
        if row["keep_alive_seconds"] == 3600
    }
    assert served_by == {"a4": 1, "a5": 1, "a6": 1}


def test_a_pool_that_was_denied_is_no_pool(world: World) -> None:
    records = served([Wish("a", at(20 * number), 600, 900) for number in range(4)])
    denied = served([Wish("a", at(9000 + 20 * number), 600, 900) for number in range(3)])
    for record in denied:
        record["TrainingJobName"] += "-denied"
        record["WarmPoolStatus"] = {"Status": "Terminated"}
    world.put(records + denied)
    world.price("1")
    (row,) = [row for row in world.rows("keep-alive-advice") if row["family"] == "a"]
    assert (row["pools"], row["current_reuses"], row["explained"]) == (4, 3, 1)


def test_longer_than_an_hour_is_suggested_only_where_it_was_used(world: World) -> None:
    wishes = [Wish("a", at(100 * number), 600, 600) for number in range(6)]
    warm = [Wish("b", at(20 * number), 600, 900) for number in range(4)]
    far = [Wish("c", at(1000), 600, 7200)]
    world.put(served(wishes, instance_type="ml.p3.2xlarge") + served(warm))
    world.price("0.01", "ml.p3.2xlarge")
    world.price("0.01")
    assert by_family(world)["a"]["suggested_keep_alive_seconds"] == 0
    world.put(served(far))
    assert by_family(world)["a"]["suggested_keep_alive_seconds"] == 5400


def test_a_policy_caps_the_suggested_period(world: World) -> None:
    world.put(load_case("advice_cross_family"))
    world.price("1.57")
    row = by_family(world, minute_usd="0.1", policy="yes")["fit"]
    assert json.loads(row["iam_statement"]) == {
        "Effect": "Deny",
        "Action": "sagemaker:CreateTrainingJob",
        "Resource": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/fit*",
        "Condition": {"NumericGreaterThan": {"sagemaker:KeepAlivePeriod": 180}},
    }


def test_mixed_periods_are_a_range_and_each_job_has_its_own(world: World) -> None:
    wishes = [Wish("a", at(30 * number), 600, (0, 300, 1800)[number % 3]) for number in range(12)]
    world.put(served(wishes))
    world.price("1")
    row = by_family(world)["a"]
    assert row["current_keep_alive"] == "none–30 min"
    assert (row["current_min_seconds"], row["current_max_seconds"]) == (0, 1800)
    assert (row["current_reuses"], row["explained"]) == (3, 1)


def test_each_account_has_its_own_pools_and_prices(world: World) -> None:
    other = "444455556666"
    records = served([Wish("a", at(20 * number), 600, 900) for number in range(5)])
    world.put(records)
    world.put(records, account=other)
    world.connection.execute(f"INSERT INTO discounts VALUES ('{other}', '', 50)")
    rates.refresh(world.connection)
    rows = {row["account_id"]: row for row in world.rows("keep-alive-advice")}
    assert rows[ACCOUNT]["current_reuses"] == rows[other]["current_reuses"] == 4
    assert rows[ACCOUNT]["suggested_idle_usd"] == pytest.approx(
        2 * rows[other]["suggested_idle_usd"], abs=Decimal("0.00001")
    )


def random_world(seed: int) -> list[Record]:
    """Return bursts, chains and lone jobs of four families with two volumes and mixed periods."""
    random = Random(seed)
    records: list[Record] = []
    for volume in (30, 500):
        wishes = []
        for family in "abcd":
            moment = at(random.randrange(-10_000, 3_000))
            for _ in range(12):
                burst = random.choice((1, 1, 1, 6))
                train = random.randrange(300, 4000)
                keep_alive = random.choice((0, 600, 600, 3600)) if family < "c" else 900
                wishes += [
                    Wish(family, moment + timedelta(seconds=number), train + number, keep_alive)
                    for number in range(burst)
                ]
                moment += timedelta(seconds=train + 301 + random.choice((100, 700, 2500, 90_000)))
        made = served(wishes, volume=volume, oldest_first=bool(seed % 2))
        for record in made:
            record["TrainingJobName"] += f"-v{volume}"
            if reused := record.get("WarmPoolStatus", {}).get("ReusedByJob"):
                record["WarmPoolStatus"]["ReusedByJob"] = f"{reused}-v{volume}"
        records += made
    return records


@pytest.mark.parametrize("seed", range(4))
def test_idle_usd_is_that_of_warm_pool_cost_and_no_saving_exceeds_it(
    world: World, seed: int
) -> None:
    world.put(random_world(seed))
    world.price("1.5")
    for period in (OCTOBER, Period(OCTOBER.since.replace(day=6), OCTOBER.until)):
        rows = world.rows("keep-alive-advice", period)
        total = world.total("keep-alive-advice", period)
        cost = world.total("warm-pool-cost", period)["cost_usd"]
        assert cost > 0
        assert sum(row["idle_usd"] for row in rows) == total["idle_usd"] == cost
        for row in rows:
            if row["suggested_idle_usd"] is not None:
                assert row["suggested_idle_usd"] >= 0
                saved = row["current_idle_usd"] - row["suggested_idle_usd"]
                assert saved <= row["current_idle_usd"]
                loses = row["sdk_argument"] is not None and row["net_usd"] < -CENT
                changes = row["suggested_keep_alive_seconds"] != row["current_min_seconds"]
                assert (loses and changes) == ("worth it together" in (row["reason"] or ""))
        assert total["net_usd"] >= 0
        assert total["suggested_net_usd"] >= total["current_net_usd"] - CENT


def pair(day: int, *, retained: int | None = 60) -> list[Record]:
    """Return a job, and the one that takes its pool a minute after its end."""
    start = datetime(2026, 10, day, 8, tzinfo=UTC)
    first, second = f"pair-{day}-1", f"pair-{day}-2"
    return [
        job(first, start, keep_alive=600, pool=("Reused", retained), taken_by=second),
        job(
            second,
            start + timedelta(minutes=36),
            wait=20,
            keep_alive=600,
            pool=("Terminated", 600),
        ),
    ]


def test_starts_before_their_creation_do_not_count(world: World) -> None:
    world.price("1.57")
    for day in range(5, 10):
        world.put(pair(day))
        wrong = datetime(2026, 10, day, 16, tzinfo=UTC)
        world.put([job(f"pair-{day}-{n}", wrong, wait=-4000) for n in range(3, 6)])

    row = by_family(world, minute_usd="0.1")["pair"]

    # The valid starts save 280 seconds, so a reuse is worth more than two idle minutes.
    assert (row["suggested_keep_alive_seconds"], row["suggested_reuses"]) == (60, 5)
    reused = 5 * Decimal(280) / 60 * Decimal("0.1")
    assert row["current_net_usd"] == pytest.approx(
        (reused - row["idle_usd"]) * MONTHS, abs=Decimal("0.001")
    )


def test_known_costs_are_added_up_although_others_are_unknown(world: World) -> None:
    world.price("1.57")
    world.put(pair(5, retained=None))
    world.put(pair(6))

    row = by_family(world)["pair"]

    cost = world.total("warm-pool-cost")
    assert (row["idle_usd"], row["unpriced_jobs"]) == (cost["cost_usd"], 1)
    assert row["wasted_usd"] == world.total("warm-pool-waste")["wasted_usd"]
    assert row["suggested_keep_alive_seconds"] is row["current_net_usd"] is None
    assert row["reason"] == "the cost of the pools is not known"


def test_a_pool_that_still_waits_is_not_wasted(world: World) -> None:
    world.price("1.57")
    start = datetime(2026, 10, 5, 8, tzinfo=UTC)
    seen = start + timedelta(minutes=50)
    world.put([job("open-1", start, keep_alive=3600, pool=("Available", None))], seen=seen)

    row = by_family(world)["open"]

    assert row["idle_usd"] == world.total("warm-pool-cost")["cost_usd"] > 0
    assert row["wasted_usd"] == 0


def test_a_pool_without_seconds_stops_no_suggestion(world: World) -> None:
    world.price("1.57")
    world.put(pair(5))
    start = datetime(2026, 10, 6, 8, tzinfo=UTC)
    world.put([job("pair-6-1", start, keep_alive=600, pool=("Terminated", None))])

    row = by_family(world)["pair"]

    assert (row["pools"], row["unpriced_jobs"]) == (2, 1)
    assert row["suggested_keep_alive_seconds"] == 60


def test_a_job_created_in_the_second_before_the_end_takes_the_pool(world: World) -> None:
    world.price("1.57")
    for day in range(5, 10):
        first, second = pair(day, retained=0)
        second["CreationTime"] = first["TrainingEndTime"] - timedelta(milliseconds=500)
        world.put([first, second])

    row = by_family(world)["pair"]

    assert (row["explained"], row["current_reuses"], row["suggested_reuses"]) == (1, 5, 5)
    assert row["suggested_keep_alive_seconds"] == 60
