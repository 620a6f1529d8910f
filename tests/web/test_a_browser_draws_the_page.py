"""Headless Chromium draws the page without errors and without requests, and all can read it."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from exporter.reports.values import shown
from exporter.web import page as dashboard
from tests.web.browser import Browser, Page
from tests.web.pages import DashboardPage

#: axe checks the page against the rules of WCAG, inside the page.
AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
_VIOLATIONS = """axe.run().then(found => found.violations.map(
    one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 120)).join(" | ")))"""


def check(page: Page, path: Path) -> None:
    """Check that every chart is drawn, without errors, other requests or sideways scrolling."""
    assert page.complaints() == []
    assert page.requests() == [path.as_uri()]
    places = page.evaluate("document.querySelectorAll('.chart').length")
    assert places >= 8
    assert page.evaluate("document.body.dataset.charts") == str(places)
    marks = page.evaluate(
        "Array.from(document.querySelectorAll('.chart'),"
        " one => one.querySelectorAll('svg .role-mark path').length)"
    )
    assert all(count > 0 for count in marks), marks
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    wide, window = page.evaluate(widths)
    assert wide == window


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_every_chart_is_drawn_and_axe_finds_no_violation(
    browser: Browser, world_page: DashboardPage, width: int, dark: bool
) -> None:
    page = browser.open(world_page.path, width=width, dark=dark)
    check(page, world_page.path)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.evaluate(f"{AXE}; 0")
    assert page.evaluate(_VIOLATIONS) == []
    page.close()


def test_the_visible_text_contains_the_totals(browser: Browser, world_page: DashboardPage) -> None:
    page = browser.open(world_page.path)
    text = page.evaluate("document.body.innerText")
    for amount in (
        world_page.figures.by_month.totals["cost_usd"],
        world_page.figures.by_month.totals["training_usd"],
        world_page.figures.waste.totals["wasted_usd"],
    ):
        assert shown(amount, "money") in text
    page.close()


def test_pointing_at_a_part_shows_its_figures(browser: Browser, world_page: DashboardPage) -> None:
    page = browser.open(world_page.path)
    page.evaluate(
        "document.getElementById('chart-pool-cost')"
        ".scrollIntoView({behavior: 'instant', block: 'center'})"
    )
    x, y = page.evaluate(
        """(() => {
            const part = document.querySelector('#chart-pool-cost .role-mark path');
            const box = part.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        })()"""
    )
    page.point_at(x, y)
    page.wait("document.querySelector('#vg-tooltip-element.visible') !== null")
    read = page.evaluate("document.getElementById('vg-tooltip-element').innerText")
    assert {"month", "instance type", "cost", "idle instance hours"} <= set(
        re.split(r"\s*[\t\n]\s*", read)
    )
    amounts = {shown(row["cost_usd"], "money") for row in world_page.figures.by_month_and_type.rows}
    found = re.search(r"([\d,.]+) USD", read)
    assert found
    assert found[1] in amounts
    page.close()


def test_the_keyboard_reaches_and_opens_every_table(
    browser: Browser, world_page: DashboardPage
) -> None:
    page = browser.open(world_page.path)
    tables = page.evaluate("document.querySelectorAll('summary').length")
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().x") >= 0
    opened = 0
    for _ in range(100):
        page.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
            page.press("Enter")
            opened += 1
        if opened == tables:
            break
    assert page.evaluate("document.querySelectorAll('details[open]').length") == tables
    page.close()


def test_a_screen_reader_gets_the_headings_and_a_text_for_every_chart(
    browser: Browser, world_page: DashboardPage
) -> None:
    page = browser.open(world_page.path)
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    read = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]
    headings = [name for role, name in read if role == "heading"]
    assert headings[0] == "What SageMaker warm pools cost"
    assert "Reused and wasted pools" in headings
    images = [name for role, name in read if role in ("image", "img")]
    total = shown(world_page.figures.by_month.totals["cost_usd"], "money")
    assert [name for name in images if f"The total is {total} USD" in name], read[:60]
    assert len(images) == page.evaluate("document.querySelectorAll('.chart').length")
    page.close()


def test_charts_follow_the_colour_scheme_while_the_page_is_open(
    browser: Browser, world_page: DashboardPage
) -> None:
    page = browser.open(world_page.path)
    colours = (
        "getComputedStyle(document.querySelector('#chart-ratio .mark-rect path')).fill"
        " + getComputedStyle(document.body).backgroundColor"
    )
    light = page.evaluate(colours)
    page.set_scheme("dark")
    page.wait(f"{colours} !== {light!r}")
    page.close()


def test_hostile_names_run_no_script(browser: Browser, hostile_page: DashboardPage) -> None:
    page = browser.open(hostile_page.path)
    check(page, hostile_page.path)
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.evaluate("document.images.length") == 0
    page.close()


def test_marks_and_letters_have_enough_contrast() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", dashboard.asset("style.css"), re.DOTALL)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", scheme))
        for name in ("pool", "train", "waste", "reuse", "open", *(f"k{n}" for n in range(7))):
            assert contrast(colours[name], colours["card"]) >= 3, name
        for name in ("k0", "k1", "k2", "k3", "k4", "k5", "k6", "reuse", "waste"):
            assert contrast(colours[name], colours["key-ink"]) >= 4.5, name


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio as WCAG defines it."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_screenshot_in_the_docs_is_small() -> None:
    picture = Path(__file__).parents[2] / "docs" / "dashboard.png"
    assert picture.stat().st_size < 300_000
