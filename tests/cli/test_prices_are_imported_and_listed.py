"""prices: an import is all or nothing, and the list shows what is in force."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.store.database import Database

if TYPE_CHECKING:
    from tests.cli.conftest import Command

HEAD = "region,component,instance_type,usd_per_unit,unit,effective_from,source\n"
RATE = "eu-west-1,Training,ml.m5.xlarge,2.50,Hrs,2026-10-03,our contract\n"
DISK = "eu-west-1,Training ML storage,,0.131,GB-Mo,2026-10-01,our contract\n"


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(HEAD + RATE + DISK)
    return path


def test_an_import_changes_the_costs(command: Command, filled: Database, rates: Path) -> None:
    db = ("--db", str(filled.path))
    answer = command("prices", "import", str(rates), *db)
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == (
        "prices import: 2 prices, 1 new, 1 changed, 0 unchanged\n"
        "prices import: the cost of 2026-10 changes from 6.00 to 15.03 USD (+9.03)\n"
        "prices import: `prices remove 1` undoes this import\n"
    )
    again = json.loads(command("prices", "import", str(rates), "--json", *db).out)
    assert again == {
        "version": 1, "file": str(rates), "prices": 2, "new": 0, "changed": 0, "unchanged": 2,
        "import_id": 2, "changed_months": [],
    }  # fmt: skip
    report = command("report", "warm-pool-cost", "--month", "2026-10", "--json", *db)
    found = json.loads(report.out, parse_float=Decimal)
    assert found["totals"]["cost_usd"] == Decimal("2.50") + found["totals"]["storage_usd"]


def test_an_import_is_listed_and_can_be_removed(
    command: Command, filled: Database, rates: Path
) -> None:
    db = ("--db", str(filled.path))
    before = command("report", "training-cost", "--month", "2026-10", "--json", *db).out
    command("prices", "import", str(rates), *db)
    (listed,) = json.loads(command("prices", "imports", "--json", *db).out)["rows"]
    imported_at = listed.pop("imported_at")
    assert listed == {"import_id": 1, "file": "rates.csv", "prices": 2}
    assert imported_at.endswith("Z")
    answer = command("prices", "remove", "1", "--json", *db)
    removed = json.loads(answer.out, parse_float=Decimal)
    (month,) = removed.pop("changed_months")
    assert month["month"] == "2026-10"
    assert month["after_usd"] - month["before_usd"] == month["difference_usd"] < 0
    assert removed == {
        "version": 1, "import_id": 1, "file": "rates.csv", "prices": 2, "imported_at": imported_at,
    }  # fmt: skip
    after = command("report", "training-cost", "--month", "2026-10", "--json", *db).out
    assert json.loads(after)["rows"] == json.loads(before)["rows"]
    missing = command("prices", "remove", "1", *db)
    assert (missing.code, missing.out) == (2, "")
    assert "There is no import 1." in missing.err


def test_prices_can_be_imported_before_the_first_sync(command: Command, rates: Path) -> None:
    assert command("prices", "import", str(rates)).code == 0
    assert command("status").code == 0
    found = json.loads(command("prices", "list", "--all", "--json").out)
    assert {row["source"] for row in found["rows"]} >= {"our contract"}


def test_a_wrong_file_is_one_line_and_changes_nothing(
    command: Command, filled: Database, rates: Path
) -> None:
    rates.write_text(HEAD + RATE + DISK.replace("GB-Mo", "GB"))
    answer = command("prices", "import", str(rates), "--db", str(filled.path))
    assert (answer.code, answer.out) == (2, "")
    assert "line 3: unit 'GB'" in answer.err
    assert len(answer.err.splitlines()) == 1
    options = ("--on", "2026-10-04", "--format", "csv", "--db", str(filled.path))
    listed = command("prices", "list", *options)
    assert listed.out.splitlines()[1:] == [
        "eu-west-1,Training,ml.m5.xlarge,1,Hrs,2026-10-03,contract,false,,,USD,1",
        "eu-west-1,Training Warm Pool,ml.m5.xlarge,1,Hrs,2026-10-03,contract,false,,,USD,1",
    ]
    assert "In use without a price: Training ML storage in eu-west-1 (2 jobs)." in listed.err


def test_prices_of_a_day_before_the_first_known_one_are_estimated(
    command: Command, filled: Database
) -> None:
    answer = command("prices", "list", "--on", "2020-02-02", "--json", "--db", str(filled.path))
    found = json.loads(answer.out)
    assert found["title"] == "Prices in force on 2020-02-02"
    assert {row["estimated"] for row in found["rows"]} == {True}


def test_a_price_in_another_currency_is_listed_and_never_added_to_a_total(
    command: Command, filled: Database, rates: Path
) -> None:
    db = ("--db", str(filled.path))
    header = HEAD.replace("\n", ",account_id,currency\n")
    rates.write_text(header + RATE.replace("\n", ",123456789012,CNY\n"))
    assert command("prices", "import", str(rates), *db).code == 0
    listed = json.loads(command("prices", "list", "--json", *db).out, parse_float=Decimal)
    assert {
        (row["account"], row["component"], row["usd_per_unit"], row["currency"])
        for row in listed["rows"]
        if row["source"] == "our contract"
    } == {
        ("123456789012", component, Decimal("2.5"), "CNY")
        for component in ("Training", "Training Warm Pool")
    }
    assert "other_currency" in {note["code"] for note in listed["notes"]}
    report = command("report", "training-cost", "--month", "2026-10", "--json", *db)
    assert json.loads(report.out)["totals"]["cost_usd"] is None
