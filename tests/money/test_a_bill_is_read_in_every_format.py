"""A bill is read in every format, as one file or many, whatever its producer wrote."""

from __future__ import annotations

import csv
import gzip
import re
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.bills import reconcile
from exporter.bills.regions import region_of
from exporter.errors import UsageError
from tests.money.conftest import Ledger
from tests.money.known_jobs import AGREEING, BILL, daily, rows
from tests.support import bills


def test_parts_may_have_different_columns(october: Ledger, tmp_path: Path) -> None:
    bills.cur(tmp_path / "a.csv", BILL[:2], without=("product_region_code", "pricing_unit"))
    bills.cur(tmp_path / "b.csv.gz", BILL[2:4], without=("line_item_net_unblended_cost",))
    bills.zipped(bills.cur(tmp_path / "c.csv", BILL[4:], without=("product",)))
    found = reconcile(october.connection, tmp_path)
    assert rows(found) == AGREEING
    assert found.export.lines == 6


def test_the_first_quoted_field_may_come_late(october: Ledger, tmp_path: Path) -> None:
    path = bills.cur(tmp_path / "c.csv", BILL)
    header, *lines = path.read_text().splitlines()
    names = header.replace('"', "").split(",")
    plain = dict.fromkeys(names, "") | {
        "line_item_product_code": "AmazonEC2",
        "line_item_line_item_type": "Usage",
        "line_item_unblended_cost": "0.01",
    }
    quoted = plain | {
        "line_item_line_item_description": '"a ""b"", c\nd"',
        "product": '"{""a"": ""b,c""}"',
    }
    written = [",".join(names), *[",".join(plain.values())] * 30_000, ",".join(quoted.values())]
    path.write_bytes("\r\n".join([*written, *lines, ""]).encode())
    found = reconcile(october.connection, path)
    assert rows(found) == AGREEING
    (other,) = found.export.not_compared
    assert (other.kind, other.lines, other.cost) == ("Other services", 30_001, Decimal("300.01"))


def test_null_may_be_written_as_text(october: Ledger, tmp_path: Path) -> None:
    path = bills.focus(tmp_path / "f.csv", BILL)
    path.write_text(path.read_text().replace('""', "NULL").replace(",,", ",NULL,"))
    assert rows(reconcile(october.connection, path)) == AGREEING


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_name_may_hold_the_characters_of_a_pattern(
    october: Ledger, tmp_path: Path, suffix: str
) -> None:
    bills.cur(tmp_path / f"export [1]{suffix}", BILL)
    bills.cur(tmp_path / f"export 1{suffix}", BILL)
    path = bills.cur(tmp_path / f"it's an export *{suffix}", BILL)
    bills.cur(tmp_path / f"it's an export 2{suffix}", BILL)
    for name in (path, tmp_path / f"export [1]{suffix}"):
        found = reconcile(october.connection, name)
        assert (rows(found), found.export.lines, found.export.repeated) == (AGREEING, 6, 0)


def test_a_byte_order_mark_does_not_matter(october: Ledger, tmp_path: Path) -> None:
    path = bills.cur(tmp_path / "c.csv", BILL)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rows(reconcile(october.connection, path)) == AGREEING


def test_cost_explorer_gives_hours_and_money_by_day_and_usage_type(
    october: Ledger, tmp_path: Path
) -> None:
    others = [replace(BILL[0], component="Host", usd=Decimal(9))]
    path = bills.cost_explorer(tmp_path / "costs.csv", [*BILL, *others])
    found = reconcile(october.connection, path)
    assert rows(found) == AGREEING
    assert (found.export.kind, found.export.accounts) == ("Cost Explorer", ("",))
    wrong = [replace(BILL[0], quantity=Decimal(3)), *BILL[1:-1]]
    found = reconcile(october.connection, bills.cost_explorer(tmp_path / "wrong.csv", wrong))
    assert [(line.period, line.billed, line.ours, line.missing) for line in found.differences] == [
        (date(2026, 10, 3), Decimal(3), Decimal(1), ""),
        (date(2026, 10, 8), Decimal(0), Decimal(1), "on the bill"),
    ]


