"""A pool that another job took at once was reused, though it cost nothing."""

from __future__ import annotations

from decimal import Decimal

from tests.support.cases import World, load_case


def test_ten_of_eleven_pools_are_reused_at_once(world: World) -> None:
    world.put(load_case("zero_second_reuse"))
    world.price("3.6")
    usd = Decimal("0.6")
    key = {"family": "seq", "instance_type": "ml.g5.xlarge"}

    assert world.rows("warm-pool-reuse") == [
        key
        | {
            "pools": 11,
            "reused": 10,
            "reuse_rate": 10 / 11,
            "median_wait_seconds": 0,
            "longest_wait_seconds": 0,
            "median_keep_alive_seconds": 600,
            "cost_usd": usd,
            "usd_per_reuse": 0.06,
            "unpriced_jobs": 0,
        }
    ]
    assert world.rows("warm-pool-waste") == [
        key
        | {
            "pools": 11,
            "wasted_pools": 1,
            "wasted_hours": Decimal("0.166666666667"),
            "wasted_usd": usd,
            "wasted_share": 1,
            "reused_usd": 0,
            "unpriced_jobs": 0,
        }
    ]
    assert world.total("warm-pool-cost", by=["family"])["jobs"] == 11
    assert world.total("warm-pool-jobs", params={"top": "3"})["job"] == "3 of 11"
    (lines,) = world.connection.execute(
        "SELECT count(*) FROM daily_costs WHERE component = 'Training Warm Pool'"
    ).one()
    assert lines == 1
