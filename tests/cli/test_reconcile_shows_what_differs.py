"""`reconcile` as a command: what differs, the jobs that explain it, and the rates of the bill."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.store.database import Database
from tests.cli.conftest import Command
from tests.support import bills
from tests.support.bills import Charge
from tests.support.rows import insert

DAY = datetime(2026, 10, 3, 12, tzinfo=UTC)
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/"


def charge(component: str, hours: str, usd: str, job: str) -> Charge:
    return Charge(
        DAY,
        component,
        "ml.m5.xlarge",
        Decimal(hours),
        Decimal(usd),
        resource=ARN + job,
        account="123456789012",
    )


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    lines = [
        charge("Training", "2", "1", "bert-1"),
        charge("Training", "3", "1.5", "resnet-1"),
        charge("Training Warm Pool", "0.75", "0.375", "bert-1"),
    ]
    return bills.cur(tmp_path / "cur.parquet", lines)


def without_storage(database: Database) -> None:
    """Let m5 have local storage, which costs nothing."""
    with database.writing() as connection:
        insert(connection, "local_storage_families", family="m5")


def test_differences_are_shown_with_the_jobs_behind_them(
    command: Command, filled: Database, bill: Path
) -> None:
    db = ("--db", str(filled.path))
    answer = command("reconcile", str(bill), *db)
    assert (answer.code, answer.err) == (0, "")
    assert "bert-1 (differs)" in answer.out
    assert "--rates FILE writes what the bill really charged" in answer.out
    found = json.loads(command("reconcile", str(bill), "--json", *db).out, parse_float=Decimal)
    rows = {row["component"]: row for row in found["rows"]}
    assert (rows["Training"]["differs"], rows["Training"]["usd_differs"]) == (False, True)
    pool = rows["Training Warm Pool"]
    assert (pool["billed"], pool["ours"], pool["difference"]) == (
        Decimal("0.75"),
        1,
        Decimal("0.25"),
    )
    assert pool["jobs"][0]["training_job_name"] == "bert-1"
    assert found["totals"]["billed_usd"] == Decimal("2.875")
    assert command("reconcile", str(bill), "--check", *db).code == 3


def test_a_difference_is_one_line_of_80_columns(
    command: Command, filled: Database, tmp_path: Path
) -> None:
    without_storage(filled)
    long_name = "resnet-" + 50 * "x"
    lines = [
        charge("Training", "2", "1", "bert-1"),
        charge("Training", "30", "15000.5", long_name),
        charge("Training Warm Pool", "0.75", "0.375", "bert-1"),
        replace(charge("Training", "5", "9", "x"), account="999900001111", region="us-east-1"),
        replace(charge("Training", "1234.5", "98765.4", "x"), instance_type="ml.p5.48xlarge"),
    ]
    path = bills.cur(tmp_path / "cur.parquet", lines)
    command.env["COLUMNS"] = "80"
    answer = command.process("reconcile", str(path), "--db", str(filled.path))
    assert (answer.code, answer.err) == (0, "")
    shown = answer.out.splitlines()
    assert max(map(len, shown)) <= 80
    table = [line.split() for line in shown if line.startswith("2026-10-03")]
    # The most money first.
    assert [(line[1], line[2:-5], line[-5], line[-2], line[-1]) for line in table] == [
        ("1", ["ml.p5.48xlarge"], "Hrs", "true", "1"),
        ("1", ["ml.m5.xlarge"], "Hrs", "true", "2"),
        ("2", ["ml.m5.xlarge"], "Hrs", "true", "1"),
        ("1", ["pool", "ml.m5.xlarge"], "Hrs", "true", "1"),
    ]
    heading = next(line.split() for line in shown if line.startswith("period"))
    assert heading[:4] == ["period", "in", "item", "unit"]
    assert heading[-2:] == ["differs", "jobs"]
    assert "1: account 123456789012, eu-west-1." in shown
    assert "2: account 999900001111, us-east-1." in shown
    assert "bert-1" not in answer.out
    named = command.process("reconcile", str(path), "--jobs", "--db", str(filled.path)).out
    # An ARN that is longer than the line stays whole.
    assert all(len(line) <= 80 or " " not in line for line in named.splitlines())
    text = " ".join(named.split())
    assert "2026-10-03 pool ml.m5.xlarge: bert-1 (differs)." in text
    assert "resnet-1 (not on the bill)" in text


def test_a_terminal_shows_the_first_lines_and_hours_before_money(
    command: Command, filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_storage(filled)
    lines = [
        charge("Training", "2", "9999", "bert-1"),  # only the money differs
        charge("Training", "3", "1.5", "resnet-1"),
        charge("Training Warm Pool", "0.75", "0.01", "bert-1"),
        *(
            replace(charge("Training", "2", "0.01", "x"), instance_type=f"ml.x{number}.xlarge")
            for number in range(60)
        ),
    ]
    path = bills.cur(tmp_path / "cur.parquet", lines)
    arguments = ("reconcile", str(path), "--db", str(filled.path))
    for columns in ("80", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        answer = command(*arguments)
        assert (answer.code, answer.err) == (0, "")
        assert len([line for line in answer.out.splitlines() if "2026-10-03 " in line]) == 50
        assert "Shown: 50 of 62 lines; --output FILE or a pipe has all." in answer.out
    monkeypatch.delenv("COLUMNS")
    answer = command(*arguments)
    assert "Shown: 50" not in answer.out
    shown = [line for line in answer.out.splitlines() if line.startswith("2026-10-03")]
    assert len(shown) == 62
    assert ["10,000.50" in line for line in shown] == [*[False] * 61, True]


def test_what_is_not_compared_is_listed_with_its_money(
    command: Command, filled: Database, tmp_path: Path
) -> None:
    without_storage(filled)
    lines = [
        charge("Training", "2", "1", "bert-1"),
        charge("Training", "3", "1.5", "resnet-1"),
        charge("Training Warm Pool", "1", "0.5", "bert-1"),
        replace(charge("Training", "0", "19.5", ""), kind="Tax", lasts=timedelta(days=31)),
        replace(charge("Training", "1", "-7", ""), kind="Refund"),
    ]
    path = bills.cur(tmp_path / "cur.csv", lines)
    db = ("--db", str(filled.path))
    answer = command("reconcile", str(path), "--check", "--json", *db)
    assert answer.code == 0
    found = json.loads(answer.out)
    notes = {note["code"]: note["text"] for note in found["notes"]}
    assert (
        notes["not_compared"] == "Not compared: Tax 19.50 USD (1 line), Refund -7.00 USD (1 line)."
    )
    assert (found["version"], found["report"]) == (1, "reconcile")
    rows = {row["component"]: row for row in found["rows"]}
    assert list(rows["Training"]) == [
        "period", "account", "region", "component", "instance_type", "unit", "billed", "ours",
        "difference", "billed_usd", "our_usd", "differs", "usd_differs", "jobs", "job_count",
        "missing", "purchase", "covered", "currency", "billed_cost",
    ]  # fmt: skip


def test_check_fails_if_an_account_is_missing(
    command: Command, filled: Database, tmp_path: Path
) -> None:
    path = bills.cur(
        tmp_path / "cur.csv", [replace(charge("Training", "1", "1", ""), account="999900001111")]
    )
    answer = command("reconcile", str(path), "--check", "--db", str(filled.path))
    assert answer.code == 3
    assert "not in the bill: account 123456789012" in answer.err


def test_the_rates_of_the_bill_can_be_imported(
    command: Command, filled: Database, bill: Path
) -> None:
    db = ("--db", str(filled.path))
    assert command("reconcile", str(bill), "--rates", "rates.csv", *db).code == 0
    assert command("prices", "import", "rates.csv", *db).code == 0
    answer = command("report", "training-cost", "--month", "2026-10", "--json", *db)
    assert json.loads(answer.out)["totals"]["cost_usd"] == 2.5


def test_what_is_no_bill_is_one_line(command: Command, filled: Database, tmp_path: Path) -> None:
    junk = tmp_path / "junk.csv"
    junk.write_text("a,b\n1,2\n")
    for path in (junk, tmp_path / "none.csv"):
        answer = command("reconcile", str(path), "--db", str(filled.path))
        assert (answer.code, answer.out) == (2, "")
        assert len(answer.err.splitlines()) == 1