def test_cost_explorer_may_have_a_row_for_each_day_and_usage_type(
    october: Ledger, tmp_path: Path
) -> None:
    lines = [f"{line.start.date()},{line.usage_type},{line.quantity},{line.usd}" for line in BILL]
    path = tmp_path / "costs.csv.gz"
    text = "\n".join(["Date,Usage Type,Usage Quantity,Cost ($)", *lines, ""])
    path.write_bytes(gzip.compress(text.encode()))
    assert rows(reconcile(october.connection, path)) == AGREEING


def test_cost_explorer_by_month_is_compared_by_month(october: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text(
        "Usage type,EU-Train:ml.g5.xlarge($),EU-Train:ml.g5.xlarge(Hrs),Total costs($)\n"
        'Usage type total,"9,999.00",1,1\n'
        "2026-09-01,3.14,2,1\n2026-10-01,9.42,6,1\n"
    )
    found = reconcile(october.connection, path)
    assert rows(found) == [
        (date(2026, 9, 1), "Training", 2, 2, Decimal("3.14"), Decimal("3.14")),
        (date(2026, 10, 1), "Training", 6, 6, Decimal("9.42"), Decimal("9.42")),
    ]


def test_cost_explorer_without_hours_is_refused(october: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text("Usage type,EU-Train:ml.g5.xlarge($)\n2026-10-03,1.57\n")
    with pytest.raises(UsageError, match="holds costs, but no hours"):
        reconcile(october.connection, path)


def test_formats_are_not_mixed(october: Ledger, tmp_path: Path) -> None:
    bills.cur(tmp_path / "a.csv", BILL)
    bills.focus(tmp_path / "b.csv", BILL)
    with pytest.raises(UsageError, match=r"holds CUR 2\.0 and FOCUS"):
        reconcile(october.connection, tmp_path)
    bills.cur(tmp_path / "b.parquet", BILL)
    with pytest.raises(UsageError, match="holds Parquet and CSV"):
        reconcile(october.connection, tmp_path)


def test_a_broken_archive_is_a_usage_error(october: Ledger, tmp_path: Path) -> None:
    (tmp_path / "a.csv.zip").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "b.csv.gz").write_bytes(b"\x1f\x8b broken")
    for name in ("a.csv.zip", "b.csv.gz"):
        with pytest.raises(UsageError, match=name):
            reconcile(october.connection, tmp_path / name)


def test_one_long_line_makes_only_its_own_kind_monthly(october: Ledger, tmp_path: Path) -> None:
    whole = daily(
        1,
        start=datetime(2026, 10, 1, tzinfo=UTC),
        component="Training Warm Pool",
        lasts=timedelta(days=31),
        line_id="pool",
    )
    found = reconcile(october.connection, bills.cur(tmp_path / "c.csv", [*BILL, whole]))
    assert [(line.period, line.component) for line in found.differences] == [
        (date(2026, 10, 1), "Training Warm Pool")
    ]
    assert rows(found)[1:] == AGREEING


@pytest.mark.parametrize(
    ("column", "usage_type", "texts", "expected"),
    [
        ("eu-west-2", "EU-Train:ml.m5.xlarge", (), "eu-west-2"),
        ("global", "EU-Train:ml.m5.xlarge", (), "eu-west-1"),
        ("", "EUC1-Train:ml.m5.xlarge", (), "eu-central-1"),
        ("", "APS3-Train:ml.m5.xlarge", (), "ap-south-1"),
        ("", "CNN1-Train:ml.m5.xlarge", (), "cn-north-1"),
        ("", "Train:ml.m5.xlarge", (), "us-east-1"),
        ("", "Train-WarmPool:ml.m5.xlarge", (), "us-east-1"),
        ("", "Train:ml.m5.xlarge", ('{"regioncode":"eu-west-1"}',), "eu-west-1"),
        ("", "ZZZ1-Train:ml.m5.xlarge", ("{region_code=eusc-de-east-1}",), "eusc-de-east-1"),
        ("", "ZZZ1-Train:ml.m5.xlarge", ('{"from_region_code":"eu-west-1"}', None), ""),
        ("", "", (), ""),
    ],
)
def test_the_region_of_a_line(
    column: str, usage_type: str, texts: tuple[str | None, ...], expected: str
) -> None:
    assert region_of(column, usage_type, texts) == expected


@pytest.mark.parametrize("name", ["b.csv", "b.csv.gz"])
def test_a_part_may_be_empty(october: Ledger, tmp_path: Path, name: str) -> None:
    path = bills.cur(tmp_path / "a.csv", BILL)
    empty = tmp_path / name
    empty.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    assert rows(reconcile(october.connection, tmp_path)) == AGREEING
    path.unlink()
    for bill in (tmp_path, empty):
        with pytest.raises(UsageError, match="holds no line"):
            reconcile(october.connection, bill)


def test_hidden_files_do_not_count(october: Ledger, tmp_path: Path) -> None:
    path = bills.cur(tmp_path / "a.csv", BILL)
    path.with_name("._a.csv").write_bytes(b"\0\1")
    assert rows(reconcile(october.connection, tmp_path)) == AGREEING
    archive = tmp_path / "bill.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, "/export/a.csv")
        file.writestr("__MACOSX/export/._a.csv", b"\0\1")
    assert rows(reconcile(october.connection, archive)) == AGREEING


def test_an_archive_without_a_bill_is_refused(october: Ledger, tmp_path: Path) -> None:
    archive = tmp_path / "bill.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "")
    with pytest.raises(UsageError, match="holds no line"):
        reconcile(october.connection, archive)


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("line_item_usage_amount", "NULL", "no quantity"),
        ("line_item_unblended_cost", "NULL", "no amount"),
        ("line_item_usage_start_date", "10/3/26", "10/3/26"),
        ("line_item_usage_account_id", "1.11122E+11", "1.11122E+11"),
    ],
)
def test_a_wrong_value_in_a_line_of_training_is_named(
    october: Ledger, tmp_path: Path, column: str, value: str, named: str
) -> None:
    path = bills.cur(tmp_path / "c.csv", BILL)
    header, *lines = csv.reader(path.read_text().splitlines())
    lines[0][header.index(column)] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    with pytest.raises(UsageError, match=re.escape(f"in a line of training: {named}.")):
        reconcile(october.connection, path)


