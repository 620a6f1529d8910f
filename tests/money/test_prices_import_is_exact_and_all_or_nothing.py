"""`prices import` stores exact prices, all or none, and names the first wrong line."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.errors import UsageError
from exporter.prices.imports import ImportResult, import_csv
from tests.money.conftest import REGION, Ledger

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
    assert import_csv(ledger.connection, path) == ImportResult(str(path), 2, new=2, changed=0)
    assert ledger.read("SELECT * FROM prices ORDER BY component") == [
        {
            "region": REGION,
            "component": "Training",
            "instance_type": "ml.m5.xlarge",
            "usd_per_unit": Decimal("0.2"),
            "unit": "Hrs",
            "effective_from": date(2026, 10, 1),
            "source": "our contract",
        },
        {
            "region": REGION,
            "component": "Training ML storage",
            "instance_type": "",
            "usd_per_unit": Decimal("0.123456789012"),
            "unit": "GB-Mo",
            "effective_from": date(2026, 10, 1),
            "source": "import: rates.csv",
        },
    ]


def test_a_new_import_replaces_the_prices_for_the_same_item_and_day(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.price("0.257", source="shipped list: seen", since=date(2026, 10, 1))
    ledger.price("0.25", source="Price List API", since=date(2026, 10, 1))
    later = LINE.replace("2026-10-01", "2026-11-01")
    import_csv(ledger.connection, put(tmp_path, LINE, later))
    path = put(tmp_path, LINE.replace("0.2,", "0.19,"), name="corrected.csv")
    result = import_csv(ledger.connection, path)
    assert (result.prices, result.new, result.changed, result.unchanged) == (1, 0, 1, 0)
    assert ledger.read("SELECT usd_per_unit AS usd, source FROM prices ORDER BY source, usd") == [
        {"usd": Decimal("0.25"), "source": "Price List API"},
        {"usd": Decimal("0.19"), "source": "import: corrected.csv"},
        {"usd": Decimal("0.2"), "source": "import: rates.csv"},
        {"usd": Decimal("0.257"), "source": "shipped list: seen"},
    ]
    assert import_csv(ledger.connection, path).unchanged == 1


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
        import_csv(ledger.connection, path)
    assert str(raised.value).startswith(f"{path}, line 3: ")
    assert message in str(raised.value)
    assert ledger.read("SELECT * FROM prices") == []


@pytest.mark.parametrize(
    ("source", "currency", "message"),
    [
        ("", "EUR", "currency 'EUR' must be USD"),
        ("Price List API", "", "is reserved"),
        ("shipped list: mine", "USD", "is reserved"),
    ],
)
def test_other_currencies_and_reserved_sources_are_refused(
    ledger: Ledger, tmp_path: Path, source: str, currency: str, message: str
) -> None:
    path = put(tmp_path, f"{LINE},{source},{currency}", header=HEADER + ",source,currency")
    with pytest.raises(UsageError, match=message):
        import_csv(ledger.connection, path)


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
        import_csv(ledger.connection, put(tmp_path, header=header))


def test_a_file_that_is_not_a_csv_file_is_a_usage_error(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read"):
        import_csv(ledger.connection, tmp_path / "missing.csv")
    with pytest.raises(UsageError, match="Cannot read"):
        import_csv(ledger.connection, tmp_path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00region")
    with pytest.raises(UsageError, match="not a CSV file in UTF-8"):
        import_csv(ledger.connection, binary)


def test_thousands_of_lines_are_imported_and_recognised_again(
    ledger: Ledger, tmp_path: Path
) -> None:
    lines = [
        f"eu-west-1,Training,ml.m5.x{number}large,{number}.5,Hrs,2026-10-01"
        for number in range(5000)
    ]
    path = put(tmp_path, *lines)
    assert import_csv(ledger.connection, path).new == 5000
    assert import_csv(ledger.connection, path).unchanged == 5000
