"""Every report counts the same pools: one that SageMaker could not keep is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.cases import World, job

DAY = datetime(2026, 10, 5, 8, tzinfo=UTC)
#: The status and the seconds of each job's pool. All of them asked for one of an hour.
POOLS = {
    "kept": ("Terminated", 1800),
    "reused": ("Reused", 900),
    "no-seconds": ("Terminated", None),
    "zero-seconds": ("Terminated", 0),
    "in-use": ("InUse", None),
    "no-status": None,
}


@pytest.fixture
def pools(world: World) -> World:
    world.price("2")
    world.put(
        job(
            f"{name}-1",
            DAY + timedelta(hours=3 * place),
            keep_alive=3600,
            volume=100 + place,  # so that no job could take the pool of another one
            pool=pool,
        )
        for place, (name, pool) in enumerate(POOLS.items())
    )
    # AWS deleted this job minutes after its end, when the seconds can still be late.
    early = DAY + timedelta(hours=24, minutes=45)
    deleted = job(
        "deleted-1", DAY + timedelta(hours=24), keep_alive=3600, pool=("Terminated", None)
    )
    world.put([deleted], seen=early, deleted=early)
    return world


def test_the_reports_count_the_pools_that_were_kept(pools: World) -> None:
    assert [
        (row["family"], row["pools"], row["reused"], row["cost_usd"], row["unpriced_jobs"])
        for row in pools.rows("warm-pool-reuse")
    ] == [
        ("kept", 1, 0, Decimal(1), 0),
        ("reused", 1, 1, Decimal("0.5"), 0),
        ("deleted", 1, 0, None, 1),
    ]
    assert [
        (row["family"], row["pools"], row["wasted_pools"], row["wasted_usd"], row["unpriced_jobs"])
        for row in pools.rows("warm-pool-waste")
    ] == [
        ("kept", 1, 1, Decimal(1), 0),
        ("deleted", 1, 1, None, 1),
        ("reused", 1, 0, None, 0),
    ]
    assert [
        (row["job_names"], row["ended_by"], row["idle_seconds"], row["idle_usd"])
        for row in pools.rows("warm-pool-chains")
    ] == [
        (["kept-1"], "ended early", 1800, Decimal(1)),
        (["reused-1"], "reuse unknown", 900, Decimal("0.5")),
        (["deleted-1"], "terminated", None, None),
    ]
    assert [
        (row["job"], row["cost_usd"], row["idle_seconds"]) for row in pools.rows("why-not-reused")
    ] == [("kept-1", Decimal(1), 1800), ("deleted-1", None, None)]


def test_the_advice_and_the_missing_pools_name_the_others(pools: World) -> None:
    missing = {row["job"] for row in pools.rows("warm-pool-missing", params={"jobs": "yes"})}
    assert missing == {"no-seconds-1", "zero-seconds-1", "in-use-1", "no-status-1"}


def test_a_pool_whose_seconds_can_still_come_counts_as_unknown(pools: World) -> None:
    pools.connection.execute(
        "UPDATE training_jobs SET open_reason = 'pool late' "
        "WHERE training_job_name = 'no-seconds-1'"
    )
    late = {
        report: [row for row in pools.rows(report) if "no-seconds" in str(row)]
        for report in ("warm-pool-reuse", "warm-pool-waste", "warm-pool-chains", "why-not-reused")
    }
    assert {report: len(rows) for report, rows in late.items()} == dict.fromkeys(late, 1)
    assert late["warm-pool-waste"][0]["unpriced_jobs"] == 1
    assert late["warm-pool-chains"][0]["ended_by"] == "terminated"
