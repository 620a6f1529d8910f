"""A pool that is idle on both sides of a month border is in both months, with its part."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exporter.reports.periods import Period, of_month
from exporter.reports.values import digits
from exporter.web import cells, view
from tests.support.cases import OCTOBER, Record, World, job

SEPTEMBER = Period(date(2026, 9, 1), date(2026, 10, 1))
BOTH = Period(date(2026, 9, 1), date(2026, 11, 1))
AUGUST = Period(date(2026, 8, 1), date(2026, 9, 1))
#: The end of training: a quarter of an hour before the month ends.
END = datetime(2026, 9, 30, 23, 45, tzinfo=UTC)


def over_the_border() -> list[Record]:
    """Return a reused and a wasted pool that are idle from 23:45 to 00:45."""
    begun = END - timedelta(seconds=2100)
    return [
        job("a-1", begun, keep_alive=7200, pool=("Reused", 3600), taken_by="a-3"),
        job("a-2", begun, keep_alive=3600, pool=("Terminated", 3600)),
        job("a-3", END + timedelta(seconds=3600), wait=0, train=3600),
    ]


@pytest.mark.parametrize(("period", "usd"), [(SEPTEMBER, "0.25"), (OCTOBER, "0.75"), (BOTH, "1")])
def test_all_reports_count_the_same_pools_and_costs(world: World, period: Period, usd: str) -> None:
    world.price("1")
    world.put(over_the_border())
    each, both = Decimal(usd), 2 * Decimal(usd)

    def total(report: str, *names: str) -> tuple[Any, ...]:
        found = world.total(report, period)
        return tuple(found[name] for name in names)

    assert total("warm-pool-cost", "jobs", "cost_usd") == (2, both)
    assert total("warm-pool-jobs", "job", "cost_usd") == ("2 of 2", both)
    assert total("warm-pool-reuse", "pools", "reused", "cost_usd") == (2, 1, both)
    assert total("warm-pool-waste", "pools", "wasted_pools", "wasted_usd", "reused_usd") == (
        (2, 1, each, each)
    )
    assert total("warm-pool-chains", "family", "idle_usd") == ("2 of 2", both)
    assert total("why-not-reused", "job", "cost_usd") == ("1 of 1", each)
    assert total("startup-time", "pool_usd") == (both,)


def test_a_period_before_or_after_has_none_of_them(world: World) -> None:
    world.put(over_the_border())
    november = Period(date(2026, 11, 1), date(2026, 12, 1))

    for period in (AUGUST, november):
        for report in ("warm-pool-jobs", "warm-pool-chains", "why-not-reused"):
            assert world.rows(report, period) == []


@pytest.mark.parametrize("report", ["warm-pool-reuse", "warm-pool-waste", "warm-pool-cost"])
def test_months_in_one_report_equal_reports_of_one_month(world: World, report: str) -> None:
    world.price("1")
    world.put(over_the_border())

    assert world.rows(report, BOTH, by=["month"]) == [
        *world.rows(report, SEPTEMBER, by=["month"]),
        *world.rows(report, OCTOBER, by=["month"]),
    ]


def test_a_chain_is_clipped_to_the_period(world: World) -> None:
    """It begins in September, runs on in October, and ends in November."""
    world.price("1")
    first = END - timedelta(seconds=2100)
    last = datetime(2026, 10, 31, 23, tzinfo=UTC)
    names = ["a-1", "a-2", "b-3"]
    world.put(
        [
            job("a-1", first, keep_alive=7200, pool=("Reused", 3600), taken_by="a-2"),
            job(
                "a-2",
                END + timedelta(seconds=3600),
                wait=0,
                train=(last - END).total_seconds() - 3600 - 1800,
                keep_alive=7200,
                pool=("Reused", 1800),
                taken_by="b-3",
            ),
            job("b-3", last, wait=0, train=1800, keep_alive=7200, pool=("Terminated", 7200)),
            job("c-1", last, instance_type="ml.none.large", pool=("Terminated", 60)),
        ],
        seen=last + timedelta(days=1),
    )
    known = {
        "family": "a",
        "started_at": first + timedelta(seconds=300),
        "instance_type": "ml.g5.xlarge",
        "instances": 1,
        "jobs": 3,
        "ended_by": "expired",
        "job_names": names,
    }

    (september,) = world.rows("warm-pool-chains", SEPTEMBER)
    assert september == known | {
        "busy_seconds": 1800,
        "idle_seconds": 900,
        "training_usd": Decimal("0.5"),
        "idle_usd": Decimal("0.25"),
    }
    october, unknown = world.rows("warm-pool-chains", OCTOBER)
    busy = int((last - END).total_seconds()) - 3600 - 1800 + 1800
    assert october["training_usd"] == pytest.approx(Decimal(busy) / 3600)
    assert {**october, "training_usd": None} == known | {
        "busy_seconds": busy,
        "idle_seconds": 2700 + 1800 + 1800,
        "training_usd": None,
        "idle_usd": Decimal("1.75"),
    }
    # Only the storage of an unknown type has a price.
    assert (unknown["family"], unknown["idle_usd"]) == ("c", Decimal("0.000103494624"))
    (one,) = world.run("warm-pool-chains", OCTOBER, params={"top": "1"}).rows
    assert one[1] == "a"
    notes = world.run("warm-pool-chains", OCTOBER).notes
    assert [note.reasons for note in notes if note.code == "unpriced"] == [("no price",)]


@pytest.mark.parametrize("ends", ["23:45:00", "23:59:59.6"])
@pytest.mark.parametrize("today", ["2026-10-20", "2027-06-01"])
def test_the_cells_of_the_dashboard_count_them_once(world: World, ends: str, today: str) -> None:
    """With days or months as buckets, and with its first whole second before or after midnight."""
    end = datetime.fromisoformat(f"2026-09-30T{ends}+00:00")
    begun = end - timedelta(seconds=2100)
    world.price("1")
    world.put(
        [
            job("a-1", begun, keep_alive=7200, pool=("Reused", 3600), taken_by="a-3"),
            job("a-2", begun, keep_alive=3600, pool=("Terminated", 3600)),
            job("a-3", end + timedelta(seconds=3600), wait=0, train=3600),
        ]
    )
    september, october = of_month(date(2026, 9, 1)), of_month(date(2026, 10, 1))
    both = Period(september.since, october.until)
    found = cells.read(world.connection, both, date.fromisoformat(today)).cells
    for period in (september, october, both):
        sums = cells.added(
            ((bucket, sums) for (_, bucket), sums in found.items()), period.since, period.until
        )
        reuse, waste = (
            world.total(name, period) for name in ("warm-pool-reuse", "warm-pool-waste")
        )
        assert (sums.pools, sums.reused_pools) == (reuse["pools"] or 0, reuse["reused"] or 0)
        for mine, theirs in ((sums.wasted, "wasted_usd"), (sums.reused, "reused_usd")):
            assert view.exact(mine) == digits(waste[theirs] or Decimal()), (period, theirs)
    assert sums.pools == 2
