"""`reconcile` finds no difference in an equal bill, and names the jobs behind a difference."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.bills import Reconciliation, rates_csv, reconcile
from exporter.errors import UsageError
from exporter.prices.imports import import_csv
from tests.money.conftest import ACCOUNT, REGION, Ledger, arn
from tests.money.december import HOURS, put_december
from tests.money.known_jobs import by_the_hour
from tests.support import bills
from tests.support.bills import Charge

FORMATS: dict[str, Callable[[Path, list[Charge]], Path]] = {
    "cur.parquet": lambda folder, charges: bills.cur(folder / "cur.parquet", charges),
    "cur.csv": lambda folder, charges: bills.cur(folder / "cur.csv", charges),
    "cur.csv.gz": lambda folder, charges: bills.cur(folder / "cur.csv.gz", charges),
    "focus 1.0 parquet": lambda folder, charges: bills.focus(folder / "focus.parquet", charges),
    "focus 1.0 csv": lambda folder, charges: bills.focus(folder / "focus.csv", charges),
    "cur.csv.zip": lambda folder, charges: bills.zipped(bills.cur(folder / "c.csv", charges)),
    "legacy csv": lambda folder, charges: bills.legacy(folder / "l.csv.gz", charges),
    "legacy parquet": lambda folder, charges: bills.athena(folder / "a.parquet", charges),
    "focus 1.2": lambda folder, charges: bills.focus(folder / "f.parquet", charges, "1.2"),
}
MONTH = timedelta(days=31)
DECEMBER = datetime(2023, 12, 1, tzinfo=UTC)


def public_bill() -> list[Charge]:
    """Return the lines of the public bill, including some that are not training."""
    lines = [
        ("Training", "ml.m5.xlarge", "44.015", "11.31"),
        ("Training", "ml.g4dn.xlarge", "14.801", "12.17"),
        ("Training", "ml.g5.xlarge", "2.887", "4.53"),
        ("Training", "ml.p3.2xlarge", "4.139", "17.10"),
        ("Training Warm Pool", "ml.m5.xlarge", "167.301", "43.00"),
        ("Training Warm Pool", "ml.g4dn.xlarge", "33.597", "27.62"),
        ("Training ML storage", "", "1.942", "0.30"),
        ("Training Warm Pool ML storage", "", "6.746", "1.04"),
        ("Hosting", "ml.m5.xlarge", "8.208", "2.11"),
        ("Processing", "ml.m5.xlarge", "2.382", "0.61"),
        ("SageMaker Debugger Built-in Rule", "ml.t3.medium", "0.169", "0.00"),
    ]
    return [
        Charge(DECEMBER, component, kind, Decimal(quantity), Decimal(usd), lasts=MONTH)
        for component, kind, quantity, usd in lines
    ]


@pytest.mark.parametrize("export", FORMATS)
def test_the_public_bill_agrees_in_every_format(
    shipped: Ledger, tmp_path: Path, export: str
) -> None:
    put_december(shipped)
    found = reconcile(shipped.connection, FORMATS[export](tmp_path, public_bill()))
    assert found.differences == []
    assert found.usd_differences == []
    kinds = {"cur": "CUR 2.0", "legacy": "legacy CUR", "focus": "FOCUS"}
    assert found.export.kind == kinds[export.replace(".", " ").split()[0]]
    assert (found.export.monthly, found.export.resources) == (True, False)
    assert (found.export.lines, found.export.unclear) == (8, 0)
    assert (found.export.since, found.export.until) == (date(2023, 12, 1), date(2024, 1, 1))
    assert len(found.lines) == 8
    assert sum(line.billed_usd or 0 for line in found.lines) == Decimal("117.07")
    assert {(line.period, line.account_id, line.region) for line in found.lines} == {
        (date(2023, 12, 1), ACCOUNT, REGION)
    }


def test_the_rates_of_the_public_bill_can_be_imported(shipped: Ledger, tmp_path: Path) -> None:
    put_december(shipped)
    found = reconcile(shipped.connection, bills.cur(tmp_path / "december.csv", public_bill()))
    text = rates_csv(found.rates)
    assert text == (
        "region,component,instance_type,usd_per_unit,unit,effective_from,source,"
        "account_id,currency\n"
        "eu-west-1,Training,ml.g4dn.xlarge,0.822,Hrs,2023-12-01,bill: december.csv,,USD\n"
        "eu-west-1,Training,ml.g5.xlarge,1.57,Hrs,2023-12-01,bill: december.csv,,USD\n"
        "eu-west-1,Training,ml.m5.xlarge,0.257,Hrs,2023-12-01,bill: december.csv,,USD\n"
        "eu-west-1,Training,ml.p3.2xlarge,4.131,Hrs,2023-12-01,bill: december.csv,,USD\n"
        "eu-west-1,Training ML storage,,0.154,GB-Mo,2023-12-01,bill: december.csv,,USD\n"
        "eu-west-1,Training Warm Pool,ml.g4dn.xlarge,0.822,Hrs,2023-12-01,bill: december.csv,,USD\n"
        "eu-west-1,Training Warm Pool,ml.m5.xlarge,0.257,Hrs,2023-12-01,bill: december.csv,,USD\n"
        "eu-west-1,Training Warm Pool ML storage,,0.154,GB-Mo,2023-12-01,bill: december.csv,,USD\n"
    )
    rates = tmp_path / "rates.csv"
    rates.write_text(text, encoding="utf-8")
    assert import_csv(shipped.connection, rates, datetime(2026, 11, 5, tzinfo=UTC)).new == 8


@pytest.mark.parametrize("export", ["cur.parquet", "focus 1.0 csv"])
@pytest.mark.parametrize("resources", [True, False])
def test_a_job_whose_pool_differs_is_named(
    priced: Ledger, tmp_path: Path, export: str, resources: bool
) -> None:
    path = FORMATS[export](tmp_path, by_the_hour(priced, resources=resources))
    agreed = reconcile(priced.connection, path)
    assert (agreed.differences, agreed.usd_differences) == ([], [])
    assert agreed.export.resources is resources
    assert not agreed.export.monthly
    assert len(agreed.lines) == 6 + 7
    priced.connection.execute("""
        UPDATE training_jobs SET warm_pool_retained_seconds = 3602
        WHERE training_job_name = 'Bert-2'
    """)
    found = reconcile(priced.connection, path)
    # The pool ran past midnight: the first day lacks a part, the second day lacks all.
    assert [
        (line.period, line.component, line.ours - line.billed) for line in found.differences
    ] == [
        (date(2026, 10, 5), "Training Warm Pool", Decimal("-0.832222222200")),
        (date(2026, 10, 6), "Training Warm Pool", Decimal("-0.167777777800")),
    ]
    assert all(line.usd_differs for line in found.differences)
    for line, ours in zip(found.differences, [Decimal("1.000555555556"), None], strict=True):
        named = [(job.training_job_name, job.ours, job.why) for job in line.jobs]
        if resources:
            assert named == [("Bert-2", ours, "differs")]
            assert line.jobs[0].training_job_arn == arn("Bert-2")
        else:
            assert ("Bert-2", ours, "of that day") in named


def test_a_job_on_one_side_only_is_named_with_that_side(priced: Ledger, tmp_path: Path) -> None:
    charges = by_the_hour(priced, resources=True)
    day = datetime(2026, 10, 5, tzinfo=UTC)
    kept = [charge for charge in charges if "bert-2" not in charge.resource]
    unknown = Charge(
        day, "Training", "ml.m5.xlarge", Decimal(5), Decimal("1.285"), arn("ghost").lower()
    )
    found = reconcile(priced.connection, bills.cur(tmp_path / "c.parquet", [*kept, unknown]))
    training = next(
        line
        for line in found.differences
        if (line.period, line.component) == (day.date(), "Training")
    )
    assert [(job.training_job_name, job.why) for job in training.jobs] == [
        (None, "not in the database"),
        ("Bert-2", "not on the bill"),
    ]
    assert (training.billed, training.ours) == (Decimal(5), Decimal("2.000555555556"))


def test_amounts_may_differ_although_the_hours_agree(priced: Ledger, tmp_path: Path) -> None:
    path = bills.cur(tmp_path / "c.parquet", by_the_hour(priced, resources=False))
    priced.price("0.2", since=date(2026, 10, 1))
    found = reconcile(priced.connection, path)
    assert found.differences == []
    assert len(found.usd_differences) == len(found.lines)
    assert {(rate.component, rate.usd_per_unit) for rate in found.rates} == {
        ("Training", Decimal("0.257")),
        ("Training Warm Pool", Decimal("0.257")),
    }


def test_a_price_change_gives_two_rates(ledger: Ledger, tmp_path: Path) -> None:
    charges = [
        Charge(
            datetime(2026, 10, day, 5, tzinfo=UTC),
            "Training",
            "ml.p4d.24xlarge",
            Decimal("1.2345"),
            round(Decimal("1.2345") * Decimal(usd), 10),
        )
        for day, usd in ((1, "40.71"), (2, "40.71"), (3, "27.28"), (4, "27.28"))
    ]
    found = reconcile(ledger.connection, bills.focus(tmp_path / "f.csv", charges))
    assert [(rate.usd_per_unit, rate.effective_from) for rate in found.rates] == [
        (Decimal("40.71"), date(2026, 10, 1)),
        (Decimal("27.28"), date(2026, 10, 3)),
    ]


def test_only_usage_counts_and_the_rate_includes_discounts(ledger: Ledger, tmp_path: Path) -> None:
    day = datetime(2026, 10, 1, 5, tzinfo=UTC)

    def line(usd: str, **more: Any) -> Charge:
        return Charge(day, "Training", "ml.m5.xlarge", Decimal(1), Decimal(usd), **more)

    charges = [
        line("0.257", net_usd=Decimal("0.2")),
        line("0.257", kind="SavingsPlanCoveredUsage", effective_usd=Decimal("0.1")),
        line("-0.257", kind="SavingsPlanNegation"),
        line("0.02", kind="Tax"),
        line("-1", kind="Credit"),
        line("7", product="AmazonEC2"),
    ]
    found = reconcile(ledger.connection, bills.cur(tmp_path / "c.csv", charges))
    (compared,) = found.lines
    assert (compared.billed, compared.billed_usd) == (Decimal(2), Decimal("0.3"))
    assert [rate.usd_per_unit for rate in found.rates] == [Decimal("0.15")]


def test_accounts_missing_from_the_export_are_not_compared(priced: Ledger, tmp_path: Path) -> None:
    charges = by_the_hour(priced, resources=False)
    start = datetime(2026, 10, 4, 1, tzinfo=UTC)
    priced.job(
        "other-1",
        account="999900001111",
        created=start,
        training_end_time=start + timedelta(hours=1),
        details={"instance_type": "ml.m5.xlarge", "instance_count": 1, "billable_seconds": 60},
    )
    found: Reconciliation = reconcile(priced.connection, bills.cur(tmp_path / "c.parquet", charges))
    assert found.differences == []
    assert found.not_billed == ("999900001111",)


def test_the_parts_of_an_export_are_read_together(priced: Ledger, tmp_path: Path) -> None:
    charges = by_the_hour(priced, resources=True)
    folder = tmp_path / "export" / "data"
    folder.mkdir(parents=True)
    bills.cur(folder / "part-1.parquet", charges[:9])
    bills.cur(folder / "part-2.parquet", charges[9:])
    found = reconcile(priced.connection, tmp_path / "export")
    assert (found.differences, len(found.export.files)) == ([], 2)


def test_a_file_that_is_not_an_export_is_a_usage_error(ledger: Ledger, tmp_path: Path) -> None:
    def refuse(name: str, content: bytes, message: str) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UsageError, match=message):
            reconcile(ledger.connection, path)

    refuse("a.csv", b"a,b\n1,2\n", "neither a CUR 2.0 nor a FOCUS export")
    refuse("b.parquet", b"not parquet", "Cannot read")
    refuse("c.txt", b"", "is not named .parquet, .csv or .csv.gz")
    refuse("d.csv", b"lineItem/UsageAmount,lineItem/UsageType\n1,x\n", "neither")
    with pytest.raises(UsageError, match="There is no file"):
        reconcile(ledger.connection, tmp_path / "missing.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty holds no"):
        reconcile(ledger.connection, tmp_path / "empty")
    with pytest.raises(UsageError, match="holds no line"):
        reconcile(ledger.connection, bills.cur(tmp_path / "none.csv", []))


def test_the_test_jobs_have_the_hours_of_the_public_bill() -> None:
    billed = {(charge.component, charge.instance_type): charge.quantity for charge in public_bill()}
    for kind, (training, pool) in HOURS.items():
        assert billed["Training", kind] == training
        assert billed.get(("Training Warm Pool", kind), Decimal(0)) == pool
