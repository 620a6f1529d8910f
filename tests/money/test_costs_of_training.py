"""Costs of training, calculated by hand: running, spot, groups, plans, unknown parts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.money.conftest import ACCOUNT, CREATED, REGION, Ledger, after, arn

M5 = {"instance_type": "ml.m5.xlarge", "instance_count": 2, "volume_size_gb": 30}
START, END = after(seconds=60), after(hours=1, seconds=60)


def test_every_column_of_a_finished_job(ledger: Ledger) -> None:
    ledger.price("0.257")
    ledger.price("0.154", "", component="Training ML storage")
    ledger.job(
        "bert-1",
        training_end_time=END,
        team="nlp",
        details={**M5, "training_start_time": START, "billable_seconds": 3599},
    )
    assert ledger.read("SELECT * FROM training_job_costs") == [
        {
            "training_job_arn": arn("bert-1"),
            "creation_time": CREATED,
            "account_id": ACCOUNT,
            "region": REGION,
            "training_job_name": "bert-1",
            "job_family": "bert",
            "team": "nlp",
            "instance_type": "ml.m5.xlarge",
            "instance_count": 2,
            "billable_seconds": 3599,
            "instance_hours": Decimal("1.999444444444"),
            "usd_per_hour": Decimal("0.257"),
            # 7198 s × 0.257 ÷ 3600 = 0.513857222222…
            "compute_cost_usd": Decimal("0.513857222222"),
            # 30 × 7198 × 0.154 ÷ (744 × 3600) = 0.012415905017…
            "storage_cost_usd": Decimal("0.012415905018"),
            "cost_usd": Decimal("0.526273127240"),
            "compute_basis": "settled",
            "storage_basis": "settled",
            "cost_basis": "settled",
            "training_started_at": START,
            "training_ended_at": END,
            "specification": "ml.m5.xlarge × 2 · role ? · 30 GB",
        }
    ]


LATER = {"verified_at": after(hours=2, seconds=60)}
RUNNING = {"training_job_status": "InProgress", **LATER}


@pytest.mark.parametrize(
    ("job", "details", "expected"),
    [
        # (billable seconds, basis, started, ended)
        (RUNNING, {"training_start_time": START}, (7200, "accruing", START, None)),
        (RUNNING, {}, (0, "accruing", None, None)),
        # Spot is billed for less than the wall clock; how much less is known at the end.
        (
            RUNNING,
            {"training_start_time": START, "managed_spot": True},
            (None, "unknown seconds", START, None),
        ),
        # Deleted while it ran: nothing accrues later.
        (
            {**RUNNING, "deleted_at": END},
            {"training_start_time": START},
            (3600, "accruing", START, None),
        ),
        # Ended, with details from before the end: accruing, up to the end.
        (
            {"training_end_time": END, **LATER},
            {"training_start_time": START, "final": False},
            (3600, "accruing", START, END),
        ),
        # Ended with final details and no figure: never known.
        (
            {"training_end_time": END, "training_job_status": "Failed"},
            {"training_start_time": START},
            (None, "unknown seconds", START, END),
        ),
        ({"training_end_time": END}, {}, (None, "unknown seconds", None, END)),
        # Negative seconds are not known.
        (
            {"training_end_time": END},
            {"billable_seconds": -1, "training_start_time": START},
            (None, "unknown seconds", START, END),
        ),
        # Known to be zero.
        ({"training_end_time": END}, {"billable_seconds": 0}, (0, "settled", END, END)),
        # The start is missing: the seconds lie before the end.
        (
            {"training_end_time": END},
            {"billable_seconds": 600},
            (600, "settled", END - timedelta(seconds=600), END),
        ),
        # The end is missing: the last change of the status counts.
        (
            {"last_modified_time": END},
            {"training_start_time": START, "billable_seconds": 3600},
            (3600, "settled", START, END),
        ),
        # Start and end are missing.
        ({}, {"billable_seconds": 60}, (60, "settled", CREATED, None)),
    ],
)
def test_the_seconds_and_basis_of_training(
    ledger: Ledger,
    job: dict[str, Any],
    details: dict[str, Any],
    expected: tuple[int | None, str, datetime | None, datetime | None],
) -> None:
    ledger.price("0.5")
    ledger.price("0.1", "", component="Training ML storage")
    ledger.job("a-1", **job, details={**M5, **details})
    row = ledger.row("training_job_costs", "a-1")
    found = row["billable_seconds"], row["cost_basis"], row["training_started_at"]
    assert (*found, row["training_ended_at"]) == expected
    seconds = expected[0]
    assert row["compute_cost_usd"] == (
        None if seconds is None else round(Decimal(seconds) * 2 / 3600 / 2, 12)
    )


def test_every_job_has_a_row_and_an_unknown_cost_is_null(ledger: Ledger) -> None:
    ledger.price("1")
    ended: dict[str, Any] = {"training_end_time": END}
    spent = {**M5, "training_start_time": START, "billable_seconds": 3600}
    plan = "arn:aws:sagemaker:eu-west-1:111122223333:training-plan/p"
    ledger.job("plan-1", **ended, training_plan_arn=plan, details=spent)
    serverless = {"billable_seconds": 3600, "serverless": True, "training_start_time": START}
    ledger.job("serverless-1", **ended, details=serverless)
    ledger.job("bare-1", **ended)
    ledger.job("typeless-1", **ended, details={"billable_seconds": 3600})
    ledger.job("unpriced-1", **ended, details={**spent, "instance_type": "ml.new.large"})
    ledger.job("nothing-1", **ended, details={"billable_seconds": 0})
    rows = ledger.read("""
        SELECT
            training_job_name AS name, instance_hours, usd_per_hour, compute_cost_usd,
            storage_cost_usd, cost_usd, compute_basis, storage_basis, cost_basis
        FROM training_job_costs ORDER BY name
    """)
    assert [tuple(row.values()) for row in rows] == [
        ("bare-1", *[None] * 5, *["no details"] * 3),
        ("nothing-1", 0, None, 0, 0, 0, *["settled"] * 3),
        ("plan-1", 2, *[None] * 4, *["training plan"] * 3),
        ("serverless-1", *[None] * 5, *["serverless"] * 3),
        ("typeless-1", *[None] * 5, *["no details"] * 3),
        ("unpriced-1", 2, *[None] * 4, *["no price"] * 3),
    ]
    daily = ledger.read("""
        SELECT
            training_job_name AS name, component, instance_hours, gb_months, usd_per_unit,
            price_source, cost_usd, cost_basis
        FROM daily_costs ORDER BY name, component
    """)
    month = Decimal("0.080645161290")
    assert [tuple(row.values()) for row in daily] == [
        ("bare-1", "Training", *[None] * 5, "no details"),
        ("plan-1", "Training", 2, *[None] * 4, "training plan"),
        ("plan-1", "Training ML storage", None, month, *[None] * 3, "training plan"),
        ("serverless-1", "Training", *[None] * 5, "serverless"),
        ("typeless-1", "Training", *[None] * 5, "no details"),
        ("unpriced-1", "Training", 2, *[None] * 4, "no price"),
        ("unpriced-1", "Training ML storage", None, month, *[None] * 3, "no price"),
    ]


def test_storage_that_is_not_charged_is_zero_and_unknown_storage_is_null(ledger: Ledger) -> None:
    ledger.price("1", "ml.m5.xlarge")
    ledger.price("1", "ml.g5.xlarge")
    ledger.put("local_storage_families", family="g5")
    spent = {**M5, "training_start_time": START, "billable_seconds": 3600}
    ledger.job("g5-1", training_end_time=END, details={**spent, "instance_type": "ml.g5.xlarge"})
    ledger.job("m5-1", training_end_time=END, details=spent)
    ledger.job("m5-2", training_end_time=END, details={**spent, "volume_size_gb": None})
    rows = ledger.read("""
        SELECT training_job_name, compute_cost_usd, storage_cost_usd, cost_usd, compute_basis,
            storage_basis, cost_basis
        FROM training_job_costs ORDER BY 1
    """)
    assert [tuple(row.values()) for row in rows] == [
        ("g5-1", 2, 0, 2, "settled", "settled", "settled"),
        ("m5-1", 2, None, 2, "settled", "no price", "no price"),
        ("m5-2", 2, None, 2, "settled", "no details", "no details"),
    ]
    daily = ledger.read("""
        SELECT training_job_name, component, gb_months, cost_usd, cost_basis
        FROM daily_costs WHERE component LIKE '%storage' ORDER BY 1
    """)
    assert [tuple(row.values()) for row in daily] == [
        ("m5-1", "Training ML storage", Decimal("0.080645161290"), None, "no price"),
        ("m5-2", "Training ML storage", None, None, "no details"),
    ]


def test_each_instance_group_is_a_row_and_an_unpriced_one_hides_no_other(ledger: Ledger) -> None:
    ledger.price("1", "ml.m5.xlarge")
    ledger.put("local_storage_families", family="g9")
    ledger.put("local_storage_families", family="m5")
    groups = [
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "InstanceGroupName": "data"},
        {"InstanceType": "ml.g9.xlarge", "InstanceCount": 4, "InstanceGroupName": "train"},
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "InstanceGroupName": "more"},
    ]
    ledger.job(
        "groups-1",
        training_end_time=END,
        details={
            "instance_groups": json.dumps(groups),
            "volume_size_gb": 30,
            "training_start_time": START,
            "billable_seconds": 3600,
        },
    )
    rows = ledger.read("""
        SELECT instance_type, instance_count, instance_hours, cost_usd, cost_basis
        FROM training_job_costs ORDER BY 1
    """)
    assert [tuple(row.values()) for row in rows] == [
        ("ml.g9.xlarge", 4, 4, None, "no price"),
        ("ml.m5.xlarge", 3, 3, 3, "settled"),
    ]
    assert ledger.read("SELECT instance_type, cost_usd FROM daily_costs ORDER BY 1") == [
        {"instance_type": "ml.g9.xlarge", "cost_usd": None},
        {"instance_type": "ml.m5.xlarge", "cost_usd": 3},
    ]


@pytest.mark.parametrize("groups", ["[]", "null", "{}", '["odd"]', '[{"InstanceType": null}]'])
def test_empty_groups_count_as_no_details(ledger: Ledger, groups: str) -> None:
    ledger.job(
        "a-1", training_end_time=END, details={"instance_groups": groups, "billable_seconds": 9}
    )
    row = ledger.row("training_job_costs", "a-1")
    assert (row["instance_type"], row["cost_usd"], row["cost_basis"]) == (None, None, "no details")


def test_spot_seconds_are_spread_from_start_to_end(ledger: Ledger) -> None:
    ledger.price("3600")
    start = datetime(2026, 10, 31, 18, tzinfo=UTC)
    ledger.job(
        "spot-1",
        created=start,
        training_end_time=start + timedelta(hours=36),
        details={
            "instance_type": "ml.m5.xlarge",
            "instance_count": 1,
            "volume_size_gb": 30,
            "training_start_time": start,
            "billable_seconds": 1001,
            "managed_spot": True,
        },
    )
    # 1001 s over 36 h: 6 h are 166.8…, 30 h are 834.1…, 36 h are 1001.
    assert ledger.read("""
        SELECT usage_date, cost_usd FROM daily_costs WHERE component = 'Training' ORDER BY 1
    """) == [
        {"usage_date": date(2026, 10, 31), "cost_usd": 166},
        {"usage_date": date(2026, 11, 1), "cost_usd": 834 - 166},
        {"usage_date": date(2026, 11, 2), "cost_usd": 1001 - 834},
    ]
    assert ledger.row("training_job_costs", "spot-1")["billable_seconds"] == 1001


def test_a_job_of_ten_years_does_not_overflow(ledger: Ledger) -> None:
    ledger.price("113.068", "ml.p5.48xlarge")
    ledger.price("0.154", "", component="Training ML storage")
    start = datetime(2016, 1, 1, tzinfo=UTC)
    seconds = 3653 * 86400
    ledger.job(
        "long-1",
        created=start,
        training_end_time=start + timedelta(seconds=seconds),
        details={
            "instance_type": "ml.p5.48xlarge",
            "instance_count": 90_000,
            "volume_size_gb": 16384,
            "training_start_time": start,
            "billable_seconds": seconds,
        },
    )
    row = ledger.row("training_job_costs", "long-1")
    assert row["billable_seconds"] == seconds
    assert row["compute_cost_usd"] == Decimal(seconds) * 90_000 / 3600 * Decimal("113.068")
    # Ten years are 120 months of one GB-month each, whatever their days.
    months = Decimal("0.154") * 90_000 * 16384 * 120
    assert abs(row["storage_cost_usd"] - months) < Decimal("0.000001")


def test_an_absurd_size_does_not_fail_the_views(ledger: Ledger) -> None:
    ledger.price("999999.999999999999")
    ledger.price("999999.999999999999", "", component="Training ML storage")
    for name, count, volume in (("big", 10**9, 10**9), ("bigger", 10**17, 1), ("sane", 1, 1)):
        ledger.job(
            f"{name}-1",
            training_end_time=END,
            details={
                "instance_type": "ml.m5.xlarge",
                "instance_count": count,
                "volume_size_gb": volume,
                "billable_seconds": 3600,
            },
        )
    rows = ledger.read("""
        SELECT job_family, compute_cost_usd, storage_cost_usd IS NULL AS none, cost_basis
        FROM training_job_costs ORDER BY 1
    """)
    assert [tuple(row.values()) for row in rows] == [
        ("big", Decimal("999999999999999.999"), True, "no details"),
        ("bigger", None, True, "no details"),
        ("sane", Decimal("999999.999999999999"), False, "settled"),
    ]


def test_a_deleted_job_and_its_namesake_are_two_jobs(ledger: Ledger) -> None:
    ledger.price("1")
    for number, created in enumerate([CREATED, after(hours=5)]):
        ledger.job(
            "again",
            created=created,
            training_end_time=created + timedelta(hours=1),
            details={**M5, "training_start_time": created, "billable_seconds": 60 + number},
        )
    rows = ledger.read("SELECT billable_seconds FROM training_job_costs ORDER BY creation_time")
    assert [row["billable_seconds"] for row in rows] == [60, 61]
