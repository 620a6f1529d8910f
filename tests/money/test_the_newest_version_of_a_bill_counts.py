"""Of several versions of an export the newest of each billing period counts; the rest is named."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.bills import Reconciliation, reconcile
from tests.money.conftest import Ledger
from tests.money.known_jobs import AGREEING, BILL, rows
from tests.support import bills
from tests.support.bills import Charge

#: The same lines without ids, as an export has that did not select them.
PLAIN = [replace(line, line_id="") for line in BILL]
OLDER = [replace(line, quantity=Decimal(9)) for line in PLAIN[:4]]
MONTH = "data/BILLING_PERIOD=2026-10"
FIRST, SECOND = "20261105T010101Z-aaaa", "20261106T010101Z-bbbb"


def put(folder: Path, name: str, charges: list[Charge], modified: int = 0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    bills.cur(path, charges)
    moment = datetime(2026, 11, 5, tzinfo=UTC).timestamp() + modified
    os.utime(path, (moment, moment))
    return path


def manifest(folder: Path, name: str, *files: str, key: str = "dataFiles") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"executionId": "x", key: [f"s3://b/p/e/{file}" for file in files]}))


def left_out(found: Reconciliation) -> list[str]:
    return list(found.export.left_out)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (FIRST, SECOND),
        ("2026-11-05T01:01:01.000Z-0aaa", "2026-11-06T01:01:01.000Z-0bbb"),
    ],
)
def test_the_newest_execution_counts(
    october: Ledger, tmp_path: Path, first: str, second: str
) -> None:
    put(tmp_path, f"{MONTH}/{first}/e-00001.csv", OLDER, modified=99)
    put(tmp_path, f"{MONTH}/{second}/e-00001.csv", PLAIN[:3])
    put(tmp_path, f"{MONTH}/{second}/e-00002.csv", PLAIN[3:])
    # Also when the given folder is the billing period itself.
    for folder in (tmp_path, tmp_path / MONTH):
        found = reconcile(october.connection, folder)
        assert rows(found) == AGREEING
        prefix = f"{MONTH}/" if folder == tmp_path else ""
        assert left_out(found) == [f"{prefix}{first}/e-00001.csv: an older version"]


def test_each_billing_period_has_its_own_newest_execution(october: Ledger, tmp_path: Path) -> None:
    september = replace(PLAIN[0], start=datetime(2026, 9, 2, tzinfo=UTC), quantity=Decimal(2))
    put(tmp_path, f"data/BILLING_PERIOD=2026-09/{FIRST}/e.csv", [september])
    put(tmp_path, f"{MONTH}/{SECOND}/e.csv", PLAIN)
    found = reconcile(october.connection, tmp_path)
    assert found.differences == []
    assert found.export.months == (date(2026, 9, 1), date(2026, 10, 1))
    assert (len(found.lines), left_out(found)) == (7, [])


def test_a_billing_period_without_training_is_missing(october: Ledger, tmp_path: Path) -> None:
    ec2 = replace(PLAIN[0], start=datetime(2026, 9, 2, tzinfo=UTC), product="AmazonEC2")
    put(tmp_path, "data/BILLING_PERIOD=2026-09/e.csv", [ec2])
    put(tmp_path, f"{MONTH}/e.csv", PLAIN)
    found = reconcile(october.connection, tmp_path)
    assert [(line.period, line.missing) for line in found.differences] == [
        (date(2026, 9, 2), "on the bill")
    ]


def test_the_manifest_lists_the_files_of_the_newest_complete_execution(
    october: Ledger, tmp_path: Path
) -> None:
    put(tmp_path, f"{MONTH}/{FIRST}/e-00001.csv", PLAIN)
    put(tmp_path, f"{MONTH}/{SECOND}/e-00001.csv", OLDER)  # still being written: no manifest
    manifest(tmp_path, f"metadata/BILLING_PERIOD=2026-10/{FIRST}/e-Manifest.json",
             f"{MONTH}/{FIRST}/e-00001.csv")  # fmt: skip
    found = reconcile(october.connection, tmp_path)
    assert rows(found) == AGREEING
    assert left_out(found) == [f"{MONTH}/{SECOND}/e-00001.csv: not in the newest manifest"]


def test_a_part_that_an_overwritten_export_no_longer_has_does_not_count(
    october: Ledger, tmp_path: Path
) -> None:
    put(tmp_path, f"{MONTH}/e-00001.csv", PLAIN)
    put(tmp_path, f"{MONTH}/e-00002.csv", OLDER)
    manifest(
        tmp_path, "metadata/BILLING_PERIOD=2026-10/e-Manifest.json", f"{MONTH}/e-00001.csv",
        f"{MONTH}/e-00003.csv",
    )  # fmt: skip
    found = reconcile(october.connection, tmp_path)
    assert rows(found) == AGREEING
    assert left_out(found) == [f"{MONTH}/e-00002.csv: not in the newest manifest"]
    assert found.export.absent == ("e-00003.csv of 2026-10",)


def test_the_assembly_that_a_legacy_manifest_names_counts(october: Ledger, tmp_path: Path) -> None:
    old = "20261001-20261101/ffffffff-0000-0000-0000-000000000000"
    new = "20261001-20261101/00000000-0000-0000-0000-000000000000"
    put(tmp_path, f"{old}/r-00001.csv", OLDER, modified=99)
    put(tmp_path, f"{new}/r-00001.csv", PLAIN)
    manifest(tmp_path, "20261001-20261101/r-Manifest.json", f"{new}/r-00001.csv", key="reportKeys")
    # Downloaded later.
    manifest(tmp_path, f"{old}/r-Manifest.json", f"{old}/r-00001.csv", key="reportKeys")
    found = reconcile(october.connection, tmp_path)
    assert rows(found) == AGREEING
    assert left_out(found) == [f"{old}/r-00001.csv: not in the newest manifest"]


def test_files_of_the_same_name_in_other_folders_all_count(october: Ledger, tmp_path: Path) -> None:
    for folder in (tmp_path / "flat", tmp_path / MONTH):
        put(folder, "a/part.csv", PLAIN[:2])
        put(folder, "b/part.csv", PLAIN[2:])
        found = reconcile(october.connection, folder)
        assert (rows(found), left_out(found)) == (AGREEING, [])


def test_a_manifest_of_other_files_is_ignored(october: Ledger, tmp_path: Path) -> None:
    put(tmp_path, f"{MONTH}/e-00001.csv", PLAIN)
    manifest(tmp_path, "metadata/BILLING_PERIOD=2026-10/e-Manifest.json", f"{MONTH}/other.csv")
    (tmp_path / "metadata/BILLING_PERIOD=2026-10/x-Manifest.json").write_text("[1]")
    assert rows(reconcile(october.connection, tmp_path)) == AGREEING


def test_a_line_id_is_never_added_twice_and_the_newer_file_counts(
    october: Ledger, tmp_path: Path
) -> None:
    older = [replace(line, quantity=Decimal(9)) for line in BILL[:4]]
    put(tmp_path, "z.csv", older)
    put(tmp_path, "a.csv", [*BILL, BILL[0]], modified=10)
    found = reconcile(october.connection, tmp_path)
    assert rows(found) == AGREEING
    assert (found.export.lines, found.export.repeated) == (6, 5)


def test_the_same_line_id_on_another_day_is_another_line(october: Ledger, tmp_path: Path) -> None:
    bill = [replace(line, line_id="x") for line in BILL]
    found = reconcile(october.connection, put(tmp_path, "a.csv", bill))
    assert rows(found) == AGREEING


def test_a_copy_of_a_file_is_not_added(october: Ledger, tmp_path: Path) -> None:
    bills.focus(tmp_path / "f.csv", BILL)
    (tmp_path / "f (1).csv").write_bytes((tmp_path / "f.csv").read_bytes())
    found = reconcile(october.connection, tmp_path)
    assert rows(found) == AGREEING
    assert left_out(found) == ["f.csv: the same content as f (1).csv"]


def test_files_that_a_manifest_lists_are_absent_also_without_any_file_of_the_month(
    october: Ledger, tmp_path: Path
) -> None:
    put(tmp_path, f"{MONTH}/{FIRST}/e-00001.csv", PLAIN)
    for month, execution in (("10", SECOND), ("09", FIRST)):
        period = f"BILLING_PERIOD=2026-{month}/{execution}"
        manifest(tmp_path, f"metadata/{period}/e-Manifest.json", f"data/{period}/e-00001.csv")
    found = reconcile(october.connection, tmp_path)
    assert rows(found) == AGREEING
    assert found.export.absent == (
        f"{FIRST}/e-00001.csv of 2026-09",
        f"{SECOND}/e-00001.csv of 2026-10",
    )


def test_a_manifest_that_lists_no_files_is_ignored(october: Ledger, tmp_path: Path) -> None:
    put(tmp_path, "e-00001.csv", PLAIN)
    (tmp_path / "e-Manifest.json").write_text('{"dataFiles": "s3://b/e-00001.csv"}')
    found = reconcile(october.connection, tmp_path)
    assert (rows(found), found.export.absent) == (AGREEING, ())
