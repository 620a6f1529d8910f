"""Costs of warm pools, calculated by hand: settled, accruing, deleted, past midnight."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.money.conftest import ACCOUNT, CREATED, REGION, Ledger, after, arn

M5 = {"instance_type": "ml.m5.xlarge", "instance_count": 2, "volume_size_gb": 30}


def test_a_settled_pool_across_a_month_end_has_two_rows_per_component(ledger: Ledger) -> None:
    ledger.price("0.257")
    ledger.price("0.154", "", component="Training ML storage")
    ledger.put("accounts", account_id=ACCOUNT, account_name="research")
    ended = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    ledger.job(
        "bert-1",
        created=ended - timedelta(hours=1),
        training_end_time=ended,
        warm_pool_status="Terminated",
        warm_pool_retained_seconds=3600,
        team="nlp",
        details={**M5, "billable_seconds": 0, "tags": json.dumps({"project": "x"})},
    )
    both: dict[str, Any] = {
        "training_job_arn": arn("bert-1"),
        "creation_time": ended - timedelta(hours=1),
        "account_id": ACCOUNT,
        "account_name": "research",
        "region": REGION,
        "training_job_name": "bert-1",
        "job_family": "bert",
        "team": "nlp",
        "tags": {"project": "x"},
        "instance_type": "ml.m5.xlarge",
        "price_source": "import",
        "cost_basis": "settled",
        "specification": "ml.m5.xlarge × 2 · role ? · 30 GB",
        "currency": "USD",
    }
    compute = {
        "component": "Training Warm Pool",
        "instance_hours": Decimal("1.000000000000"),
        "gb_months": None,
        "usd_per_unit": Decimal("0.257"),
        "cost_usd": Decimal("0.257000000000"),
        "cost": Decimal("0.257000000000"),
    }
    storage = {
        "component": "Training Warm Pool ML storage",
        "instance_hours": None,
        "usd_per_unit": Decimal("0.154"),
    }
    # 30 GB × 1 instance hour ÷ 744 h of October, and ÷ 720 h of November.
    october, november = date(2026, 10, 31), date(2026, 11, 1)
    assert ledger.read("SELECT * FROM daily_costs ORDER BY component, usage_date") == [
        both | compute | {"usage_date": october},
        both | compute | {"usage_date": november},
        both
        | storage
        | {
            "usage_date": october,
            "gb_months": Decimal("0.040322580645"),
            "cost_usd": Decimal("0.006209677419"),
            "cost": Decimal("0.006209677419"),
        },
        both
        | storage
        | {
            "usage_date": november,
            "gb_months": Decimal("0.041666666667"),
            "cost_usd": Decimal("0.006416666667"),
            "cost": Decimal("0.006416666667"),
        },
    ]
    assert ledger.read("SELECT * FROM warm_pool_costs") == [
        {
            "training_job_arn": arn("bert-1"),
            "creation_time": ended - timedelta(hours=1),
            "account_id": ACCOUNT,
            "region": REGION,
            "training_job_name": "bert-1",
            "job_family": "bert",
            "team": "nlp",
            "instance_type": "ml.m5.xlarge",
            "instance_count": 2,
            "retained_seconds": 3600,
            "instance_hours": Decimal(2),
            "usd_per_hour": Decimal("0.257"),
            "compute_cost_usd": Decimal("0.514"),
            "storage_cost_usd": Decimal("0.012626344086"),
            "cost_usd": Decimal("0.526626344086"),
            "compute_basis": "settled",
            "storage_basis": "settled",
            "cost_basis": "settled",
            "warm_pool_status": "Terminated",
            "reused_by_job": None,
            "pool_started_at": ended,
            "pool_ended_at": ended + timedelta(hours=1),
            "specification": "ml.m5.xlarge × 2 · role ? · 30 GB",
        }
    ]


def test_a_pool_that_ends_at_midnight_belongs_to_one_day(ledger: Ledger) -> None:
    ledger.price("1")
    ended = datetime(2026, 10, 3, 23, tzinfo=UTC)
    ledger.job(
        "a-1",
        training_end_time=ended,
        warm_pool_status="Reused",
        warm_pool_retained_seconds=3600,
        details=M5,
    )
    assert ledger.read("""
        SELECT usage_date, instance_hours FROM daily_costs WHERE component = 'Training Warm Pool'
    """) == [{"usage_date": date(2026, 10, 3), "instance_hours": Decimal(2)}]


def test_seconds_of_days_add_up_when_midnight_splits_a_second(ledger: Ledger) -> None:
    ledger.price("3600")
    ledger.job(
        "a-1",
        training_end_time=datetime(2026, 10, 3, 23, 59, 57, 400_000, tzinfo=UTC),
        warm_pool_status="Reused",
        warm_pool_retained_seconds=10,
        details={**M5, "instance_count": 1},
    )
    # 2.6 s before midnight are 2 whole seconds, the other 8 belong to the next day.
    assert ledger.read("""
        SELECT usage_date, cost_usd FROM daily_costs
        WHERE component = 'Training Warm Pool' ORDER BY usage_date
    """) == [
        {"usage_date": date(2026, 10, 3), "cost_usd": Decimal(2)},
        {"usage_date": date(2026, 10, 4), "cost_usd": Decimal(8)},
    ]


ENDED = after(hours=1)


@pytest.mark.parametrize(
    ("pool", "keep_alive", "expected"),
    [
        # Last observed 30 minutes after the end: half an hour has accrued, whatever is reported.
        ({"warm_pool_status": "Available"}, 3600, (1800, "accruing", None)),
        (
            {"warm_pool_status": "Available", "warm_pool_retained_seconds": 0},
            3600,
            (1800, "accruing", None),
        ),
        (
            {"warm_pool_status": "Available", "warm_pool_retained_seconds": 1850},
            3600,
            (1850, "accruing", None),
        ),
        # A pool does not outlive its keep-alive period unless AWS reports more.
        ({"warm_pool_status": "Available"}, 600, (600, "accruing", None)),
        (
            {"warm_pool_status": "InUse", "warm_pool_retained_seconds": 700},
            600,
            (700, "accruing", None),
        ),
        ({"warm_pool_status": "Available"}, None, (1800, "accruing", None)),
        # An unknown status is not final.
        ({"warm_pool_status": "Melting"}, 3600, (1800, "accruing", None)),
        # Without a status, reported seconds are accruing.
        ({"warm_pool_retained_seconds": 60}, 3600, (60, "accruing", None)),
        # Settled: the reported seconds, even if none or not known.
        (
            {"warm_pool_status": "Terminated", "warm_pool_retained_seconds": 0},
            600,
            (0, "settled", ENDED),
        ),
        ({"warm_pool_status": "Reused"}, 600, (None, "unknown seconds", None)),
        # Negative seconds are not known.
        (
            {"warm_pool_status": "Terminated", "warm_pool_retained_seconds": -1},
            600,
            (None, "unknown seconds", None),
        ),
        (
            {"warm_pool_status": "Available", "warm_pool_retained_seconds": -1},
            3600,
            (1800, "accruing", None),
        ),
        ({"warm_pool_status": "Available"}, -600, (1800, "accruing", None)),
        # Nobody can observe how the pool of a deleted job ends.
        (
            {"warm_pool_status": "Available", "deleted_at": ENDED + timedelta(minutes=10)},
            3600,
            (None, "unknown seconds", None),
        ),
        (
            {
                "warm_pool_status": "InUse",
                "warm_pool_retained_seconds": 60,
                "deleted_at": ENDED + timedelta(days=3),
            },
            3600,
            (None, "unknown seconds", None),
        ),
        (
            {"warm_pool_retained_seconds": 60, "deleted_at": ENDED},
            3600,
            (None, "unknown seconds", None),
        ),
        # A settled pool is known for ever.
        (
            {
                "warm_pool_status": "Terminated",
                "warm_pool_retained_seconds": 60,
                "deleted_at": ENDED + timedelta(days=3),
            },
            600,
            (60, "settled", ENDED + timedelta(seconds=60)),
        ),
    ],
)
def test_the_seconds_and_basis_of_a_pool(
    ledger: Ledger,
    pool: dict[str, Any],
    keep_alive: int | None,
    expected: tuple[int | None, str, datetime | None],
) -> None:
    ledger.price("0.5")
    ledger.job(
        "a-1",
        training_end_time=ENDED,
        verified_at=ENDED + timedelta(minutes=30),
        details={**M5, "keep_alive_seconds": keep_alive},
        **pool,
    )
    row = ledger.row("warm_pool_costs", "a-1")
    seconds, basis, ended = expected
    cost = None if seconds is None else Decimal(seconds) * 2 / 3600 / 2
    assert (row["retained_seconds"], row["compute_basis"], row["pool_ended_at"]) == expected
    assert row["compute_cost_usd"] == (None if cost is None else round(cost, 12)), (
        f"{seconds} {basis} {ended}"
    )


def test_a_later_watermark_of_the_scope_counts_as_an_observation(ledger: Ledger) -> None:
    ledger.price("1")
    ledger.put(
        "sync_scopes",
        account_id=ACCOUNT,
        region=REGION,
        watermark=ENDED + timedelta(minutes=45),
        failing_runs=0,
    )
    ledger.job(
        "a-1",
        training_end_time=ENDED,
        verified_at=ENDED + timedelta(minutes=30),
        warm_pool_status="Available",
        details={**M5, "keep_alive_seconds": 3600},
    )
    assert ledger.row("warm_pool_costs", "a-1")["retained_seconds"] == 45 * 60


def test_a_pool_that_a_running_job_uses_is_not_idle(ledger: Ledger) -> None:
    ledger.job("a-1", training_job_status="InProgress", warm_pool_status="InUse", details=M5)
    assert ledger.read("SELECT * FROM warm_pool_costs") == []


def test_a_pool_without_an_end_time_starts_when_the_status_last_changed(ledger: Ledger) -> None:
    ledger.job(
        "a-1",
        last_modified_time=ENDED,
        warm_pool_status="Terminated",
        warm_pool_retained_seconds=60,
        details=M5,
    )
    assert ledger.row("warm_pool_costs", "a-1")["pool_started_at"] == ENDED


def test_without_details_the_seconds_are_known_and_the_cost_is_not(ledger: Ledger) -> None:
    ledger.price("1")
    ledger.job(
        "a-1",
        training_end_time=ENDED,
        warm_pool_status="Terminated",
        warm_pool_retained_seconds=60,
    )
    row = ledger.row("warm_pool_costs", "a-1")
    unknown = {
        name: row[name]
        for name in (
            "instance_type",
            "instance_hours",
            "compute_cost_usd",
            "storage_cost_usd",
            "cost_usd",
        )
    }
    assert set(unknown.values()) == {None}
    assert (row["retained_seconds"], row["cost_basis"]) == (60, "no details")
    daily = ledger.read("""
        SELECT component, usage_date, instance_hours, gb_months, cost_usd, cost_basis
        FROM daily_costs ORDER BY component
    """)
    nothing = {"instance_hours": None, "gb_months": None, "cost_usd": None}
    day = {"usage_date": CREATED.date(), "cost_basis": "no details"}
    assert daily == [
        {"component": "Training", **day, **nothing},
        {"component": "Training Warm Pool", **day, **nothing},
    ]