def test_a_file_of_cost_explorer_may_be_by_the_hour(october: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    lines = ["Usage type,EU-Train:ml.g5.xlarge($),EU-Train:ml.g5.xlarge(Hrs)"]
    for day in range(3, 9):
        lines += [f"2026-10-{day:02}T0{hour}:00:00Z,0.785,0.5" for hour in (9, 10)]
    path.write_text("\n".join(lines))
    assert rows(reconcile(october.connection, path)) == AGREEING


def test_an_empty_cost_of_cost_explorer_is_0(october: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    # A usage type without usage and without costs is no line.
    heading = (
        "Usage type,EU-Train:ml.g5.xlarge($),EU-Train:ml.g5.xlarge(Hrs),EU-Train:ml.m5.large($)"
    )
    path.write_text("\n".join([heading, *[f"2026-10-{day:02},,1,0" for day in range(3, 9)]]))
    found = reconcile(october.connection, path)
    assert [(line.billed, line.billed_cost) for line in found.lines] == [
        (Decimal(1), Decimal(0))
    ] * 6
    # Without a column of costs the amount is not known.
    path.write_text("Usage type,EU-Train:ml.g5.xlarge(Hrs)\n2026-10-03,1\n")
    with pytest.raises(UsageError, match="no amount"):
        reconcile(october.connection, path)
