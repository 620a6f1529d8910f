"""reconcile: what differs, which jobs explain it, and the rates of the bill."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.store.database import Database
from tests.cli.conftest import Command
from tests.support import bills
from tests.support.bills import Charge

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


def test_differences_are_shown_with_the_jobs_behind_them(
    command: Command, filled: Database, bill: Path
) -> None:
    db = ("--db", str(filled.path))
    answer = command("reconcile", str(bill), *db)
    assert (answer.code, answer.err) == (0, "")
    assert "bert-1 (differs)" in answer.out
    assert "--rates FILE writes the rates that the bill charged" in answer.out
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


def test_the_rates_of_the_bill_can_be_imported(
    command: Command, filled: Database, bill: Path
) -> None:
    db = ("--db", str(filled.path))
    assert command("reconcile", str(bill), "--rates", "rates.csv", *db).code == 0
    assert command("prices", "import", "rates.csv", *db).code == 0
    answer = command("report", "training-cost", "--month", "2026-10", "--json", *db)
    assert json.loads(answer.out)["totals"]["cost_usd"] == 2.5


def test_a_file_that_is_no_bill_is_refused_in_one_line(
    command: Command, filled: Database, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.csv"
    junk.write_text("a,b\n1,2\n")
    for path in (junk, tmp_path / "none.csv"):
        answer = command("reconcile", str(path), "--db", str(filled.path))
        assert (answer.code, answer.out) == (2, "")
        assert len(answer.err.splitlines()) == 1
