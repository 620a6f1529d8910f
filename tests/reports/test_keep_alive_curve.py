"""keep-alive-curve: what each period would cost and save, with a worked example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exporter.errors import UsageError
from tests.support.cases import World, job, load_case

NOON = datetime(2026, 10, 3, 12, tzinfo=UTC)
#: Average days of a month ÷ days of October.
MONTHS = Decimal("365.25") / 12 / 31
NEAR = Decimal("0.00001")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_an_unknown_family_is_an_error_that_names_the_nearest(world: World) -> None:
    with pytest.raises(UsageError, match="The database has no family 'resnet'") as empty:
        curve(world, "resnet")
    assert empty.value.guidance == "It has no jobs yet. Run `sagemaker-exporter sync`."
    world.put([job("bert-ft-1", NOON), job("resnet-1", NOON)])
    with pytest.raises(UsageError, match="The database has no family 'resnt'") as near:
        curve(world, "resnt")
    assert near.value.guidance == (
        "Nearest: resnet, bert-ft. `report training-cost --by family` lists all."
    )


def curve(world: World, family: str, **params: str) -> dict[int, dict[str, Any]]:
    rows = world.rows("keep-alive-curve", params=params | {"family": family})
    return {row["keep_alive_seconds"]: row for row in rows}


def test_the_worked_example(world: World) -> None:
    """Three jobs of 0.06 USD a minute end at 12:00, 12:10 and 12:30; two come at 12:05 and 12:40.

    A warm start saves 4 minutes. With 5 minutes: one reuse, 3 × 5 idle minutes, 0.90 USD, 4
    minutes saved. With 10 minutes: two reuses, 5 + 10 + 10 minutes, 1.50 USD, 8 minutes saved. The
    4 minutes more cost 0.60 USD more, 0.15 USD each. If a minute is worth 0.20 USD, 10 minutes are
    worth 1.60 − 1.50 USD a month, and 5 minutes lose 0.10 USD.
    """
    world.price("3.60")
    for number, ended in enumerate((0, 10, 30)):
        world.put([job(f"a-{number}", at(ended - 65), train=3600)])
    for number, created in enumerate((5, 40)):
        world.put([job(f"b-{number}", at(created), TrainingEndTime=None)])
    # Cold starts take 5 minutes and a warm one takes 1, as jobs with another volume show.
    pool = ("Reused", 60)
    world.put([job("c-1", at(500), train=60, pool=pool, taken_by="c-2", keep_alive=60, volume=9)])
    world.put([job("c-2", at(507), wait=60, volume=9)])

    found = curve(world, "a", minute_usd="0.20")

    for seconds, reuses, idle, saved, net in (
        (0, 0, "0", 0, "0"),
        (300, 1, "0.90", 4, "-0.10"),
        (600, 2, "1.50", 8, "0.10"),
    ):
        row = found[seconds]
        assert (row["ends"], row["reuses"]) == (3, reuses)
        assert row["idle_usd"] == pytest.approx(Decimal(idle) * MONTHS, abs=NEAR)
        assert row["saved_minutes"] == pytest.approx(saved * MONTHS, abs=NEAR)
        assert row["net_usd"] == pytest.approx(Decimal(net) * MONTHS, abs=NEAR)
    assert found[600]["usd_per_minute"] == pytest.approx(Decimal("0.15"), abs=NEAR)
    assert (found[0]["mark"], found[600]["mark"]) == ("current", "suggested")
    assert found[600]["gain_usd"] == found[600]["net_usd"]


def test_the_curve_counts_the_volumes(world: World) -> None:
    world.put(load_case("advice_storage"))
    found = curve(world, "etl", minute_usd="0.02")
    assert round(found[1800]["net_usd"], 2) == Decimal("-1.88")
    assert {seconds: row["mark"] for seconds, row in found.items() if row["mark"]} == {
        0: "suggested",
        600: "current",
    }


def test_the_current_period_is_the_one_that_most_jobs_use_or_the_shorter_of_two(
    world: World,
) -> None:
    for number, seconds in enumerate((600, 600, 1800, 1800, 300)):
        pool = ("Terminated", seconds)
        world.put([job(f"a-{number}", at(200 * number), keep_alive=seconds, pool=pool)])
    marks = {seconds: row["mark"] for seconds, row in curve(world, "a").items()}
    assert [seconds for seconds, mark in marks.items() if "current" in mark] == [600]


def test_pools_from_before_the_period_serve_its_jobs(world: World) -> None:
    """A reuse counts in the period in which the pool began to wait."""
    midnight = datetime(2026, 10, 1, tzinfo=UTC)
    world.price("3.60")
    world.put([job("a-1", midnight - timedelta(minutes=75), train=3600)])
    world.put([job("a-2", midnight + timedelta(minutes=20), train=60)])
    assert {row["reuses"] for row in curve(world, "a").values()} == {0}
    # Of the 30 minutes of the first pool, 20 fall into October. The second one waits for an hour.
    idle = curve(world, "a")[3600]["idle_usd"]
    assert idle == pytest.approx((20 + 60) * Decimal("0.06") * MONTHS, abs=NEAR)


def test_without_a_price_the_cost_is_unknown(world: World) -> None:
    world.put([job("a-1", at(0), instance_type="ml.unheard.large")])
    world.put([job("a-2", at(40), instance_type="ml.unheard.large")])
    row = curve(world, "a")[3600]
    assert (row["reuses"], row["idle_usd"], row["net_usd"]) == (1, None, None)


def test_the_worth_of_a_minute_is_named(world: World) -> None:
    world.put(load_case("advice_storage"))
    notes = {note.code: note.text for note in world.run("keep-alive-advice").notes}
    assert "as 1.00 USD" in notes["minute_usd"]
