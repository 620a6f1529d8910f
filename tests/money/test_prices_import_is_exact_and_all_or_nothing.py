"""`prices import` stores exact prices, all or none, and names the first wrong line."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.errors import UsageError
from exporter.prices.effects import ChangedMonth
from exporter.prices.imports import (
    Import,
    ImportResult,
    Removal,
    import_csv,
    imports,
    remove,
)
from tests.money.conftest import ACCOUNT, REGION, Ledger

NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)
HEADER = "region,component,instance_type,usd_per_unit,unit,effective_from"
LINE = "eu-west-1,Training,ml.m5.xlarge,0.2,Hrs,2026-10-01"


def put(tmp_path: Path, *lines: str, header: str = HEADER, name: str = "rates.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_an_import_stores_the_exact_prices(ledger: Ledger, tmp_path: Path) -> None:
    path = put(
        tmp_path,
        LINE + ",our contract,USD",
        "eu-west-1,Training ML storage,,.123456789012,GB-Mo,2026-10-01,,",
        header="\ufeff" + HEADER + ",source,currency",
    )
    assert import_csv(ledger.connection, path, NOW) == ImportResult(
        str(path), 2, new=2, changed=0, import_id=1, changed_months=()
    )
    assert ledger.read("SELECT * FROM prices ORDER BY component") == [
        {
            "region": REGION,
            "component": "Training",
            "instance_type": "ml.m5.xlarge",
            "usd_per_unit": Decimal("0.2"),
            "unit": "Hrs",
            "effective_from": date(2026, 10, 1),
            "source": "our contract",
            "account_id": "",
            "currency": "USD",
            "effective_until": None,
            "import_id": 1,
            "training_job_arn": "",
        },
        {
            "region": REGION,
            "component": "Training ML storage",
            "instance_type": "",
            "usd_per_unit": Decimal("0.123456789012"),
            "unit": "GB-Mo",
            "effective_from": date(2026, 10, 1),
            "source": "import: rates.csv",
            "account_id": "",
            "currency": "USD",
            "effective_until": None,
            "import_id": 1,
            "training_job_arn": "",
        },
    ]


def test_the_last_import_is_in_force_until_it_is_removed(ledger: Ledger, tmp_path: Path) -> None:
    ledger.price("0.257", source="shipped list: seen", since=date(2026, 10, 1))
    ledger.price("0.25", source="Price List API", since=date(2026, 10, 1))
    later = LINE.replace("2026-10-01", "2026-11-01")
    import_csv(ledger.connection, put(tmp_path, LINE, later), NOW)
    path = put(tmp_path, LINE.replace("0.2,", "0.19,"), name="corrected.csv")
    result = import_csv(ledger.connection, path, NOW)
    assert (result.prices, result.new, result.changed, result.unchanged) == (1, 0, 1, 0)
    assert in_force(ledger) == [(Decimal("0.19"), "import: corrected.csv")]
    again = import_csv(ledger.connection, path, NOW + timedelta(hours=1))
    assert (again.import_id, again.unchanged) == (3, 1)
    assert imports(ledger.connection) == [
        Import(1, "rates.csv", NOW, 2),
        Import(2, "corrected.csv", NOW, 1),
        Import(3, "corrected.csv", NOW + timedelta(hours=1), 1),
    ]
    removed = remove(ledger.connection, 3, NOW)
    assert removed == Removal(Import(3, "corrected.csv", NOW + timedelta(hours=1), 1), ())
    assert in_force(ledger) == [(Decimal("0.19"), "import: corrected.csv")]
    remove(ledger.connection, 2, NOW)
    assert in_force(ledger) == [(Decimal("0.2"), "import: rates.csv")]
    remove(ledger.connection, 1, NOW)
    assert in_force(ledger) == [(Decimal("0.25"), "Price List API")]
    assert imports(ledger.connection) == []
    assert ledger.read("SELECT import_id, file, imported_at, removed_at FROM price_imports") == [
        {"import_id": 1, "file": "rates.csv", "imported_at": NOW, "removed_at": NOW},
        {"import_id": 2, "file": "corrected.csv", "imported_at": NOW, "removed_at": NOW},
        {
            "import_id": 3,
            "file": "corrected.csv",
            "imported_at": NOW + timedelta(hours=1),
            "removed_at": NOW,
        },
    ]
    # An ID is never used again.
    assert import_csv(ledger.connection, path, NOW).import_id == 4


def in_force(ledger: Ledger) -> list[tuple[Decimal, str]]:
    """Return price and source of training on 3 October 2026."""
    found = ledger.read("""
        SELECT usd_per_unit, price_source FROM rates
        WHERE component = 'Training' AND '2026-10-03' >= valid_from AND '2026-10-03' < valid_to
    """)
    return [(row["usd_per_unit"], row["price_source"]) for row in found]


@pytest.mark.parametrize("import_id", [1, 2, 99])
def test_only_an_import_in_the_database_can_be_removed(
    ledger: Ledger, tmp_path: Path, import_id: int
) -> None:
    import_csv(ledger.connection, put(tmp_path, LINE), NOW)
    remove(ledger.connection, 1, NOW)
    with pytest.raises(UsageError, match=f"There is no import {import_id}"):
        remove(ledger.connection, import_id, NOW)


def test_an_import_and_its_removal_name_the_past_months_that_cost_something_else(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.put("local_storage_families", family="m5")
    ledger.price("0.3", source="Price List API")
    for name, month in (("aug", 8), ("sep", 9), ("oct", 10), ("nov", 11)):
        ledger.job(
            f"{name}-1",
            created=datetime(2026, month, 3, 12, tzinfo=UTC),
            training_end_time=datetime(2026, month, 3, 22, tzinfo=UTC),
            account="444455556666" if month == 8 else ACCOUNT,
            details={
                "instance_type": "ml.m5.xlarge",
                "instance_count": 2,
                "billable_seconds": 36000,
            },
        )
    header = HEADER + ",account_id"
    path = put(
        tmp_path,
        f"{LINE.replace('2026-10-01', '2026-09-01')},{ACCOUNT}",
        f"{LINE.replace('0.2,', '0.3,')},{ACCOUNT}",
        header=header,
    )
    # October costs what it cost before, November is not over, August is another account's.
    change = ChangedMonth("2026-09", Decimal(6), Decimal(4))
    assert import_csv(ledger.connection, path, NOW).changed_months == (change,)
    assert change.difference_usd == -2
    back = ChangedMonth("2026-09", Decimal(4), Decimal(6))
    assert remove(ledger.connection, 1, NOW).changed_months == (back,)


def test_accounts_can_have_different_prices_for_one_item_and_day(
    ledger: Ledger, tmp_path: Path
) -> None:
    path = put(
        tmp_path,
        f"{LINE},,{ACCOUNT},USD",
        f"{LINE.replace('0.2,', '0.1,')},,444455556666,USD",
        header=HEADER + ",source,account_id,currency",
    )
    assert import_csv(ledger.connection, path, NOW).new == 2
    assert import_csv(ledger.connection, path, NOW).unchanged == 2
    assert ledger.read("""
        SELECT DISTINCT account_id, component, usd_per_unit FROM rates ORDER BY ALL
    """) == [
        {"account_id": account, "component": component, "usd_per_unit": Decimal(usd)}
        for account, usd in ((ACCOUNT, "0.2"), ("444455556666", "0.1"))
        for component in ("Training", "Training Warm Pool")
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("eu-west,Training,ml.m5.xlarge,1,Hrs,2026-10-01", "region 'eu-west' is not a region"),
        ("eu-west-1,Hosting,ml.m5.xlarge,1,Hrs,2026-10-01", "component 'Hosting' is not one of"),
        (
            "eu-west-1,Training,m5.xlarge,1,Hrs,2026-10-01",
            "instance_type 'm5.xlarge' is not a type",
        ),
        ("eu-west-1,Training,,1,Hrs,2026-10-01", "instance_type '' is not a type"),
        (
            "eu-west-1,Training ML storage,ml.m5.xlarge,1,GB-Mo,2026-10-01",
            "must be empty for storage",
        ),
        ("eu-west-1,Training,ml.m5.xlarge,1,GB-Mo,2026-10-01", "must be Hrs for Training"),
        ("eu-west-1,Training,ml.m5.xlarge,-1,Hrs,2026-10-01", "usd_per_unit '-1'"),
        ("eu-west-1,Training,ml.m5.xlarge,1e3,Hrs,2026-10-01", "usd_per_unit '1e3'"),
        ("eu-west-1,Training,ml.m5.xlarge,NaN,Hrs,2026-10-01", "usd_per_unit 'NaN'"),
        ('eu-west-1,Training,ml.m5.xlarge,"1,5",Hrs,2026-10-01', "usd_per_unit '1,5'"),
        ("eu-west-1,Training,ml.m5.xlarge,,Hrs,2026-10-01", "usd_per_unit ''"),
        ("eu-west-1,Training,ml.m5.xlarge,1000000,Hrs,2026-10-01", "below 1000000"),
        ("eu-west-1,Training,ml.m5.xlarge,.0000000000001,Hrs,2026-10-01", "at most 12 decimals"),
        ("eu-west-1,Training,ml.m5.xlarge,1,Hrs,2026-13-01", "effective_from '2026-13-01'"),
        ("eu-west-1,Training,ml.m5.xlarge,1,Hrs,01.10.2026", "effective_from '01.10.2026'"),
        ("eu-west-1,Training,ml.m5.xlarge,1,Hrs,20261001", "effective_from '20261001'"),
        ("eu-west-1,Training,ml.m5.xlarge,1,Hrs", "differ in the number of values"),
        ("eu-west-1,Training,ml.m5.xlarge,1,Hrs,2026-10-01,more", "differ in the number of values"),
        (LINE.replace("0.2,", "0.3,"), "line 2 has another price"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_imported(
    ledger: Ledger, tmp_path: Path, line: str, message: str
) -> None:
    path = put(tmp_path, LINE, line)
    with pytest.raises(UsageError) as raised:
        import_csv(ledger.connection, path, NOW)
    assert str(raised.value).startswith(f"{path}, line 3: ")
    assert message in str(raised.value)
    assert ledger.read("SELECT * FROM prices") == []


@pytest.mark.parametrize(
    ("source", "currency", "message"),
    [
        ("", "GBP", "currency 'GBP' is not one of USD, CNY, EUR"),
        ("Price List API", "", "is reserved"),
        ("shipped list: mine", "USD", "is reserved"),
    ],
)
def test_unknown_currencies_and_reserved_sources_are_refused(
    ledger: Ledger, tmp_path: Path, source: str, currency: str, message: str
) -> None:
    path = put(tmp_path, f"{LINE},{source},{currency}", header=HEADER + ",source,currency")
    with pytest.raises(UsageError, match=message):
        import_csv(ledger.connection, path, NOW)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("region,component,instance_type,usd_per_unit,unit", "missing column effective_from"),
        (HEADER + ",sourse", "unknown column 'sourse'. Did you mean 'source'"),
        (HEADER + ",unit", "a column appears twice"),
        ("", "missing column region"),
    ],
)
def test_a_wrong_header_is_named(ledger: Ledger, tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        import_csv(ledger.connection, put(tmp_path, header=header), NOW)


def test_a_file_that_is_not_a_csv_file_is_a_usage_error(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read"):
        import_csv(ledger.connection, tmp_path / "missing.csv", NOW)
    with pytest.raises(UsageError, match="Cannot read"):
        import_csv(ledger.connection, tmp_path, NOW)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00region")
    with pytest.raises(UsageError, match="not a CSV file in UTF-8"):
        import_csv(ledger.connection, binary, NOW)


def test_thousands_of_lines_are_imported_and_recognised_again(
    ledger: Ledger, tmp_path: Path
) -> None:
    lines = [
        f"eu-west-1,Training,ml.m5.x{number}large,{number}.5,Hrs,2026-10-01"
        for number in range(5000)
    ]
    path = put(tmp_path, *lines)
    assert import_csv(ledger.connection, path, NOW).new == 5000
    assert import_csv(ledger.connection, path, NOW).unchanged == 5000
