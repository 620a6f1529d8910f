"""What `report`, `jobs` and `reconcile` return: exact rows, Arrow, pandas, Polars, HTML, text."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from exporter import jobs, report
from exporter.api.table import Table
from exporter.extras import MissingExtra
from exporter.reports.result import Column, Note, Result

CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)
#: One row of every kind of value.
COLUMNS = (
    Column("cost_usd", "DECIMAL(38,12)", "money"),
    Column("tag:Cost Centre", "VARCHAR", note='A "tag"'),
    Column("seen", "TIMESTAMP WITH TIME ZONE", "time"),
    Column("day", "DATE"),
    Column("job_names", "VARCHAR[]"),
    Column("jobs", "BIGINT", "count"),
    Column("differs", "BOOLEAN"),
    Column("times", "DOUBLE", "factor"),
)
ROWS = [
    (
        Decimal("0.123456789012"),
        "<script>alert(1)</script>",
        CREATED,
        date(2026, 10, 3),
        ["bert-1", "bert-2"],
        3,
        True,
        0.5,
    ),
    (Decimal("12345678901234567890.5"), *[None] * 7),
]
NAMES = [column.name for column in COLUMNS]


@pytest.fixture
def table() -> Table:
    return Table(
        Result(
            COLUMNS,
            ROWS,
            totals=(Decimal("12345678901234567890.623456789012"), *[None] * 7),
            notes=(Note("as_of", "Data as of <now>."),),
            report="anything",
            title="Costs & more",
        )
    )


def test_rows_are_dicts_of_exact_values(filled: Path) -> None:
    found = report(filled, "training-cost", month="2026-10", by="family")
    assert [(row["family"], row["jobs"], row["cost_usd"]) for row in found.rows] == [
        ("resnet", 1, Decimal("3.312096774194")),
        ("bert", 1, Decimal("2.208064516129")),
    ]
    assert found.totals is not None
    assert found.totals["cost_usd"] == Decimal("5.520161290323")
    assert (str(found.period), found.name) == (
        "2026-10-01 to 2026-10-31 (UTC days)",
        "training-cost",
    )
    assert list(found) == found.rows
    assert len(found) == 2

    (bert,) = jobs(filled, name_contains="bert")
    assert bert["creation_time"] == CREATED
    assert bert["creation_time"].tzinfo is UTC


def test_every_library_reads_the_same_rows_from_arrow(table: Table) -> None:
    expected = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    arrow = pa.table(table)
    assert [str(field.type) for field in arrow.schema] == [
        "decimal128(38, 12)",
        "string",
        "timestamp[us, tz=UTC]",
        "date32[day]",
        "list<l: string>",
        "int64",
        "bool",
        "double",
    ]
    assert arrow.to_pylist() == expected
    assert pa.table(table.to_arrow()).equals(arrow)
    assert pl.DataFrame(table).to_dicts() == expected
    assert table.pl().to_dicts() == expected
    assert table.pl().schema["cost_usd"] == pl.Decimal(38, 12)
    assert pd.DataFrame(table.rows)["cost_usd"].tolist() == [row[0] for row in ROWS]
    costs = table  # DuckDB finds it by the name of the variable
    with duckdb.connect() as memory:
        found = memory.execute("SELECT cost_usd, seen, day FROM costs").fetchall()
    assert found == [(row[0], row[2], row[3]) for row in ROWS]
    del costs


def test_pandas_gets_types_to_calculate_with(table: Table) -> None:
    frame = table.df()
    assert frame.columns.tolist() == NAMES
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds["cost_usd"] == "float64"
    assert kinds["seen"] == "datetime64[us, UTC]"
    assert kinds["day"] == "datetime64[us]"
    assert frame["seen"][0] == CREATED
    assert frame["cost_usd"][0] == 0.123456789012
    assert frame["job_names"][0].tolist() == ["bert-1", "bert-2"]


def test_an_empty_table_keeps_its_types() -> None:
    empty = Table(Result(COLUMNS, [], report="anything"))
    assert (len(empty), empty.rows, empty.totals) == (0, [], None)
    assert empty.pl().schema["seen"] == pl.Datetime("us", "UTC")
    assert empty.df().columns.tolist() == NAMES
    assert "No rows." in repr(empty)


@pytest.mark.parametrize(
    ("library", "function"), [("pandas", "df"), ("polars", "pl")], ids=["pandas", "polars"]
)
def test_a_missing_library_is_named(
    table: Table, monkeypatch: pytest.MonkeyPatch, library: str, function: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra) as caught:
        getattr(table, function)()
    assert (
        str(caught.value) == f"`{function}()` needs {library}. Install it: pip install {library}."
    )


def test_a_notebook_shows_a_safe_table(table: Table) -> None:
    assert table._repr_html_() == (
        "<table><caption>Costs &amp; more</caption><thead><tr>"
        '<th>cost USD</th><th title="A &quot;tag&quot;">tag:Cost Centre</th><th>seen</th>'
        "<th>day</th><th>job names</th><th>jobs</th><th>differs</th><th>times</th>"
        "</tr></thead><tbody><tr>"
        '<td style="text-align: right">0.12</td>'
        '<td style="text-align: left">&lt;script&gt;alert(1)&lt;/script&gt;</td>'
        '<td style="text-align: left">2026-10-03T12:00:00Z</td>'
        '<td style="text-align: left">2026-10-03</td>'
        '<td style="text-align: left">[&quot;bert-1&quot;, &quot;bert-2&quot;]</td>'
        '<td style="text-align: right">3</td>'
        '<td style="text-align: left">true</td>'
        '<td style="text-align: right">0.50 ×</td>'
        "</tr><tr>"
        '<td style="text-align: right">12,345,678,901,234,567,890.50</td>'
        + "".join(
            f'<td style="text-align: {side}">–</td>'
            for side in ("left", "left", "left", "left", "right", "left", "right")
        )
        + "</tr></tbody><tfoot><tr>"
        '<th style="text-align: right">12,345,678,901,234,567,890.62</th>'
        + "".join(
            f'<th style="text-align: {side}"></th>'
            for side in ("left", "left", "left", "left", "right", "left", "right")
        )
        + "</tr></tfoot></table><p>Data as of &lt;now&gt;.</p>"
    )


def test_a_long_table_shows_its_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    columns = (Column("name"), Column("number", "BIGINT"), Column("long", wide=True))
    rows = [(f"job-{number:03}", number, "x" * 40) for number in range(1_051)]
    table = Table(Result(columns, iter(rows), report="jobs"))
    html = table._repr_html_()
    assert html.count("<tr>") == 51
    assert "job-049</td>" in html
    assert "<p>1,001 more rows: see rows, df() or pl().</p>" in html
    shown = repr(table).splitlines()
    assert shown[1].split() == ["─" * len(shown[1])]
    assert [line.split()[0] for line in shown[2:52]] == [f"job-{n:03}" for n in range(50)]
    assert " ".join(shown[53:]) == (
        "1,001 more rows: see rows, df() or pl(). Hidden: long (terminal too narrow; see rows)."
    )
    assert len(table.pl()) == 1_051
