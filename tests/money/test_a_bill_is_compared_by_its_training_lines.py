"""A bill's period, days and completeness come from its lines of training, and from no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.bills import Reconciliation, rates_csv, reconcile
from exporter.errors import UsageError
from tests.money.conftest import ACCOUNT, REGION, Ledger, arn
from tests.money.known_jobs import AGREEING, BILL, DAYS, daily, put_job, rows
from tests.support import bills
from tests.support.bills import Charge

OTHER_ACCOUNT = "444455556666"


def missing(found: Reconciliation) -> list[tuple[date, Decimal, Decimal, str]]:
    return [(line.period, line.billed, line.ours, line.missing) for line in found.differences]


def other(kind: str, usd: str, start: datetime, days: int, **more: Any) -> Charge:
    return replace(
        daily(3), kind=kind, usd=Decimal(usd), start=start, lasts=timedelta(days=days), **more
    )


@pytest.mark.parametrize(
    ("charge", "kind"),
    [
        # A refund of the month before, as in a real bill.
        (
            other("Refund", "-10", datetime(2026, 9, 2, tzinfo=UTC), 1, product="AmazonEC2"),
            "Refund",
        ),
        (other("Refund", "-3", datetime(2026, 9, 2, tzinfo=UTC), 1), "Refund"),
        (other("Tax", "1.57", datetime(2026, 10, 1, tzinfo=UTC), 31), "Tax"),
        (other("RIFee", "70", datetime(2026, 10, 1, tzinfo=UTC), 31, product="AmazonEC2"), "RIFee"),
        (other("Fee", "900", datetime(2026, 1, 1, tzinfo=UTC), 365, product="AWSSupport"), "Fee"),
        (
            other(
                "Usage", "29", datetime(2026, 8, 1, tzinfo=UTC), 31, product="AWSSupportBusiness"
            ),
            "Support",
        ),
        (
            other("Usage", "5", datetime(2026, 9, 1, tzinfo=UTC), 30, product="AmazonEC2"),
            "Other services",
        ),
        (
            other("Usage", "5", datetime(2026, 9, 1, tzinfo=UTC), 30, component="Hosting"),
            "Other SageMaker usage",
        ),
    ],
)
@pytest.mark.parametrize("resource", [False, True])
def test_a_line_that_is_not_training_changes_no_row(
    october: Ledger, tmp_path: Path, charge: Charge, kind: str, resource: bool
) -> None:
    bill = [
        replace(line, resource=arn(f"alpha-{day}") if resource else "")
        for day, line in zip(DAYS, BILL, strict=True)
    ]
    if charge.component == "Hosting":
        charge = replace(charge, details=(("line_item_line_item_description", "Host"),))
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*bill, charge]))
    assert rows(found) == AGREEING
    assert (found.differences, found.usd_differences, found.export.monthly) == ([], [], False)
    assert [
        (part.kind, part.currency, part.lines, part.cost) for part in found.export.not_compared
    ] == [(kind, "USD", 1, charge.usd)]


def test_a_monthly_tax_hides_no_wrong_day(october: Ledger, tmp_path: Path) -> None:
    # The sum of the month is right.
    wrong = [replace(BILL[0], quantity=Decimal(2)), replace(BILL[1], quantity=Decimal("0.001"))]
    tax = other("Tax", "1.57", datetime(2026, 10, 1, tzinfo=UTC), 31)
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*wrong, *BILL[2:], tax]))
    assert missing(found) == [
        (date(2026, 10, 3), Decimal(2), Decimal(1), ""),
        (date(2026, 10, 4), Decimal("0.001"), Decimal(1), ""),
    ]


@pytest.mark.parametrize("day", [DAYS[0], DAYS[2], DAYS[-1]])
def test_a_day_that_one_side_lacks_is_missing_there(
    october: Ledger, tmp_path: Path, day: int
) -> None:
    rest = [line for line in BILL if line.start.day != day]
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", rest))
    assert missing(found) == [(date(2026, 10, day), Decimal(0), Decimal(1), "on the bill")]
    more = [*BILL, daily(29)]
    found = reconcile(october.connection, bills.cur(tmp_path / "d.csv", more))
    assert missing(found) == [(date(2026, 10, 29), Decimal(1), Decimal(0), "in the database")]


def test_a_bill_without_training_lacks_every_day(october: Ledger, tmp_path: Path) -> None:
    other_line = replace(daily(3), product="AmazonEC2")
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [other_line]))
    assert missing(found) == [
        (date(2026, 10, day), Decimal(0), Decimal(1), "on the bill") for day in DAYS
    ]


def test_a_month_of_other_lines_is_named_and_not_compared(october: Ledger, tmp_path: Path) -> None:
    ec2 = replace(daily(3), start=datetime(2026, 9, 5, tzinfo=UTC), product="AmazonEC2")
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*BILL, ec2]))
    assert (rows(found), found.missing_months) == (AGREEING, (date(2026, 9, 1),))


@pytest.mark.parametrize("period", ["2026-10-01T00:00:00Z", ""])
def test_usage_of_an_earlier_month_is_not_compared(
    october: Ledger, tmp_path: Path, period: str
) -> None:
    late = replace(
        daily(3),
        start=datetime(2026, 9, 30, tzinfo=UTC),
        line_id="late",
        details=(("bill_billing_period_start_date", period),),
    )
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*BILL, late]))
    assert rows(found) == AGREEING
    assert [part.kind for part in found.export.not_compared] == ["Training of other months"]


@pytest.mark.parametrize("value", ["NULL", "null", "", "0000-00-00", "9999-99-99T00:00:00Z", "x"])
def test_odd_values_on_other_lines_do_not_matter(
    october: Ledger, tmp_path: Path, value: str
) -> None:
    odd = replace(
        other("Tax", "1", datetime(2026, 10, 1, tzinfo=UTC), 31),
        details=(
            ("line_item_usage_start_date", value),
            ("line_item_usage_end_date", value),
            ("bill_billing_period_start_date", value),
            ("line_item_line_item_description", "NULL"),
        ),
    )
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*BILL, odd]))
    assert rows(found) == AGREEING


def test_an_odd_value_on_a_line_of_training_is_refused(october: Ledger, tmp_path: Path) -> None:
    odd = replace(daily(3), details=(("line_item_usage_start_date", "yesterday"),))
    with pytest.raises(UsageError, match="wrong type in a line of training: yesterday"):
        reconcile(october.connection, bills.cur(tmp_path / "c.csv", [odd]))
    none = replace(daily(3), quantity=None)
    with pytest.raises(UsageError, match="wrong type in a line of training: no quantity"):
        reconcile(october.connection, bills.cur(tmp_path / "d.csv", [none]))


@pytest.mark.parametrize("without", [(), ("product",)])
def test_the_region_comes_from_the_usage_type_if_there_is_no_column(
    october: Ledger, tmp_path: Path, without: tuple[str, ...]
) -> None:
    path = bills.cur(tmp_path / "c.csv", BILL, without=("product_region_code", *without))
    assert rows(reconcile(october.connection, path)) == AGREEING


def test_the_region_comes_from_the_product_map_if_the_prefix_is_unknown(
    october: Ledger, tmp_path: Path
) -> None:
    bill = [replace(line, prefix="XYZ9-") for line in BILL]
    for name in ("c.csv", "c.parquet"):
        path = bills.cur(tmp_path / name, bill, without=("product_region_code",))
        assert rows(reconcile(october.connection, path)) == AGREEING


def test_a_bill_without_billing_periods_covers_the_months_of_its_training(
    october: Ledger, tmp_path: Path
) -> None:
    path = bills.cur(tmp_path / "c.csv", BILL[1:], without=("bill_billing_period_start_date",))
    assert missing(reconcile(october.connection, path)) == [
        (date(2026, 10, 3), Decimal(0), Decimal(1), "on the bill")
    ]


def test_a_usage_type_without_prefix_is_of_us_east_1(ledger: Ledger, tmp_path: Path) -> None:
    ledger.put("local_storage_families", family="g5")
    ledger.price("1.57", "ml.g5.xlarge", region="us-east-1")
    put_job(ledger, "a", datetime(2026, 10, 3, 9, tzinfo=UTC), region="us-east-1")
    line = replace(daily(3), prefix="", region="")
    path = bills.cur(tmp_path / "c.csv", [line], without=("product", "product_region_code"))
    found = reconcile(ledger.connection, path)
    assert rows(found) == AGREEING[:1]
    assert found.lines[0].region == "us-east-1"


@pytest.mark.parametrize(("region", "currency"), [("cn-north-1", "CNY"), ("eusc-de-east-1", "EUR")])
def test_hours_are_compared_in_any_currency_and_money_is_not_mixed(
    october: Ledger, tmp_path: Path, region: str, currency: str
) -> None:
    put_job(october, "abroad", datetime(2026, 10, 5, 9, tzinfo=UTC), region=region)
    abroad = daily(5, region=region, currency=currency, usd=Decimal(11), line_id="abroad")
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*BILL, abroad]))
    assert (found.differences, found.usd_differences) == ([], [])
    (line,) = (line for line in found.lines if line.region == region)
    assert (line.currency, line.billed_cost, line.billed_usd) == (currency, Decimal(11), None)
    assert {(rate.region, rate.currency, rate.usd_per_unit) for rate in found.rates} == {
        (REGION, "USD", Decimal("1.57")),
        (region, currency, Decimal(11)),
    }
    wrong = replace(abroad, quantity=Decimal(2))
    found = reconcile(october.connection, bills.cur(tmp_path / "d.csv", [*BILL, wrong]))
    assert missing(found) == [(date(2026, 10, 5), Decimal(2), Decimal(1), "")]


def put_spot_and_plan(ledger: Ledger) -> None:
    start = datetime(2026, 10, 3, 12, tzinfo=UTC)
    put_job(ledger, "spot", start, hours="2", managed_spot=True)
    put_job(ledger, "plan", start, hours="4")
    ledger.connection.execute(
        "UPDATE training_jobs SET training_plan_arn = 'arn:p' WHERE training_job_name = 'plan'"
    )


def test_spot_and_training_plans_are_compared_apart_if_the_bill_tells_them_apart(
    october: Ledger, tmp_path: Path
) -> None:
    put_spot_and_plan(october)
    spot = daily(
        3,
        quantity=Decimal(2),
        line_id="spot",
        details=(("line_item_line_item_description", "Training Spot ml.g5.xlarge"),),
    )
    plan = daily(
        3,
        quantity=Decimal(4),
        usd=Decimal(0),
        line_id="plan",
        details=(("line_item_line_item_description", "Training ml.g5.xlarge, Training Plan"),),
    )
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*BILL, spot, plan]))
    first_day = [line for line in found.lines if line.period == date(2026, 10, 3)]
    assert [(line.purchase, line.billed, line.ours) for line in first_day] == [
        ("on demand", Decimal(1), Decimal(1)),
        ("spot", Decimal(2), Decimal(2)),
        ("training plan", Decimal(4), Decimal(4)),
    ]
    swapped = [replace(spot, quantity=Decimal(1)), replace(BILL[0], quantity=Decimal(2))]
    found = reconcile(
        october.connection, bills.cur(tmp_path / "d.csv", [*swapped, plan, *BILL[1:]])
    )
    assert [(line.purchase, line.billed, line.ours) for line in found.differences] == [
        ("on demand", Decimal(2), Decimal(1)),
        ("spot", Decimal(1), Decimal(2)),
    ]


def test_spot_is_compared_with_the_rest_if_the_bill_does_not_tell_it_apart(
    october: Ledger, tmp_path: Path
) -> None:
    put_spot_and_plan(october)
    bill = [replace(BILL[0], quantity=Decimal(7)), *BILL[1:]]
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", bill))
    assert found.differences == []


def test_an_hour_of_one_job_does_not_hide_an_hour_of_another(
    october: Ledger, tmp_path: Path
) -> None:
    put_job(october, "beta-3", datetime(2026, 10, 3, 15, tzinfo=UTC), hours="2")
    bill = [replace(line, resource=arn(f"alpha-{line.start.day}")) for line in BILL]
    bill[0] = replace(bill[0], quantity=Decimal(2))
    beta = daily(3, line_id="beta", resource=arn("beta-3"))
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*bill, beta]))
    (line,) = found.differences
    assert (line.billed, line.ours, line.job_count) == (Decimal(3), Decimal(3), 2)
    assert [(job.training_job_name, job.billed, job.ours) for job in line.jobs] == [
        ("alpha-3", Decimal(2), Decimal(1)),
        ("beta-3", Decimal(1), Decimal(2)),
    ]


def test_accounts_with_different_rates_have_a_rate_each(ledger: Ledger, tmp_path: Path) -> None:
    first = daily(5, quantity=Decimal(4), usd=Decimal("6.28"))
    second = daily(5, quantity=Decimal(2), account=OTHER_ACCOUNT, line_id="b")

    def rates(*charges: Charge) -> list[tuple[str, Decimal]]:
        found = reconcile(ledger.connection, bills.cur(tmp_path / "c.csv", charges))
        return [(rate.account_id, rate.usd_per_unit) for rate in found.rates]

    assert rates(first, second) == [(ACCOUNT, Decimal("1.57")), (OTHER_ACCOUNT, Decimal("0.785"))]
    # They never pay on the same day: that is no price change.
    later = replace(second, start=datetime(2026, 10, 6, tzinfo=UTC))
    assert rates(first, later) == [(ACCOUNT, Decimal("1.57")), (OTHER_ACCOUNT, Decimal("0.785"))]
    assert rates(first, replace(second, usd=Decimal("3.14"))) == [("", Decimal("1.57"))]
    path = bills.cur(tmp_path / "c.csv", [first, second])
    assert rates_csv(reconcile(ledger.connection, path).rates) == (
        "region,component,instance_type,usd_per_unit,unit,effective_from,source,"
        "account_id,currency\n"
        f"eu-west-1,Training,ml.g5.xlarge,1.57,Hrs,2026-10-05,bill: c.csv,{ACCOUNT},USD\n"
        f"eu-west-1,Training,ml.g5.xlarge,0.785,Hrs,2026-10-05,bill: c.csv,{OTHER_ACCOUNT},USD\n"
    )


def test_savings_plan_coverage_and_the_unused_commitment(october: Ledger, tmp_path: Path) -> None:
    plan = ("savings_plan_savings_plan_a_r_n", "arn:aws:savingsplans::1:savingsplan/x")
    covered = replace(
        BILL[0],
        kind="SavingsPlanCoveredUsage",
        effective_usd=Decimal("1.00"),
        details=(plan,),
    )
    negation = replace(covered, kind="SavingsPlanNegation", usd=Decimal("-1.57"), line_id="n")
    fee = replace(
        covered,
        kind="SavingsPlanRecurringFee",
        line_id="f",
        product="ComputeSavingsPlans",
        details=(
            plan,
            ("savings_plan_total_commitment_to_date", Decimal("3.00")),
            ("savings_plan_used_commitment", Decimal("1.00")),
        ),
    )
    bill = [covered, negation, fee, *BILL[1:]]
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", bill))
    assert found.differences == []
    assert [(line.covered, line.billed_usd) for line in found.lines[:2]] == [
        (Decimal(1), Decimal("1.00")),
        (Decimal(0), Decimal("1.57")),
    ]
    assert found.export.unused == {"USD": Decimal("2.00")}
