"""Below each section stands the command that prints the same figures."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.cli import main
from tests.web.pages import DashboardPage, Reader

#: For a part of each command, the last row of the table: places of amounts, and their columns.
TOTALS: Mapping[str, tuple[str, Mapping[int, str]]] = {
    "warm-pool-waste --by month": (
        "Cost of ended warm pools in USD by month",
        {1: "wasted_usd", 2: "reused_usd"},
    ),
    "warm-pool-waste --by family": (
        "By family, most wasted money first",
        {2: "wasted_usd"},
    ),
    "warm-pool-cost --by month": (
        "Cost of training and of warm pools in USD by month",
        {1: "training_usd", 2: "cost_usd"},
    ),
    "keep-alive-advice": (
        "Suggested keep-alive periods, the largest saving first",
        {2: "current_idle_usd", 3: "current_wasted_usd", 7: "gained_minutes"},
    ),
}


def _printed(database: Path, command: str, capfd: pytest.CaptureFixture[str]) -> Any:
    capfd.readouterr()
    assert main(["--db", str(database), *shlex.split(command)[1:], "--format", "json"]) == 0
    return json.loads(capfd.readouterr().out, parse_float=Decimal, parse_int=Decimal)


def test_every_command_on_the_page_prints_the_totals_on_the_page(
    wide_page: DashboardPage, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = Reader(wide_page.markup)
    codes = re.findall(r"<code[^>]*>(.*?)</code>", wide_page.markup)
    commands = [re.sub(r"<[^>]+>", "", code) for code in codes]
    for start, (caption, columns) in TOTALS.items():
        (command,) = (each for each in commands if start in each and "--since" in each)
        totals = _printed(wide_page.database, command, capfd)["totals"]
        last = reader.tables[caption][-1]
        for place, name in columns.items():
            # Rounded as on the page: to the cent, and minutes to one decimal.
            shown = Decimal(last[place].replace(",", ""))
            assert abs(shown - totals[name]) <= Decimal("0.05"), (command, name)
            assert totals[name], (command, name)


def test_each_row_of_the_advice_is_a_row_of_the_report(
    wide_page: DashboardPage, capfd: pytest.CaptureFixture[str]
) -> None:
    advice = wide_page.figures.advice
    found = _printed(wide_page.database, advice.command, capfd)
    printed = [
        {key: value for key, value in row.items() if value is not None} for row in found["rows"]
    ]
    # Stable orders: what saves most first, the report has what is wasted first.
    shown = [
        {key: value for key, value in row.items() if value is not None and key in found["rows"][0]}
        for row in advice.rows
    ]
    assert sorted(map(repr, map(_plain, shown))) == sorted(map(repr, map(_plain, printed)))
    assert len(shown) > 10
    assert {row["team"] for row in shown if "team" in row} >= {"speech", "vision"}


def _plain(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the values as texts; numbers without trailing zeros."""
    return sorted(
        (key, value if isinstance(value, str) else f"{Decimal(value).normalize():f}")
        for key, value in row.items()
    )


def test_a_curve_has_the_rows_of_the_report(
    wide_page: DashboardPage, capfd: pytest.CaptureFixture[str]
) -> None:
    advice = wide_page.figures.advice
    curve = advice.curves[0]
    row = advice.rows[curve.place]
    command = (
        f"sagemaker-exporter report keep-alive-curve {row['family']} --param top=100 "
        f"--since {advice.period.since} --until {advice.period.until}"
    )
    printed = [
        each
        for each in _printed(wide_page.database, command, capfd)["rows"]
        if each["specification"] == row["specification"]
    ]
    names = ("keep_alive_seconds", "mark", "idle_usd", "saved_minutes", "net_usd")
    wanted = [[each[name] for name in names] for each in curve.rows]
    # A specification stands once in each account and region.
    assert any(
        [[each[name] for name in names] for each in printed[start : start + len(wanted)]] == wanted
        for start in range(len(printed))
    )


def test_the_page_is_smaller_than_three_megabytes(wide_page: DashboardPage) -> None:
    assert len(wide_page.markup.encode()) < 3_000_000
