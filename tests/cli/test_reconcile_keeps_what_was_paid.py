"""`reconcile --keep` makes reports show what was paid; `report --basis list` shows list prices."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.store import rates
from exporter.store.database import Database
from tests.cli.conftest import Command
from tests.support import bills
from tests.support.bills import Charge


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    """The training and the pool of the filled database, at half a dollar an hour."""
    lines = [
        Charge(
            datetime(2026, 10, 3, 12, tzinfo=UTC),
            component,
            "ml.m5.xlarge",
            Decimal(hours),
            Decimal(hours) / 2,
            account="123456789012",
        )
        for component, hours in (("Training", "5"), ("Training Warm Pool", "0.75"))
    ]
    return bills.cur(tmp_path / "cur.parquet", lines)


def test_a_kept_bill_changes_the_costs_until_it_is_removed(
    command: Command, filled: Database, bill: Path
) -> None:
    db = ("--db", str(filled.path))

    def total(*options: str) -> Decimal:
        answer = command("report", "training-cost", "--month", "2026-10", "--json", *options, *db)
        found: Decimal = json.loads(answer.out, parse_float=Decimal)["totals"]["cost_usd"]
        return found

    assert total() == 5
    answer = command("reconcile", str(bill), "--keep", *db)
    assert (answer.code, answer.err) == (
        0,
        "reconcile: kept 2 rates of the bill; our jobs explain 3.00 of 2.88 USD; "
        "`prices remove 1` undoes this\n"
        "reconcile: not explained: Training Warm Pool ml.m5.xlarge on 2026-10-03 of account "
        "123456789012 in eu-west-1: billed 0.38, ours 0.50 USD\n"
        "reconcile: the cost of 2026-10 changes from 6.00 to 3.00 USD (-3.00)\n",
    )
    assert total() == total("--basis", "net") == Decimal("2.5")
    (kept,) = json.loads(command("prices", "imports", "--json", *db).out)["rows"]
    assert (kept["import_id"], kept["file"], kept["prices"]) == (1, "cur.parquet", 2)
    assert command("prices", "remove", "1", *db).code == 0
    assert total() == 5


def test_the_list_basis_shows_public_prices(command: Command, filled: Database, bill: Path) -> None:
    db = ("--db", str(filled.path))
    api = "INSERT INTO prices (region, component, instance_type, usd_per_unit, unit, effective_from"
    with filled.writing() as connection:
        connection.execute(
            f"{api}, source) VALUES ('eu-west-1', 'Training', 'ml.m5.xlarge', 0.25, 'Hrs', "
            "'2026-01-01', 'Price List API')"
        )
        rates.refresh(connection)
    command("reconcile", str(bill), "--keep", *db)
    report = ("report", "training-cost", "--month", "2026-10", "--basis", "list", *db)
    found = json.loads(command(*report, "--json").out, parse_float=Decimal)
    assert found["totals"]["cost_usd"] == Decimal("1.25")
    # The printed SQL gives the same basis when it is pasted.
    sql = command(*report, "--sql").out
    with filled.reading() as connection:
        rows = list(connection.execute(sql).mappings())
    assert Decimal("1.25") in {row["cost_usd"] for row in rows}


def test_json_has_what_was_kept(command: Command, filled: Database, bill: Path) -> None:
    db = ("--db", str(filled.path))
    answer = json.loads(
        command("reconcile", str(bill), "--keep", "--json", *db).out, parse_float=Decimal
    )
    assert "kept" not in json.loads(command("reconcile", str(bill), "--json", *db).out)
    assert answer["kept"] == {
        "import_id": 1,
        "rates": 2,
        "job_rates": 0,
        "shared_reductions": 0,
        "amounts": [
            {"currency": "USD", "billed": Decimal("2.875"), "explained": Decimal("3")},
        ],
        "unexplained": [
            {
                "period": "2026-10-03",
                "account_id": "123456789012",
                "region": "eu-west-1",
                "component": "Training Warm Pool",
                "instance_type": "ml.m5.xlarge",
                "training_job_arn": "",
                "currency": "USD",
                "billed": Decimal("0.375"),
                "explained": Decimal("0.5"),
            }
        ],
        "changed_months": [
            {
                "month": "2026-10",
                "before_usd": Decimal(6),
                "after_usd": Decimal(3),
                "difference_usd": Decimal(-3),
            }
        ],
    }


def test_credits_count_only_on_request(command: Command, filled: Database, tmp_path: Path) -> None:
    line = Charge(
        datetime(2026, 10, 3, 12, tzinfo=UTC), "Training", "ml.m5.xlarge", Decimal(5), Decimal(5),
        account="123456789012",
    )  # fmt: skip
    credit = replace(line, kind="Credit", quantity=Decimal(0), usd=Decimal(-1))
    path = str(bills.cur(tmp_path / "cur.csv", [line, credit]))
    db = ("--db", str(filled.path))
    refused = command("reconcile", path, "--credits", *db)
    assert (refused.code, "--credits needs --keep" in refused.err) == (2, True)
    answer = command("reconcile", path, "--keep", "--credits", *db)
    assert "kept 1 rate of the bill; our jobs explain 4.00 of 4.00 USD" in answer.err
    assert "the lines of an item share 1 discount or credit without a job" in answer.err
