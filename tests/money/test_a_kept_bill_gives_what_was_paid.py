"""A kept bill gives its days the rates that it charged: the costs add up to its net amounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.bills import reconcile
from exporter.bills.keeping import Kept, keep
from exporter.bills.net import Amount, Unexplained
from exporter.errors import UsageError
from exporter.prices.basis import use_list_prices
from exporter.prices.effects import ChangedMonth
from exporter.prices.imports import Import, imports, remove
from tests.money.conftest import ACCOUNT, REGION, Ledger
from tests.support import bills
from tests.support.bills import Charge

OTHER = "444455556666"
NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)
G5, M5 = "ml.g5.xlarge", "ml.m5.xlarge"
#: Net price of an hour by account, type and day: a private discount, and a change on 10 October.
RATES = {
    (ACCOUNT, G5): lambda day: Decimal("1.31") if day < 10 else Decimal("1.2"),
    (OTHER, G5): lambda day: Decimal("0.785"),
    (ACCOUNT, M5): lambda day: Decimal("0.1877") if day < 10 else Decimal("0.17"),
    (OTHER, M5): lambda day: Decimal("0.257"),
}
FORMATS: dict[str, Callable[[Path, list[Charge]], Path]] = {
    "cur.parquet": lambda folder, charges: bills.cur(folder / "bill.parquet", charges),
    "cur.csv": lambda folder, charges: bills.cur(folder / "bill.csv", charges),
    "focus.csv": lambda folder, charges: bills.focus(folder / "bill.csv", charges),
}


def seconds_of(number: int) -> int:
    """Return billable seconds that are no round number of hours."""
    return 3600 + 997 * number


@pytest.fixture
def october(ledger: Ledger) -> Ledger:
    """Jobs of two accounts on two types each day; list prices from the API and an import."""
    for family in ("g5", "m5"):
        ledger.put("local_storage_families", family=family)
    for kind, usd in ((G5, "1.57"), (M5, "0.257")):
        ledger.price(usd, kind, source="Price List API")
    ledger.price("1.5", G5, source="our contract")
    for number, (account, kind, day) in enumerate(jobs()):
        put_job(ledger, f"job-{number}", account, kind, day, seconds_of(number))
    return ledger


def jobs() -> list[tuple[str, str, int]]:
    return [(account, kind, day) for account, kind in RATES for day in range(1, 21)]


def put_job(ledger: Ledger, name: str, account: str, kind: str, day: int, seconds: int) -> None:
    start = datetime(2026, 10, day, 0, 10, tzinfo=UTC)
    ledger.job(
        name,
        created=start,
        account=account,
        training_end_time=start + timedelta(seconds=seconds),
        details={
            "instance_type": kind,
            "instance_count": 2,
            "training_start_time": start,
            "billable_seconds": seconds,
        },
    )


def charges() -> list[Charge]:
    """Return a line for each job, its quantity rounded to six decimals as bills do."""
    found = []
    for number, (account, kind, day) in enumerate(jobs()):
        hours = Decimal(2 * seconds_of(number)) / 3600
        usd = round(hours * RATES[account, kind](day), 10)
        start = datetime(2026, 10, day, tzinfo=UTC)
        line = Charge(start, "Training", kind, round(hours, 6), usd, account=account)
        found.append(replace(line, lasts=timedelta(days=1)))
    return found


def net(lines: list[Charge]) -> Decimal:
    return sum((line.usd for line in lines), Decimal(0))


def cost(ledger: Ledger) -> Decimal:
    (row,) = ledger.read("SELECT sum(cost_usd) AS usd FROM daily_costs")
    usd: Decimal = row["usd"]
    return usd


def keep_bill(ledger: Ledger, path: Path) -> Kept:
    return keep(ledger.connection, reconcile(ledger.connection, path).net, path.name, NOW)


def usd(kept: Kept) -> Amount:
    (amount,) = kept.net.amounts
    assert amount.currency == "USD"
    return amount


@pytest.mark.parametrize("export", FORMATS)
def test_the_costs_of_each_job_are_what_the_bill_charged(
    october: Ledger, tmp_path: Path, export: str
) -> None:
    before = cost(october)
    path = FORMATS[export](tmp_path, charges())
    kept = keep_bill(october, path)
    assert (kept.import_id, kept.net.days, kept.net.jobs, kept.net.unexplained) == (1, 80, 0, ())
    assert abs(usd(kept).explained - net(charges())) < Decimal("0.01")
    assert kept.changed_months == (ChangedMonth("2026-10", before, cost(october)),)
    assert abs(cost(october) - net(charges())) < Decimal("0.01")
    by_job = october.read("SELECT training_job_name, cost_usd, cost_basis FROM daily_costs")
    assert len(by_job) == 80
    for row in by_job:
        charge = charges()[int(row["training_job_name"].removeprefix("job-"))]
        assert abs(row["cost_usd"] - charge.usd) < Decimal("0.000001")
        assert row["cost_basis"] == "settled"
    # The list basis shows public prices; removing the bill brings the old prices back.
    assert imports(october.connection) == [Import(1, path.name, NOW, 80)]
    remove(october.connection, 1, NOW)
    assert cost(october) == before


def test_the_list_basis_ignores_bills_imports_and_discounts(
    october: Ledger, tmp_path: Path
) -> None:
    october.put("discounts", account_id="", component="", percent=Decimal(10))
    keep_bill(october, FORMATS["cur.csv"](tmp_path, charges()))
    use_list_prices(october.connection)
    hours = {kind: Decimal(0) for kind in (G5, M5)}
    for number, (_, kind, _) in enumerate(jobs()):
        hours[kind] += Decimal(2 * seconds_of(number)) / 3600
    expected = hours[G5] * Decimal("1.57") + hours[M5] * Decimal("0.257")
    assert abs(cost(october) - expected) < Decimal("0.000001")
    assert october.read("SELECT DISTINCT price_source FROM daily_costs") == [
        {"price_source": "Price List API"}
    ]


def test_money_that_no_job_explains_and_days_that_the_bill_lacks_are_listed(
    october: Ledger, tmp_path: Path
) -> None:
    lines = charges()
    start = datetime(2026, 10, 25, tzinfo=UTC)
    extra = Charge(start, "Training", G5, Decimal(3), Decimal("3.93"), lasts=timedelta(days=1))
    # The bill has a day without a job, and lacks the m5 line of the first day.
    lacking = next(line for line in lines if line.instance_type == M5)
    lines.remove(lacking)
    before = october.read(
        "SELECT cost_usd FROM daily_costs WHERE account_id = :account AND instance_type = :kind "
        "AND usage_date = '2026-10-01'",
        account=ACCOUNT,
        kind=M5,
    )
    kept = keep_bill(october, FORMATS["cur.csv"](tmp_path, [*lines, extra]))
    our_usd = before[0]["cost_usd"]
    place = ACCOUNT, REGION, "Training"
    assert kept.net.unexplained == (
        Unexplained(date(2026, 10, 1), *place, M5, "", "USD", Decimal(0), our_usd),
        Unexplained(date(2026, 10, 25), *place, G5, "", "USD", extra.usd, Decimal(0)),
    )
    assert usd(kept).billed == net(lines) + extra.usd
    # Nothing is spread: the day that the bill lacks keeps its price, all others are as billed.
    assert abs(cost(october) - net(lines) - our_usd) < Decimal("0.01")


def test_a_job_that_the_bill_counts_differently_keeps_the_rate_of_the_bill(
    october: Ledger, tmp_path: Path
) -> None:
    put_job(october, "extra-1", OTHER, M5, 5, 7200)
    kept = keep_bill(october, FORMATS["cur.csv"](tmp_path, charges()))
    (extra,) = october.read("SELECT * FROM daily_costs WHERE training_job_name = 'extra-1'")
    assert abs(extra["cost_usd"] - 4 * Decimal("0.257")) < Decimal("0.000001")
    (line,) = kept.net.unexplained
    assert (line.period, line.account_id, line.instance_type) == (date(2026, 10, 5), OTHER, M5)
    assert abs(line.explained - line.billed - 4 * Decimal("0.257")) < Decimal("0.00001")


def test_a_bill_without_training_is_refused(october: Ledger, tmp_path: Path) -> None:
    tax = replace(charges()[0], kind="Tax")
    with pytest.raises(UsageError, match="no training with an amount"):
        keep_bill(october, FORMATS["cur.csv"](tmp_path, [tax]))
    assert imports(october.connection) == []


def test_a_daily_rate_covers_its_day_only_beside_monthly_lines(
    october: Ledger, tmp_path: Path
) -> None:
    (daily, monthly) = (
        Charge(datetime(2026, 10, day, tzinfo=UTC), "Training", kind, hours, hours, account=ACCOUNT)
        for day, kind, hours in ((3, G5, Decimal(1)), (1, M5, Decimal(60)))
    )
    lines = [replace(daily, lasts=timedelta(days=1)), replace(monthly, lasts=timedelta(days=31))]
    kept = keep_bill(october, FORMATS["cur.csv"](tmp_path, lines))
    assert kept.net.days == 1 + 31
    days = october.read(
        "SELECT effective_from AS day FROM prices WHERE import_id = 1 AND instance_type = :kind",
        kind=G5,
    )
    assert days == [{"day": date(2026, 10, 3)}]


def test_a_bill_that_is_kept_again_counts_once_and_a_corrected_one_replaces_it(
    october: Ledger, tmp_path: Path
) -> None:
    path = FORMATS["cur.csv"](tmp_path, charges())
    keep_bill(october, path)
    assert keep_bill(october, path).changed_months == ()
    corrected = [replace(line, usd=line.usd / 2) for line in charges()]
    keep_bill(october, FORMATS["cur.csv"](tmp_path, corrected))
    assert abs(cost(october) - net(corrected)) < Decimal("0.01")
    remove(october.connection, 3, NOW)
    assert abs(cost(october) - net(charges())) < Decimal("0.01")
