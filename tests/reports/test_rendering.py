"""Tables, CSV, JSON, Markdown and Parquet are exact, and harmless whatever a value holds."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import UsageError
from exporter.reports import output, table
from exporter.reports.periods import of_month
from exporter.reports.result import Column, Note, Result
from exporter.reports.values import heading, literal, shown, to_json

EVIL = "\x1b[31mred\x9b2J =cmd|'/C calc'!A0\u202e\n|x|<b>"
COLUMNS = (
    Column("family", "VARCHAR"),
    Column("day", "DATE"),
    Column("at", "TIMESTAMP WITH TIME ZONE"),
    Column("jobs", "BIGINT", "count"),
    Column("cost_usd", "DECIMAL(38,12)", "money"),
    Column("share", "DOUBLE", "percent"),
    Column("tags", "JSON"),
)
ROWS = (
    (
        EVIL,
        date(2026, 10, 3),
        datetime(2026, 10, 3, 12, tzinfo=UTC),
        1234,
        Decimal("12345678.123456789012"),
        0.25,
        {"a": [1, None]},
    ),
    ("=1+1", None, None, None, None, None, None),
)
TOTALS = (None, None, None, 1234, Decimal("12345678.123456789012"), None, None)
RESULT = Result(
    COLUMNS,
    ROWS,
    TOTALS,
    (Note("code", f"A note {EVIL}"),),
    report="warm-pool-cost",
    title="Title",
    period=of_month(date(2026, 10, 1)),
    bar="cost_usd",
)


def render(style: str, result: Result = RESULT) -> bytes:
    stream = io.BytesIO()
    output.write(result, style, stream)
    return stream.getvalue()


def test_csv_has_all_digits_no_total_and_no_formulas() -> None:
    rows = list(csv.reader(io.StringIO(render("csv").decode())))
    assert rows == [
        ["family", "day", "at", "jobs", "cost_usd", "share", "tags"],
        [
            "\\x1b[31mred\\x9b2J =cmd|'/C calc'!A0\u202e\n|x|<b>",
            "2026-10-03",
            "2026-10-03T12:00:00Z",
            "1234",
            "12345678.123456789012",
            "0.25",
            '{"a": [1, null]}',
        ],
        ["'=1+1", "", "", "", "", "", ""],
    ]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_looks_like_a_formula_begins_with_a_quote(first: str) -> None:
    text = f"{first}cmd|' /C calc'!A0"
    result = Result((Column("x"), Column("n", "BIGINT")), [(text, -5)])
    _, row = csv.reader(io.StringIO(render("csv", result).decode()))
    assert row[0].startswith("'")
    assert row[1] == "-5"


def test_json_is_exact_and_has_the_documented_keys() -> None:
    text = render("json").decode()
    assert text.isascii()
    found = json.loads(text, parse_float=Decimal)
    assert list(found) == [
        "version", "report", "title", "period", "columns", "rows", "totals", "notes",
    ]  # fmt: skip
    assert found["version"] == 1
    assert found["period"] == {"since": "2026-10-01", "until": "2026-11-01"}
    assert found["rows"][0] == {
        "family": EVIL,
        "day": "2026-10-03",
        "at": "2026-10-03T12:00:00Z",
        "jobs": 1234,
        "cost_usd": Decimal("12345678.123456789012"),
        "share": Decimal("0.25"),
        "tags": {"a": [1, None]},
    }
    assert set(found["rows"][1].values()) == {"=1+1", None}
    assert found["totals"]["cost_usd"] == Decimal("12345678.123456789012")
    assert found["notes"] == [{"code": "code", "text": f"A note {EVIL}"}]


def test_json_of_a_query_has_no_report_and_no_total() -> None:
    found = json.loads(render("json", Result((Column("n", "BIGINT"),), [])))
    assert found["rows"] == []
    assert found["totals"] is None
    assert "report" not in found


def test_json_writes_null_for_nan_and_infinity() -> None:
    assert to_json([float("nan"), float("inf"), Decimal("NaN")]) == "[null, null, null]"


def test_markdown_escapes_every_value() -> None:
    lines = render("markdown").decode().splitlines()
    assert lines[0] == "| family | day | at | jobs | cost_usd | share | tags |"
    assert lines[1] == "| --- | --- | --- | ---: | ---: | ---: | --- |"
    assert lines[2].startswith(
        "| \\\\x1b\\[31mred\\\\x9b2J =cmd\\|'/C calc'!A0\\\\u202e \\|x\\|&lt;b&gt; |"
    )
    assert lines[2].endswith('| 1,234 | 12,345,678.12 | 25.0 % | {"a": \\[1, null\\]} |')
    assert lines[4] == "| **total** |  |  | **1,234** | **12,345,678.12** |  |  |"


def test_parquet_keeps_types_and_digits() -> None:
    import pyarrow.parquet as pq

    found = pq.read_table(io.BytesIO(render("parquet")))
    assert [str(kind) for kind in found.schema.types] == [
        "string", "date32[day]", "timestamp[us, tz=UTC]", "int64", "decimal128(38, 12)", "double",
        "string",
    ]  # fmt: skip
    first, second = found.to_pylist()
    assert first["cost_usd"] == Decimal("12345678.123456789012")
    assert first["family"] == EVIL
    assert first["tags"] == '{"a": [1, null]}'
    assert second["cost_usd"] is None


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200, None])
@pytest.mark.parametrize("colour", [False, True])
def test_a_table_fits_its_width_and_never_cuts_a_number(width: int | None, colour: bool) -> None:
    text = table.render(RESULT, width=width, colour=colour)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert ("\x1b[" in text) is colour
    assert "\x1b" not in plain
    assert "\x9b" not in plain
    if width and width > 20:  # the amount with its name is wider than 20
        assert max(map(len, plain.splitlines())) <= width
    assert "12,345,678.12" in plain
    assert "total" in plain


def test_a_narrow_table_hides_wide_columns_and_names_them() -> None:
    result = Result(
        (Column("a"), Column("b", wide=True), Column("c_usd", "DECIMAL(38,12)", "money")),
        [("x" * 20, "y" * 20, Decimal(1)), ("x", "y", Decimal(2))],
        report="r",
        bar="c_usd",
    )
    wide = table.render(result, width=200)
    assert "yyyy" in wide
    assert "████████████" in wide
    piped = table.render(result, width=None)
    assert "yyyy" in piped
    assert "█" not in piped
    narrow = table.render(result, width=40)
    assert "yyyy" not in narrow
    assert "█" not in narrow
    assert "Hidden: b (terminal too narrow; a pipe into `less -S` shows all)." in narrow.replace(
        "\n", " "
    )


NAME = "pipelines-538b65169d8f-PreprocessorTraining-XGnBvICHhg"
COMMAND = f"aws sagemaker update-training-job --training-job-name {NAME} --resource-config X"
NARROW = Result(
    (
        Column("job", key=True),
        Column("region", key=True, aside=True),
        Column("account", key=True, aside=True),
        Column("retained_seconds", "BIGINT", "seconds"),
        Column("started_at", "TIMESTAMP WITH TIME ZONE", "time", wide=True),
        Column("count_of_everything", "BIGINT", "count"),
        Column("why", aside=True),
        Column("end_command", unit="command"),
    ),
    [
        (NAME, "eu-west-1", "1", 1325, datetime(2026, 10, 3, tzinfo=UTC), 2, "late", COMMAND),
        (NAME, "eu-west-1", "1", 1325, datetime(2026, 10, 4, tzinfo=UTC), 2, "late", COMMAND),
        ("a", "us-east-1", "1", None, None, 2, None, None),
    ],
    report="r",
)


def test_a_narrow_table_breaks_no_name_and_tells_all_rows_apart() -> None:
    # Only the hidden `started_at` tells the first rows apart, so it is shown below them.
    assert table.render(NARROW, width=56).splitlines() == [
        "                                                count of",
        "job                                 retained  everything",
        "─" * 56,
        "region: eu-west-1",
        NAME,
        "                                     22m 05s           2",
        "  why: late; started at: 2026-10-03T00:00:00Z",
        f"  {COMMAND}",
        NAME,
        "                                     22m 05s           2",
        "  why: late; started at: 2026-10-04T00:00:00Z",
        f"  {COMMAND}",
        "region: us-east-1",
        "a                                          –           2",
        "",
        "All rows: account 1.",
    ]


def test_a_pipe_gets_one_line_a_row() -> None:
    lines = table.render(NARROW, width=None).splitlines()
    assert len(lines) == 2 + len(list(NARROW.rows))
    assert lines[0].endswith("  end command")
    assert lines[3].endswith(COMMAND)


@pytest.mark.parametrize(
    ("name", "unit", "text"),
    [
        ("retained_seconds", "seconds", "retained"),
        ("seconds", "seconds", "time"),
        ("retained_seconds", "", "retained seconds"),
        ("discount_percent", "percent", "discount"),
        ("usd_per_hour", "rate", "USD per hour"),
        ("training_job_arn", "", "training job ARN"),
        ("tag:cost_usd", "", "tag:cost_usd"),
    ],
)
def test_a_heading_has_no_unit_that_its_cells_show(name: str, unit: str, text: str) -> None:
    assert heading(name, unit) == text


def test_an_empty_result_says_that_there_are_no_rows() -> None:
    assert "No rows." in table.render(Result(COLUMNS, [], report="r", title="T"), width=80)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "money", "–"),
        (Decimal(0), "money", "0.00"),
        (Decimal("0.005"), "money", "0.0050"),
        (Decimal("0.00000123456"), "money", "0.0000012"),
        (Decimal("0.0099999"), "money", "0.0100"),
        (Decimal("1.005"), "money", "1.01"),
        (Decimal("-1234.5"), "money", "-1,234.50"),
        (Decimal("0.257"), "rate", "0.257"),
        (Decimal("32.77260"), "rate", "32.7726"),
        (Decimal(4), "rate", "4.00"),
        (Decimal("1167.3014999"), "hours", "1,167.301"),
        (12345, "count", "12,345"),
        (Decimal("264.593"), "count", "264.6"),
        (0.1264, "percent", "12.6 %"),
        (3.7999, "factor", "3.80 ×"),
        (45, "seconds", "45s"),
        (725, "seconds", "12m 05s"),
        (12_000, "seconds", "3h 20m"),
        (-60, "seconds", "-1m 00s"),
        (12345, "", "12345"),
        (True, "count", "true"),
        ("a\tb", "money", "a b"),
        (float("inf"), "money", "inf"),
    ],
)
def test_a_table_shows_a_value_by_its_unit(value: object, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "true"),
        (7, "7"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 10, 3), "'2026-10-03'"),
        ("it's", "'it''s'"),
        ("'; DROP TABLE x; --", "'''; DROP TABLE x; --'"),
    ],
)
def test_a_value_becomes_a_literal_of_sql(value: Any, text: str) -> None:
    assert literal(value) == text


def test_a_file_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    path.chmod(0o640)

    def half() -> None:
        with output.target(path) as stream:
            stream.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert path.read_text() == "before"
    with output.target(path) as stream:
        stream.write(b"whole")
    assert path.read_text() == "whole"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]


def test_a_path_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"Cannot write .*: No such file or directory"),
        output.target(tmp_path / "none" / "x.csv"),
    ):
        pass
