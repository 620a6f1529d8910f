"""Bills as odd producers write them give the same verdict, or an error that names the fault."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.bills import Reconciliation, reconcile
from exporter.errors import UsageError
from tests.money.conftest import Ledger, arn
from tests.money.known_jobs import AGREEING, BILL, DAYS, daily, put_job, rows
from tests.support import bills
from tests.support.bills import Charge

NAMED = [replace(line, resource=arn(f"alpha-{day}")) for day, line in zip(DAYS, BILL, strict=True)]
OTHER_MONTH = datetime(2026, 9, 1, tzinfo=UTC)


def with_columns(**columns: object) -> list[Charge]:
    return [replace(line, details=tuple(columns.items())) for line in NAMED]


def at(*moments: str) -> list[Charge]:
    """Return the lines with the time of each as a text."""
    return [
        replace(line, details=(("line_item_usage_start_date", f"2026-10-{day:02}{moments[0]}"),
                               ("line_item_usage_end_date", f"2026-10-{day:02}{moments[1]}")))
        for day, line in zip(DAYS, NAMED, strict=True)
    ]  # fmt: skip


#: Lines that mean the same as those of NAMED.
SAME: dict[str, list[Charge]] = {
    "a refund of another month": [*NAMED, daily(3, kind="Refund", start=OTHER_MONTH)],
    "EC2 with SageMaker in its name": [
        *NAMED,
        daily(3, product="AmazonEC2", resource="sagemaker-training-3", line_id="ec2"),
    ],
    "hours in seconds": [
        replace(line, quantity=Decimal(3600), details=(("pricing_unit", "Second"),))
        for line in NAMED
    ],
    "a line and its reversal": [
        *NAMED,
        daily(3, quantity=Decimal(5), line_id="more", resource=arn("alpha-3")),
        daily(3, quantity=Decimal(-5), usd=Decimal("-1.57"), line_id="less",
              resource=arn("alpha-3")),
    ],
    "a tax for each line": [
        *NAMED,
        *[replace(line, kind="Tax", line_id=f"{line.line_id}-tax") for line in NAMED],
    ],
    "blended amounts": with_columns(
        line_item_blended_cost=Decimal(9), line_item_blended_rate="9"
    ),
    "a prefix of a new region": [
        replace(line, prefix="XYZ9-", region="", details=(("product", {}),)) for line in NAMED
    ],
    "no prefix and no region": [
        replace(line, prefix="", region="", details=(("product", {}),)) for line in NAMED
    ],
    "times in other zones": at("T01:00:00+01:00", "T01:30:00+00:30"),
    "times with a space": at(" 09:00:00", " 10:00:00"),
    "times with microseconds": at("T09:00:00.123456Z", "T10:00:00.123456Z"),
    "days without a time": at("", ""),
    "ARNs in capitals": [replace(line, resource=line.resource.upper()) for line in NAMED],
    "names in place of ARNs": [
        replace(line, resource=line.resource.rpartition("/")[2]) for line in NAMED
    ],
    "resources without the ARN": [
        replace(line, resource=line.resource.rpartition(":")[2]) for line in NAMED
    ],
    "a quantity with an exponent": with_columns(line_item_usage_amount="1E0"),
    "a product code with more": [replace(line, product="AmazonSageMakerAI") for line in NAMED],
    "no end": with_columns(line_item_usage_end_date=None),
    "an account without its zeros": [replace(line, account="111122223333.0") for line in NAMED],
    "credits above the bill": [
        *NAMED,
        daily(3, kind="Credit", usd=Decimal(-999), line_id="credit", quantity=Decimal(0)),
    ],
    "a marketplace of models": [
        *NAMED,
        daily(3, product="4z8x7training", component="Training", line_id="market"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_verdict_is_the_same(october: Ledger, tmp_path: Path, name: str) -> None:
    found = reconcile(october.connection, bills.cur(tmp_path / "cur.csv", SAME[name]))
    assert [row[:4] for row in rows(found)] == [row[:4] for row in AGREEING]
    assert found.differences == []


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


#: Changes of a CSV file's bytes that change nothing that it says.
BYTES: dict[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "no line break at the end": lambda data: data.rstrip(b"\n"),
    "empty lines at the end": lambda data: data + b"\n\n",
    "a break inside a text": lambda data: data.replace(b"per Training ml", b"per\nTraining ml"),
}


@pytest.mark.parametrize("name", BYTES)
def test_the_dialect_does_not_matter(october: Ledger, tmp_path: Path, name: str) -> None:
    path = changed(bills.cur(tmp_path / "cur.csv", NAMED), BYTES[name])
    found = reconcile(october.connection, path)
    assert (rows(found), found.differences) == (AGREEING, [])


def test_semicolons_separate_columns(october: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "cur.csv"
    header = (
        "line_item_usage_start_date;line_item_usage_account_id;line_item_product_code;"
        "line_item_line_item_type;line_item_usage_type;line_item_usage_amount;"
        "line_item_unblended_cost;pricing_unit"
    )
    lines = [
        f"2026-10-{day:02}T00:00:00Z;111122223333;AmazonSageMaker;Usage;"
        "EU-Train:ml.g5.xlarge;1;1.57;Hrs"
        for day in DAYS
    ]
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    found = reconcile(october.connection, path)
    assert (rows(found), found.differences) == (AGREEING, [])


def test_a_gzip_file_may_have_several_members(october: Ledger, tmp_path: Path) -> None:
    data = bills.cur(tmp_path / "cur.csv", NAMED).read_bytes()
    (tmp_path / "cur.csv").unlink()
    cut = len(data) // 2
    path = tmp_path / "cur.csv.gz"
    path.write_bytes(gzip.compress(data[:cut]) + gzip.compress(data[cut:]))
    assert rows(reconcile(october.connection, path)) == AGREEING


@pytest.mark.parametrize("data", [b"", b"\n"])
def test_an_empty_file_is_refused(october: Ledger, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "cur.csv").write_bytes(data)
    with pytest.raises(UsageError, match="holds no line"):
        reconcile(october.connection, tmp_path / "cur.csv")


def test_a_header_alone_is_refused(october: Ledger, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no line"):
        reconcile(october.connection, bills.cur(tmp_path / "cur.csv", []))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("line_item_usage_amount", "1,000.5"),
        ("line_item_usage_amount", "one"),
        ("line_item_unblended_cost", "$1.57"),
        ("line_item_usage_start_date", "10/3/26"),
        ("line_item_usage_account_id", "1.11122E+11"),
    ],
)
def test_a_value_that_could_mean_something_else_is_refused(
    october: Ledger, tmp_path: Path, column: str, value: str
) -> None:
    lines = [*NAMED[1:], replace(NAMED[0], details=((column, value),))]
    with pytest.raises(UsageError, match="wrong type in a line of training") as refused:
        reconcile(october.connection, bills.cur(tmp_path / "cur.csv", lines))
    assert value in str(refused.value)


def test_a_bill_with_blended_amounts_alone_names_the_missing_column(
    october: Ledger, tmp_path: Path
) -> None:
    without = ["line_item_unblended_cost", "line_item_net_unblended_cost"]
    with pytest.raises(UsageError, match="lacks the column line_item_unblended_cost"):
        reconcile(october.connection, bills.cur(tmp_path / "cur.csv", NAMED, without))


def test_focus_without_billed_costs_uses_the_effective_cost(
    october: Ledger, tmp_path: Path
) -> None:
    lines = [replace(line, details=(("BilledCost", None),)) for line in NAMED]
    assert rows(reconcile(october.connection, bills.focus(tmp_path / "f.csv", lines))) == AGREEING


def test_a_month_that_is_partly_exported_lacks_the_other_days(
    october: Ledger, tmp_path: Path
) -> None:
    found = reconcile(october.connection, bills.cur(tmp_path / "cur.csv", NAMED[:4]))
    assert [(line.period.day, line.missing) for line in found.differences] == [
        (DAYS[4], "on the bill"),
        (DAYS[5], "on the bill"),
    ]


def test_an_arn_that_is_cut_off_names_the_job_that_fits(october: Ledger, tmp_path: Path) -> None:
    start = datetime(2026, 10, 3, 11, tzinfo=UTC)
    put_job(october, "a-name-that-is-longer", start, hours="2")
    longest = len(arn("alpha-3"))
    extra = daily(3, resource=arn("a-name-that-is-longer")[:longest], line_id="x",
                  quantity=Decimal(2))  # fmt: skip
    found = reconcile(october.connection, bills.cur(tmp_path / "cur.csv", [*NAMED, extra]))
    assert found.differences == []
    extra = replace(extra, quantity=Decimal(3))
    found = reconcile(october.connection, bills.cur(tmp_path / "cur.csv", [*NAMED, extra]))
    (line,) = found.differences
    assert [job.training_job_name for job in line.jobs] == ["a-name-that-is-longer"]


def test_arns_that_are_cut_off_where_several_jobs_fit_name_no_job(
    october: Ledger, tmp_path: Path
) -> None:
    lines = [replace(line, resource=line.resource[:-2]) for line in NAMED]
    found = reconcile(october.connection, bills.cur(tmp_path / "cur.csv", lines))
    assert found.differences == []
    # The hours are compared without the jobs all the same.
    lines[0] = replace(lines[0], quantity=Decimal(2))
    found = reconcile(october.connection, bills.cur(tmp_path / "cur.csv", lines))
    assert [line.period.day for line in found.differences] == [DAYS[0]]


def test_an_unknown_job_is_not_taken_for_a_job_with_a_longer_name(
    october: Ledger, tmp_path: Path
) -> None:
    lines = [*NAMED, daily(3, resource=arn("alph"), line_id="x", lasts=timedelta(days=1))]
    found = reconcile(october.connection, bills.cur(tmp_path / "cur.csv", lines))
    (line,) = found.differences
    assert [(job.training_job_arn, job.why) for job in line.jobs] == [
        (arn("alph"), "not in the database")
    ]


def test_two_currencies_of_one_item_are_not_added(october: Ledger, tmp_path: Path) -> None:
    lines = [*NAMED, replace(NAMED[0], currency="EUR", line_id="eur", quantity=Decimal(0))]
    found: Reconciliation = reconcile(october.connection, bills.cur(tmp_path / "cur.csv", lines))
    assert found.differences == []
    money: list[Any] = [(line.currency, line.billed_cost) for line in found.lines]
    assert money == [("", None), *[("USD", Decimal("1.57"))] * 5]
