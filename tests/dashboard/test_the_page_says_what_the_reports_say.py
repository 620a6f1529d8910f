"""Every total on the page is a report's, printed by the very command that stands below it."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.cli import main
from exporter.dashboard.figures import Shown
from exporter.reports.values import shown
from tests.dashboard.conftest import Made, Reader


def charts(made: Made) -> dict[str, list[dict[str, Any]]]:
    """The rows that each chart draws."""
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', made.text)
    assert found
    return {
        name: [row for rows in spec["datasets"].values() for row in rows]
        if "datasets" in spec
        else [row for part in spec.get("layer", [spec]) for row in _values(part)]
        for name, spec in json.loads(found[1])["specs"].items()
    }


def _values(part: dict[str, Any]) -> list[dict[str, Any]]:
    data = part.get("data")
    return data["values"] if isinstance(data, dict) else []


def test_every_command_on_the_page_prints_the_totals_on_the_page(
    made: Made, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = Reader(made.text)
    commands = {
        "Warm pool cost by month and instance type": made.figures.by_month_and_type,
        "Training and warm pool cost by month": made.figures.by_month,
        "Training and warm pool cost by instance type": made.figures.by_type,
        "Waste and reuse by month": made.figures.waste,
        "Reuse by family": made.figures.reuse,
        "Every component and type": made.figures.coverage,
    }
    for caption, found in commands.items():
        assert found.command in reader.text, caption
        printed = _run(made.database, found.command, capfd)
        expected = [
            "–none, or not known" if value is None else shown(value, unit)
            for name, unit in _columns(found)
            if (value := printed["totals"][name]) is not None or unit
        ]
        cells = [cell for cell in reader.tables[caption][-1][1:] if cell]
        assert cells == [cell for cell in expected if cell != "total"], caption


def _run(database: Path, command: str, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capfd.readouterr()
    words = shlex.split(command)
    assert main(["--db", str(database), *words[1:], "--format", "json"]) == 0
    answer: dict[str, Any] = json.loads(capfd.readouterr().out, parse_float=Decimal)
    return answer


def _columns(found: Shown) -> list[tuple[str, str]]:
    return [(column.name, column.unit) for column in found.result.columns]


def test_the_parts_of_a_chart_add_up_to_the_total(made: Made) -> None:
    drawn = charts(made)
    parts = [row for row in drawn["chart-pool-cost"] if "high" in row]
    total = made.figures.by_month.total["cost_usd"]
    assert sum(part["high"] - part["low"] for part in parts) == pytest.approx(float(total))
    pairs = drawn["chart-beside"]
    assert sum(row["usd"] for row in pairs if row["band"] == "warm pools") == pytest.approx(
        float(total)
    )
    training = made.figures.by_month.total["training_usd"]
    assert sum(row["usd"] for row in pairs if row["band"] == "training") == pytest.approx(
        float(training)
    )
    waste = made.figures.waste.total
    signed = [row["signed"] for row in drawn["chart-waste"] if "signed" in row]
    assert sum(value for value in signed if value > 0) == pytest.approx(float(waste["reused_usd"]))
    assert -sum(value for value in signed if value < 0) == pytest.approx(float(waste["wasted_usd"]))


def test_the_headline_figures_are_the_totals(made: Made) -> None:
    text = Reader(made.text).text
    figures = made.figures
    for amount in (
        figures.by_month.total["cost_usd"],
        figures.by_month.total["training_usd"],
        figures.waste.total["wasted_usd"],
    ):
        assert f"{shown(amount, 'money')} USD" in text
    assert shown(figures.reuse.total["reuse_rate"], "percent") in text
    assert figures.live.rows, "the world was made so that a pool waits"
    assert f"{shown(figures.live.total['usd_per_hour'], 'rate')} USD/h" in text


def test_costs_by_basis_add_up_to_the_report(made: Made) -> None:
    rows = Reader(made.text).tables["Cost of the period by its basis"]
    column = rows[0].index("cost USD")
    known = [Decimal(row[column].replace(",", "")) for row in rows[1:] if row[column][0].isdigit()]
    assert sum(known[:-1]) == pytest.approx(known[-1], abs=Decimal("0.05"))


def test_curves_pass_through_the_report(made: Made) -> None:
    drawn = charts(made)
    assert made.figures.advice
    for place, found in enumerate(made.figures.advice):
        points = [row for row in drawn[f"chart-keep-alive-{place}"] if "y" in row]
        priced = [row for row in found.rows if row["idle_usd"] is not None]
        assert [point["y"] for point in points] == [float(row["idle_usd"]) for row in priced]
        assert sum(bool(point["present"]) for point in points) == 1


def test_every_chart_has_words_and_a_table(made: Made) -> None:
    reader = Reader(made.text)
    drawn = reader.having("div", **{"class": "chart"})
    assert {chart["id"] for chart in drawn} == set(charts(made))
    assert len(drawn) >= 8
    for chart in drawn:
        assert chart["role"] == "img"
        assert len(chart["aria-label"] or "") > 60
    assert len(reader.having("caption")) >= len(drawn)


def test_it_is_below_three_megabytes(made: Made) -> None:
    assert len(made.text.encode()) < 3_000_000
