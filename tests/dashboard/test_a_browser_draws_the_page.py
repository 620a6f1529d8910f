"""In headless Chromium: drawn without an error and without a request, for everybody."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from exporter.dashboard import script
from exporter.reports.values import shown
from tests.dashboard.browser import Browser, Page
from tests.dashboard.conftest import Made
from tests.dashboard.test_any_database_gives_a_sensible_page import hostile

__all__ = ["hostile"]

#: Checks against the rules of WCAG, run inside the page.
AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
_VIOLATIONS = """axe.run().then(found => found.violations.map(
    one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 120)).join(" | ")))"""


def check(page: Page, made: Made) -> None:
    """No error, no request but the page's own, every chart drawn, nothing too wide."""
    assert page.complaints() == []
    assert page.requests() == [made.path.as_uri()]
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
def test_it_draws_for_eyes_and_for_screen_readers(
    browser: Browser, made: Made, width: int, dark: bool
) -> None:
    page = browser.open(made.path, width=width, dark=dark)
    check(page, made)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.evaluate(f"{AXE}; 0")
    assert page.evaluate(_VIOLATIONS) == []
    page.close()


def test_the_text_that_is_shown_holds_the_totals(browser: Browser, made: Made) -> None:
    page = browser.open(made.path)
    text = page.evaluate("document.body.innerText")
    for amount in (
        made.figures.by_month.total["cost_usd"],
        made.figures.by_month.total["training_usd"],
        made.figures.waste.total["wasted_usd"],
    ):
        assert shown(amount, "money") in text
    page.close()


def test_pointing_at_a_part_shows_its_figures(browser: Browser, made: Made) -> None:
    page = browser.open(made.path)
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
    assert {"month", "type", "cost", "idle instance hours"} <= set(re.split(r"\s*[\t\n]\s*", read))
    amounts = {shown(row["cost_usd"], "money") for row in made.figures.by_month_and_type.rows}
    found = re.search(r"([\d,.]+) USD", read)
    assert found
    assert found[1] in amounts
    page.close()


def test_a_keyboard_reaches_and_opens_every_table(browser: Browser, made: Made) -> None:
    page = browser.open(made.path)
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


def test_a_screen_reader_hears_headings_and_what_the_charts_say(
    browser: Browser, made: Made
) -> None:
    page = browser.open(made.path)
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    told = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]
    headings = [name for role, name in told if role == "heading"]
    assert headings[0] == "What SageMaker warm pools cost"
    assert "Waste against reuse" in headings
    images = [name for role, name in told if role in ("image", "img")]
    total = shown(made.figures.by_month.total["cost_usd"], "money")
    assert [name for name in images if f"The total is {total} USD" in name], told[:60]
    assert len(images) == page.evaluate("document.querySelectorAll('.chart').length")
    page.close()


def test_the_scheme_can_change_while_the_page_is_open(browser: Browser, made: Made) -> None:
    page = browser.open(made.path)
    colour = (
        "getComputedStyle(document.querySelector('#chart-times .mark-rect path')).fill"
        " + getComputedStyle(document.body).backgroundColor"
    )
    light = page.evaluate(colour)
    page.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert page.evaluate(colour) != light
    page.close()


def test_hostile_names_do_nothing(browser: Browser, hostile: Made) -> None:
    page = browser.open(hostile.path)
    check(page, hostile)
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.evaluate("document.images.length") == 0
    page.close()


def test_colours_of_marks_stand_out_from_the_card() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", script.asset("style.css"), re.DOTALL)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", scheme))
        for name in ("pool", "train", "waste", "reuse", "open", *(f"k{n}" for n in range(7))):
            assert contrast(colours[name], colours["card"]) >= 3, name
        for name in ("k0", "k1", "k2", "k3", "k4", "k5", "k6", "reuse", "waste"):
            assert contrast(colours[name], colours["key-ink"]) >= 4.5, name


def contrast(one: str, other: str) -> float:
    """Contrast ratio by WCAG."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_screenshot_of_the_docs_is_small() -> None:
    picture = Path(__file__).parents[2] / "docs" / "dashboard.png"
    assert picture.stat().st_size < 300_000
