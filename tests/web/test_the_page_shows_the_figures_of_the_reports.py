"""Every total on the page comes from a report, and the command below it prints the same."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from exporter.cli import main
from exporter.reports.values import shown
from exporter.web.charts import CONFIG
from exporter.web.figures import ReportRun
from tests.web.pages import DashboardPage, Reader


def specs(page: DashboardPage) -> dict[str, dict[str, Any]]:
    """Return the Vega-Lite specification of each chart, by the id of its element."""
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page.markup)
    assert found
    charts: dict[str, dict[str, Any]] = json.loads(found[1])["specs"]
    return charts


def drawn_rows(page: DashboardPage) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that each chart draws, by the id of its element."""
    return {name: spec["data"]["values"] for name, spec in specs(page).items()}


def test_every_command_on_the_page_prints_the_totals_on_the_page(
    world_page: DashboardPage, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = Reader(world_page.markup)
    commands = {
        "Warm pool cost by month and instance type": world_page.figures.by_month_and_type,
        "Training and warm pool cost by month": world_page.figures.by_month,
        "Training and warm pool cost by instance type": world_page.figures.by_type,
        "Cost of reused and wasted pools by month": world_page.figures.waste,
        "Reuse by family": world_page.figures.reuse,
        "Cost by basis, component and instance type": world_page.figures.coverage,
    }
    for caption, found in commands.items():
        assert found.command in reader.text, caption
        printed = _run(world_page.database, found.command, capfd)
        expected = [
            "–none or unknown" if value is None else shown(value, unit)
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


def _columns(found: ReportRun) -> list[tuple[str, str]]:
    return [(column.name, column.unit) for column in found.result.columns]


def test_the_columns_of_a_chart_add_up_to_the_total(world_page: DashboardPage) -> None:
    drawn = drawn_rows(world_page)
    totals = world_page.figures.by_month.totals
    waste = world_page.figures.waste.totals

    def total(chart: str, band: int) -> float:
        return float(sum(row["high"] for row in drawn[chart] if row["band"] == band))

    parts = drawn["chart-pool-cost"]
    pools = pytest.approx(float(totals["cost_usd"]))
    assert sum(part["high"] - part["low"] for part in parts) == pools
    assert total("chart-training", 0) == pytest.approx(float(totals["training_usd"]))
    assert total("chart-training", 1) == pools
    assert total("chart-waste", 0) == pytest.approx(float(waste["reused_usd"]))
    assert total("chart-waste", 1) == pytest.approx(-float(waste["wasted_usd"]))


def test_the_headline_figures_are_the_totals(world_page: DashboardPage) -> None:
    text = Reader(world_page.markup).text
    figures = world_page.figures
    for amount in (
        figures.by_month.totals["cost_usd"],
        figures.by_month.totals["training_usd"],
        figures.waste.totals["wasted_usd"],
    ):
        assert f"{shown(amount, 'money')} USD" in text
    assert shown(figures.reuse.totals["reuse_rate"], "percent") in text
    assert figures.idle.rows, "the world must have an idle pool"
    assert f"{shown(figures.idle.totals['usd_per_hour'], 'rate')} USD/h" in text


def test_costs_by_basis_add_up_to_their_total(world_page: DashboardPage) -> None:
    rows = Reader(world_page.markup).tables["Cost of the period by basis"]
    column = rows[0].index("cost USD")
    known = [Decimal(row[column].replace(",", "")) for row in rows[1:] if row[column][0].isdigit()]
    assert sum(known[:-1]) == pytest.approx(known[-1], abs=Decimal("0.05"))


def test_curves_go_through_the_rows_of_the_report(world_page: DashboardPage) -> None:
    drawn = drawn_rows(world_page)
    assert world_page.figures.keep_alive
    for place, found in enumerate(world_page.figures.keep_alive):
        points = [row for row in drawn[f"chart-keep-alive-{place}"] if "y" in row]
        priced = [row for row in found.rows if row["idle_usd"] is not None]
        assert [point["y"] for point in points] == [float(row["idle_usd"]) for row in priced]
        assert sum(bool(point["current"]) for point in points) == 1


def test_every_chart_has_a_text_and_a_table(world_page: DashboardPage) -> None:
    reader = Reader(world_page.markup)
    drawn = reader.having("div", **{"class": "chart"})
    assert {chart["id"] for chart in drawn} == set(specs(world_page))
    assert len(drawn) >= 8
    for chart in drawn:
        assert chart["role"] == "img"
        assert len(chart["aria-label"] or "") > 60
    assert len(reader.having("caption")) >= len(drawn)


def test_vega_lite_accepts_every_chart(world_page: DashboardPage) -> None:
    for name, spec in specs(world_page).items():
        svg = vl_convert.vegalite_to_svg(spec | {"width": 700}, config=CONFIG)
        assert "<path" in svg, name


def test_the_page_is_smaller_than_three_megabytes(world_page: DashboardPage) -> None:
    assert len(world_page.markup.encode()) < 3_000_000
