"""The best source, date and discount give the price on a day; types without one are listed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from exporter.prices.listing import Unpriced, in_force
from exporter.prices.shipped import load_shipped, shipped_prices
from tests.money.conftest import ACCOUNT, REGION, Ledger

DAY = date(2026, 10, 3)
SHIPPED, API = "shipped list: seen", "Price List API"


def price(usd: str, source: str, since: str = "2026-01-01", **more: Any) -> dict[str, Any]:
    return {"usd": usd, "source": source, "since": date.fromisoformat(since)} | more


POOL = {"component": "Training Warm Pool"}


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        # Within one source, the price in force on the day applies.
        ([price("1", SHIPPED, "2026-05-01"), price("2", SHIPPED, "2026-10-03")], "2 settled"),
        ([price("1", SHIPPED, "2026-05-01"), price("2", SHIPPED, "2026-10-04")], "1 settled"),
        # A shipped price is believed for 180 days after somebody saw it; other prices for ever.
        ([price("1", SHIPPED, "2026-04-06")], "1 settled"),
        ([price("1", SHIPPED, "2026-04-05")], "1 estimated"),
        ([price("1", SHIPPED, "2020-01-01"), price("2", SHIPPED, "2026-10-04")], "1 estimated"),
        ([price("1", API, "2020-01-01")], "1 settled"),
        # From its first day on, the account's own price beats the price of all accounts.
        ([price("1", "a"), price("2", "b", account=ACCOUNT)], "2 settled"),
        ([price("2", "a", account=ACCOUNT), price("1", "b", "2026-10-02")], "2 settled"),
        ([price("1", "a"), price("2", "b", "2026-10-04", account=ACCOUNT)], "1 settled"),
        ([price("2", "b", "2026-10-04", account=ACCOUNT)], "2 estimated"),
        ([price("1", "a"), price("2", "b", account="444455556666")], "1 settled"),
        ([price("1", "a"), price("2", API, account=ACCOUNT)], "1 settled"),
        # A kept bill beats everything on its day, and says nothing about other days.
        ([price("1", "a", account=ACCOUNT), price("2", "bill: b", "2026-10-03")], "2 settled"),
        ([price("1", "a"), price("2", "bill: b", "2026-10-02")], "1 settled"),
        ([price("1", "a"), price("2", "bill: b", "2026-10-04")], "1 settled"),
        (
            [
                price("1", "bill: a", "2026-10-03", account=ACCOUNT),
                price("2", "bill: b", "2026-10-03"),
            ],
            "1 settled",
        ),
        # The last of two imports of one day counts.
        ([price("1", "b", import_id=2), price("2", "a", import_id=3)], "2 settled"),
        # Before the first day, the earliest price applies.
        ([price("1", SHIPPED, "2026-11-01"), price("2", SHIPPED, "2026-12-01")], "1 estimated"),
        # An import beats the API, and the API beats the shipped list, whatever their dates.
        ([price("1", SHIPPED, "2026-10-01"), price("2", API, "2026-11-01")], "2 estimated"),
        ([price("1", API, "2026-10-01"), price("2", "contract", "2020-01-01")], "2 settled"),
        ([price("1", API, "2020-01-01"), price("2", "contract", "2027-01-01")], "2 estimated"),
        # Two imports of one day: the choice is always the same.
        ([price("1", "a"), price("2", "b")], "2 settled"),
        # An impossible price is ignored. A price of 0 is valid.
        (
            [price("1", SHIPPED, "2026-10-01"), price("9999999", API), price("-1", "contract")],
            "1 settled",
        ),
        ([price("0", "contract")], "0 settled"),
    ],
)
def test_the_best_source_then_the_date_give_the_price_of_training(
    ledger: Ledger, prices: list[dict[str, Any]], expected: str
) -> None:
    assert _cost(ledger, prices, "training_job_costs") == expected


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([price("1", SHIPPED, "2026-10-01")], "1 settled"),
        ([price("1", SHIPPED), price("2", SHIPPED, "2026-10-01", **POOL)], "2 settled"),
        # A bill's rate of training says nothing about pools.
        ([price("1", API), price("2", "bill: a", "2026-10-03")], "1 settled"),
        ([price("1", API), price("2", "bill: a", "2026-10-03", **POOL)], "2 settled"),
        # An account's own rate of training says more about its pools than one of all accounts.
        ([price("1", "a", account=ACCOUNT), price("2", "a", **POOL)], "1 settled"),
        # The user's training rate is better evidence for pools than a public price of pools.
        ([price("1", "contract"), price("2", API, **POOL)], "1 settled"),
        ([price("1", API), price("2", "contract", **POOL)], "2 settled"),
        # Before its first day, the pool's own price applies, not the price of training.
        ([price("1", API), price("2", API, "2026-11-01", **POOL)], "2 estimated"),
    ],
)
def test_a_pool_costs_its_own_price_or_the_price_of_training(
    ledger: Ledger, prices: list[dict[str, Any]], expected: str
) -> None:
    assert _cost(ledger, prices, "warm_pool_costs") == expected


def _cost(ledger: Ledger, prices: list[dict[str, Any]], view: str) -> str:
    for each in prices:
        ledger.price(**each)
    ledger.put("local_storage_families", family="m5")
    ledger.job(
        "a-1",
        training_end_time=datetime(2026, 10, 3, 13, tzinfo=UTC),
        warm_pool_status="Terminated",
        warm_pool_retained_seconds=3600,
        details={"instance_type": "ml.m5.xlarge", "instance_count": 1, "billable_seconds": 3600},
    )
    row = ledger.row(view, "a-1")
    return f"{row['cost_usd'].normalize():f} {row['cost_basis']}"


def test_a_price_change_at_midnight_applies_in_the_middle_of_a_job(ledger: Ledger) -> None:
    ledger.price("40.71", "ml.p4d.24xlarge", since=date(2024, 1, 17))
    ledger.price("27.28", "ml.p4d.24xlarge", since=date(2025, 7, 17))
    ledger.put("local_storage_families", family="p4d")
    started = datetime(2025, 7, 16, 23, tzinfo=UTC)
    ledger.job(
        "a-1",
        created=started,
        training_end_time=datetime(2025, 7, 17, 2, tzinfo=UTC),
        details={
            "instance_type": "ml.p4d.24xlarge",
            "instance_count": 1,
            "training_start_time": started,
            "billable_seconds": 10800,
        },
    )
    assert ledger.read("SELECT usage_date, usd_per_unit, cost_usd FROM daily_costs ORDER BY 1") == [
        {
            "usage_date": date(2025, 7, 16),
            "usd_per_unit": Decimal("40.71"),
            "cost_usd": Decimal("40.71"),
        },
        {
            "usage_date": date(2025, 7, 17),
            "usd_per_unit": Decimal("27.28"),
            "cost_usd": Decimal("54.56"),
        },
    ]
    row = ledger.row("training_job_costs", "a-1")
    assert (row["usd_per_hour"], row["cost_usd"]) == (Decimal("40.71"), Decimal("95.27"))


@pytest.mark.parametrize(
    ("discounts", "source", "expected"),
    [
        ([("", "", "10")], SHIPPED, ("0.9", "shipped list: 2020-01-01, seen, less 10 %")),
        ([("", "", "10"), ("", "Training", "20")], API, ("0.8", "Price List API, less 20 %")),
        ([("", "Training", "20"), (ACCOUNT, "", "30")], API, ("0.7", "Price List API, less 30 %")),
        (
            [(ACCOUNT, "", "30"), (ACCOUNT, "Training", "12.5")],
            API,
            ("0.875", "Price List API, less 12.5 %"),
        ),
        ([("999999999999", "", "50"), ("", "Training ML storage", "60")], API, ("1", API)),
        # Imported rates already include discounts.
        ([("", "", "10")], "contract", ("1", "contract")),
        ([("", "", "100")], API, ("0", "Price List API, less 100 %")),
    ],
)
def test_the_narrowest_discount_applies(
    ledger: Ledger, discounts: list[tuple[str, str, str]], source: str, expected: tuple[str, str]
) -> None:
    for account, component, percent in discounts:
        ledger.put("discounts", account_id=account, component=component, percent=Decimal(percent))
    ledger.price("1", source=source)
    ledger.job(
        "a-1",
        training_end_time=datetime(2026, 10, 3, 13, tzinfo=UTC),
        details={"instance_type": "ml.m5.xlarge", "instance_count": 1, "billable_seconds": 3600},
    )
    (row,) = ledger.read("""
        SELECT usd_per_unit, price_source, cost_usd FROM daily_costs WHERE component = 'Training'
    """)
    assert row == {
        "usd_per_unit": Decimal(expected[0]),
        "price_source": expected[1],
        "cost_usd": Decimal(expected[0]),
    }


def test_in_force_lists_prices_and_used_types_without_one(ledger: Ledger) -> None:
    ledger.price("1", source=SHIPPED)
    ledger.price("2", "ml.c5.xlarge", source=SHIPPED, since=date(2027, 1, 1))
    ledger.put("discounts", account_id="", component="Training", percent=Decimal(25))
    ledger.put("local_storage_families", family="g5")
    known = {"instance_count": 1, "billable_seconds": 60}
    groups = [
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        {"InstanceType": "ml.new.large", "InstanceCount": 1},
    ]
    ledger.job("a-1", details={**known, "instance_type": "ml.m5.xlarge"})
    ledger.job("a-2", details={**known, "instance_type": "ml.g5.xlarge"})
    ledger.job("a-3", region="us-east-1", details={**known, "instance_type": "ml.g5.xlarge"})
    ledger.job("a-4", details={"billable_seconds": 60, "instance_groups": json.dumps(groups)})
    ledger.job("a-5", details={"billable_seconds": 60, "serverless": True})
    ledger.job("a-6")
    found = in_force(ledger.connection, DAY)
    assert [
        f"{price.component}, {price.instance_type}: {price.usd_per_unit.normalize()} "
        f"from {price.effective_from}{' (estimated)' * price.estimated}, {price.source}, "
        f"as {price.priced_as}, {'in use' if price.in_use else 'not in use'}"
        for price in found.prices
    ] == [
        "Training, ml.c5.xlarge: 1.5 from 2027-01-01 (estimated), "
        "shipped list: 2027-01-01, seen, less 25 %, as Training, not in use",
        "Training, ml.m5.xlarge: 0.75 from 2020-01-01 (estimated), "
        "shipped list: 2020-01-01, seen, less 25 %, as Training, in use",
        "Training Warm Pool, ml.c5.xlarge: 2 from 2027-01-01 (estimated), "
        "shipped list: 2027-01-01, seen, as Training, not in use",
        "Training Warm Pool, ml.m5.xlarge: 1 from 2020-01-01 (estimated), "
        "shipped list: 2020-01-01, seen, as Training, in use",
    ]
    assert found.unpriced == [
        Unpriced(REGION, "Training", "ml.g5.xlarge", 1),
        Unpriced(REGION, "Training", "ml.new.large", 1),
        Unpriced(REGION, "Training ML storage", "", 3),
        Unpriced("us-east-1", "Training", "ml.g5.xlarge", 1),
    ]


def test_the_shipped_list_is_loaded_once_and_keeps_other_prices(ledger: Ledger) -> None:
    ledger.price("9", source="contract")
    assert load_shipped(ledger.connection) is True
    assert load_shipped(ledger.connection) is False
    (counts,) = ledger.read("""
        SELECT
            count(*) FILTER (WHERE starts_with(source, 'shipped list: ')) AS shipped,
            count(*) FILTER (WHERE source = 'contract') AS ours
        FROM prices
    """)
    assert counts == {"shipped": len(shipped_prices()), "ours": 1}
    ledger.connection.raw.commit()
    ledger.connection.raw.begin()
    assert load_shipped(ledger.connection, ["m5", "g5"]) is True
    families = "SELECT family FROM local_storage_families ORDER BY family"
    assert ledger.read(families) == [{"family": "g5"}, {"family": "m5"}]
    assert load_shipped(ledger.connection, []) is True
    assert ledger.read(families) == []
    assert load_shipped(ledger.connection) is True
    assert len(ledger.read("SELECT * FROM prices")) == len(shipped_prices()) + 1


def test_the_shipped_list_has_each_price_once_in_a_known_unit() -> None:
    prices = shipped_prices()
    keys = {(row.region, row.component, row.instance_type, row.effective_from) for row in prices}
    assert len(prices) == len(keys) == 97
    assert {(row.component, row.unit) for row in prices} == {
        ("Training", "Hrs"),
        ("Training ML storage", "GB-Mo"),
        ("Training Warm Pool ML storage", "GB-Mo"),
    }
    assert all(row.usd_per_unit > 0 and row.source for row in prices)
