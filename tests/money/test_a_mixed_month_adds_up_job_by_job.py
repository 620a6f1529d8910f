"""Jobs of one day that pay in different ways each cost what the bill charged for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from exporter.bills import reconcile
from exporter.bills.keeping import Kept, keep
from tests.money.conftest import ACCOUNT, Ledger, arn
from tests.support import bills
from tests.support.bills import Charge

OTHER, G5 = "444455556666", "ml.g5.xlarge"
NOW = datetime(2026, 11, 15, 9, tzinfo=UTC)
DAYS = (3, 4)
#: List price of an hour by day: it falls on 4 October.
LIST = {3: Decimal("1.57"), 4: Decimal("1.41")}
WAYS = ("on demand", "private discount", "savings plan", "spot", "training plan")


def _focus(version: str, folder: Path, lines: list[Charge]) -> Path:
    return bills.focus(folder / "b.csv", lines, version)


FORMATS: dict[str, Callable[[Path, list[Charge]], Path]] = {
    "cur.csv": lambda folder, lines: bills.cur(folder / "b.csv", lines),
    "cur.parquet": lambda folder, lines: bills.cur(folder / "b.parquet", lines),
    "legacy.csv.gz": lambda folder, lines: bills.legacy(folder / "b.csv.gz", lines),
    "athena.parquet": lambda folder, lines: bills.athena(folder / "b.parquet", lines),
    **{f"focus {version}": partial(_focus, version) for version in bills.FOCUS_VERSIONS},
}


def lines_of(account: str, day: int, way: str) -> list[Charge]:
    """Return the lines of a job of each way to pay; accounts have other discounts."""
    name = f"{way.replace(' ', '-')}-{day}"
    hours = Decimal(3600 + 997 * WAYS.index(way) + day) / 3600
    usd = hours * LIST[day]
    line = Charge(
        datetime(2026, 10, day, tzinfo=UTC), "Training", G5, round(hours, 8), round(usd, 10),
        resource=arn(name, account=account), account=account, lasts=timedelta(days=1),
        line_id=f"{account}-{name}",
    )  # fmt: skip
    share = Decimal("0.9") if account == ACCOUNT else Decimal("0.7")
    if way == "private discount":
        return [replace(line, net_usd=round(usd * share, 10))]
    if way == "savings plan":
        covered = replace(
            line, kind="SavingsPlanCoveredUsage", effective_usd=round(usd * share / 2, 10)
        )
        negation = replace(
            line, kind="SavingsPlanNegation", usd=-line.usd, line_id=f"{line.line_id}-n"
        )
        return [covered, negation]
    if way == "spot":
        return [replace(line, usd=line.usd / 4, details=(("pricing_purchase_option", "Spot"),))]
    if way == "training plan":
        text = f"$0.00 per Training {G5} hour on a Training Plan"
        details = (("line_item_line_item_description", text), ("ChargeDescription", text))
        return [replace(line, usd=Decimal(0), details=details)]
    return [line]


@pytest.fixture
def mixed(ledger: Ledger) -> Ledger:
    """Jobs of two accounts that pay in five ways on each of two days."""
    ledger.put("local_storage_families", family="g5")
    ledger.price("1.57", G5)
    for account in (ACCOUNT, OTHER):
        for day in DAYS:
            for way in WAYS:
                start = datetime(2026, 10, day, 0, 10, tzinfo=UTC)
                seconds = 3600 + 997 * WAYS.index(way) + day
                ledger.job(
                    f"{way.replace(' ', '-')}-{day}",
                    created=start,
                    account=account,
                    training_end_time=start + timedelta(seconds=seconds),
                    training_plan_arn="arn:plan" if way == "training plan" else None,
                    details={
                        "instance_type": G5,
                        "instance_count": 1,
                        "training_start_time": start,
                        "billable_seconds": seconds,
                        "managed_spot": way == "spot",
                    },
                )
    return ledger


def month() -> list[Charge]:
    return [
        line
        for account in (ACCOUNT, OTHER)
        for day in DAYS
        for way in WAYS
        for line in lines_of(account, day, way)
    ]


def usage(lines: list[Charge]) -> list[Charge]:
    return [line for line in lines if line.kind in ("Usage", "SavingsPlanCoveredUsage")]


def keep_bill(ledger: Ledger, path: Path, *, with_credits: bool = False) -> Kept:
    found = reconcile(ledger.connection, path, with_credits=with_credits)
    assert found.differences == []
    return keep(ledger.connection, found.net, path.name, NOW)


def costs(ledger: Ledger) -> dict[str, Decimal]:
    """Return the cost of each job; of a job on a training plan 0."""
    rows = ledger.read(
        "SELECT training_job_arn AS arn, coalesce(sum(cost_usd), 0) AS usd FROM daily_costs "
        "GROUP BY ALL"
    )
    return {row["arn"]: row["usd"] for row in rows}


@pytest.mark.parametrize("export", FORMATS)
def test_each_job_costs_what_the_bill_charged_for_it(
    mixed: Ledger, tmp_path: Path, export: str
) -> None:
    kept = keep_bill(mixed, FORMATS[export](tmp_path, month()))
    assert kept.net.unexplained == ()
    expected = {line.resource: line.net for line in usage(month())}
    found = costs(mixed)
    assert found.keys() == expected.keys()
    for name, usd in expected.items():
        assert abs(found[name] - usd) < Decimal("0.000001"), name
    bases = mixed.read("SELECT DISTINCT cost_basis FROM daily_costs ORDER BY ALL")
    assert [row["cost_basis"] for row in bases] == ["settled", "training plan"]
    # The same bill agrees with the costs that rest on it.
    again = reconcile(mixed.connection, tmp_path)
    assert (again.differences, again.usd_differences) == ([], [])


def test_a_bill_without_jobs_adds_up_by_the_way_of_paying(mixed: Ledger, tmp_path: Path) -> None:
    lines = [replace(line, resource="") for line in month()]
    keep_bill(mixed, bills.cur(tmp_path / "b.csv", lines))
    expected = sum((line.net for line in usage(month())), Decimal(0))
    found = costs(mixed)
    assert abs(sum(found.values()) - expected) < Decimal("0.01")
    for account in (ACCOUNT, OTHER):
        for day in DAYS:
            (spot,) = lines_of(account, day, "spot")
            assert abs(found[spot.resource] - spot.net) < Decimal("0.000001")


def test_cost_explorer_adds_up_to_its_total(mixed: Ledger, tmp_path: Path) -> None:
    lines = [line for line in usage(month()) if "training-plan" not in line.resource]
    found = reconcile(mixed.connection, bills.cost_explorer(tmp_path / "b.csv", lines))
    keep(mixed.connection, found.net, "b.csv", NOW)
    expected = sum((line.net for line in lines), Decimal(0))
    assert expected > 0
    assert abs(sum(costs(mixed).values(), Decimal(0)) - expected) < Decimal("0.01")


def test_removing_a_bill_and_keeping_another_undo_the_rates_of_jobs(
    mixed: Ledger, tmp_path: Path
) -> None:
    flat = [
        replace(line, kind="Usage", usd=round((line.quantity or Decimal(0)) * 2, 10),
                net_usd=None, effective_usd=None)
        for line in usage(month())
        if "training-plan" not in line.resource
    ]  # fmt: skip
    keep_bill(mixed, bills.cur(tmp_path / "mixed.csv", month()))
    plans = [line for line in month() if "training-plan" in line.resource]
    kept = keep_bill(mixed, bills.cur(tmp_path / "flat.csv", [*flat, *plans]))
    assert kept.net.jobs == 0
    found = costs(mixed)
    for line in flat:
        assert abs(found[line.resource] - line.usd) < Decimal("0.000001"), line.resource


def test_discounts_in_lines_of_their_own_reduce_the_jobs_they_name(
    mixed: Ledger, tmp_path: Path
) -> None:
    lines = [replace(line, net_usd=None) for line in month()]
    named = replace(
        lines_of(ACCOUNT, 3, "on demand")[0], kind="PrivateRateDiscount", usd=Decimal("-0.25"),
        quantity=Decimal(0), line_id="prd",
    )  # fmt: skip
    kept = keep_bill(mixed, bills.cur(tmp_path / "b.csv", [*lines, named]))
    assert (kept.net.unexplained, kept.net.shared_reductions) == ((), 0)
    expected = {line.resource: line.net for line in usage(lines)}
    expected[named.resource] -= Decimal("0.25")
    found = costs(mixed)
    for name, usd in expected.items():
        assert abs(found[name] - usd) < Decimal("0.000001"), name


def test_a_discount_without_a_job_is_shared_in_proportion(mixed: Ledger, tmp_path: Path) -> None:
    lines = [replace(line, net_usd=None) for line in month()]
    first = lines_of(ACCOUNT, 3, "on demand")[0]
    discount = replace(first, kind="EdpDiscount", resource="", usd=Decimal("-0.6"), line_id="edp")
    kept = keep_bill(mixed, bills.cur(tmp_path / "b.csv", [*lines, discount]))
    assert kept.net.shared_reductions == 1
    expected = {line.resource: line.net for line in usage(lines)}
    of_day = [line for line in usage(lines) if (line.account, line.start) == (ACCOUNT, first.start)]
    total = sum(line.net for line in of_day)
    for line in of_day:
        expected[line.resource] -= Decimal("0.6") * line.net / total
    found = costs(mixed)
    for name, usd in expected.items():
        assert abs(found[name] - usd) < Decimal("0.000001"), name


def test_discounts_count_once_if_the_bill_has_net_amounts(mixed: Ledger, tmp_path: Path) -> None:
    discounts = [
        replace(line, kind="PrivateRateDiscount", usd=line.net - line.usd, net_usd=None,
                line_id=f"{line.line_id}-d")
        for line in usage(month())
        if line.net_usd is not None
    ]  # fmt: skip
    keep_bill(mixed, bills.cur(tmp_path / "b.csv", [*month(), *discounts]))
    expected = sum((line.net for line in usage(month())), Decimal(0))
    assert abs(sum(costs(mixed).values(), Decimal(0)) - expected) < Decimal("0.000001")


@pytest.mark.parametrize("export", ["cur.csv", "focus 1.2"])
def test_credits_count_on_request(mixed: Ledger, tmp_path: Path, export: str) -> None:
    first = lines_of(ACCOUNT, 3, "on demand")[0]
    small = replace(first, kind="Credit", usd=Decimal("-0.5"), line_id="credit")
    path = FORMATS[export](tmp_path, [*month(), small])
    keep_bill(mixed, path)
    assert abs(costs(mixed)[first.resource] - first.net) < Decimal("0.000001")
    keep_bill(mixed, path, with_credits=True)
    assert abs(costs(mixed)[first.resource] - first.net + Decimal("0.5")) < Decimal("0.000001")


def test_a_credit_that_is_larger_than_the_amount_is_listed(mixed: Ledger, tmp_path: Path) -> None:
    first = lines_of(ACCOUNT, 3, "on demand")[0]
    large = replace(first, kind="Credit", usd=-first.usd - 2, line_id="credit")
    path = bills.cur(tmp_path / "b.csv", [*month(), large])
    kept = keep_bill(mixed, path, with_credits=True)
    assert costs(mixed)[first.resource] == 0
    (left,) = kept.net.unexplained
    assert (left.training_job_arn, left.billed, left.explained) == (
        first.resource,
        Decimal(-2),
        Decimal(0),
    )


def test_a_bill_in_cny_is_kept_in_cny(mixed: Ledger, tmp_path: Path) -> None:
    lines = [replace(line, currency="CNY") for line in month()]
    kept = keep_bill(mixed, bills.cur(tmp_path / "b.csv", lines))
    (amount,) = kept.net.amounts
    expected = sum((line.net for line in usage(lines)), Decimal(0))
    assert (amount.currency, amount.billed) == ("CNY", expected)
    (row,) = mixed.read(
        "SELECT sum(cost_usd) AS usd, sum(cost) AS cost FROM daily_costs WHERE currency = 'CNY'"
    )
    assert row["usd"] is None
    assert abs(row["cost"] - expected) < Decimal("0.000001")


def test_two_currencies_in_one_bill_are_never_added(mixed: Ledger, tmp_path: Path) -> None:
    lines = [replace(line, currency="EUR" if line.account == OTHER else "USD") for line in month()]
    kept = keep_bill(mixed, bills.cur(tmp_path / "b.csv", lines))
    expected = {
        code: sum((line.net for line in usage(lines) if line.currency == code), Decimal(0))
        for code in ("EUR", "USD")
    }
    assert {each.currency: each.billed for each in kept.net.amounts} == expected
    rows = mixed.read(
        "SELECT currency, sum(cost) AS cost FROM daily_costs WHERE currency IS NOT NULL GROUP BY 1"
    )
    for row in rows:
        assert abs(row["cost"] - expected[row["currency"]]) < Decimal("0.000001")


@pytest.mark.parametrize("named", [True, False])
def test_a_way_of_paying_may_be_billed_by_the_month_beside_others_by_day(
    mixed: Ledger, tmp_path: Path, named: bool
) -> None:
    lines = []
    for line in month():
        if "training-plan" in line.resource:
            continue
        start = line.start
        if "spot" not in line.resource:
            line = replace(line, start=start.replace(day=1), lasts=timedelta(days=31))
        lines.append(line if named else replace(line, resource=""))
    found = reconcile(mixed.connection, bills.cur(tmp_path / "b.csv", lines))
    keep(mixed.connection, found.net, "b.csv", NOW)
    expected = sum((line.net for line in usage(lines)), Decimal(0))
    by_job = costs(mixed)
    assert abs(sum(by_job.values(), Decimal(0)) - expected) < Decimal("0.00001")
    for line in usage(lines):
        if named or "spot" in line.line_id:
            job = arn(line.line_id.partition("-")[2], account=line.account)
            assert abs(by_job[job] - line.net) < Decimal("0.00001"), job


def test_covered_lines_without_an_effective_cost_are_counted(mixed: Ledger, tmp_path: Path) -> None:
    lines = [replace(line, effective_usd=None) for line in month()]
    found = reconcile(mixed.connection, bills.cur(tmp_path / "b.csv", lines))
    assert found.export.covered_at_list == 4
    found = reconcile(mixed.connection, bills.cur(tmp_path / "full.csv", month()))
    assert found.export.covered_at_list == 0
