"""Headless Chromium shows the page without errors and without requests, and all can read it."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from exporter.web import page as dashboard
from tests.web.browser import Browser, Page
from tests.web.pages import DashboardPage

#: axe checks the page against the rules of WCAG, inside the page.
AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
_VIOLATIONS = """axe.run({resultTypes: ["violations"]}).then(found => found.violations.map(
    one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 120)).join(" | ")))"""
_OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true; })"
#: What filters can change, without spaces, and without the buttons of the script.
_TEXTS = """Array.from(document.querySelectorAll("h1, #saving, .tile, #period, table, .same"),
    one => {
        const copy = one.cloneNode(true);
        copy.querySelectorAll("button").forEach(button => button.remove());
        return copy.textContent.replace(/\\s+/g, "");
    })"""


def check(page: Page, path: Path) -> None:
    """Check that the charts are drawn, without errors, other requests or sideways scrolling."""
    assert page.complaints() == []
    assert page.requests() == [path.as_uri()]
    for chart in ("months", "training"):
        assert page.evaluate(f"document.querySelectorAll('#chart-{chart} rect').length") >= 12
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    wide, window = page.evaluate(widths)
    assert wide == window


def violations(page: Page) -> object:
    """Return what axe finds on the page with two of the curves: all are alike, and axe is slow."""
    page.evaluate(
        "document.querySelectorAll('#curves details').forEach((one, place) => {"
        " if (place > 1) one.remove(); })"
    )
    page.evaluate(_OPEN_ALL)
    page.evaluate(f"{AXE}; 0")
    return page.evaluate(_VIOLATIONS)


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False)])
def test_axe_finds_no_violation(
    browser: Browser, wide_page: DashboardPage, width: int, dark: bool
) -> None:
    page = browser.open(wide_page.path, width=width, dark=dark)
    check(page, wide_page.path)
    assert violations(page) == []
    assert page.complaints() == []
    page.close()


def test_no_table_is_cut_on_paper_and_axe_finds_no_violation(
    browser: Browser, wide_page: DashboardPage
) -> None:
    page = browser.open(wide_page.path)
    page.print_preview()
    assert violations(page) == []
    page.evaluate(_OPEN_ALL)
    cut = page.evaluate(
        """Array.from(document.querySelectorAll("table, .chart > svg, code"))
            .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
            .map(one => one.textContent.slice(0, 60))"""
    )
    assert cut == []
    page.close()


def test_without_javascript_the_page_says_the_same(
    browser: Browser, wide_page: DashboardPage
) -> None:
    with_script = browser.open(wide_page.path)
    shown = with_script.evaluate(_TEXTS)
    with_script.close()
    page = browser.open(wide_page.path, script=False)
    assert page.evaluate(_TEXTS) == shown
    assert page.evaluate("getComputedStyle(document.getElementById('filters')).display") == "none"
    tables = page.evaluate(
        "Array.from(document.querySelectorAll('.group'), one => one.getBoundingClientRect().height)"
    )
    assert all(height > 50 for height in tables), "every table stands"
    page.close()


def test_the_keyboard_filters_switches_and_opens(
    browser: Browser, wide_page: DashboardPage
) -> None:
    page = browser.open(wide_page.path)
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().x") >= 0
    page.press("Tab")
    assert page.evaluate("document.activeElement.name") == "account"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    before = page.evaluate("document.getElementById('headline').textContent")
    page.press("ArrowDown")
    page.wait(f"document.getElementById('headline').textContent !== {before!r}")
    said = page.evaluate("document.getElementById('said').textContent")
    assert said.startswith(page.evaluate("document.getElementById('headline').textContent"))
    for _ in range(300):
        page.press("Tab")
        if page.evaluate("document.activeElement.name") == "by":
            break
    page.press("ArrowRight")
    page.wait("!document.getElementById('group-team').hidden")
    assert page.evaluate("document.getElementById('group-family').hidden")
    for _ in range(300):
        page.press("Tab")
        if page.evaluate("document.activeElement.closest('#curves summary') !== null"):
            break
    page.press("Enter")
    page.wait("document.querySelector('#curves details[open] .chart svg') !== null")
    page.close()


def test_a_row_links_to_its_curve_with_the_current_and_the_suggested_period(
    browser: Browser, wide_page: DashboardPage
) -> None:
    page = browser.open(wide_page.path)
    page.evaluate("document.querySelector('#actions td a').click()")
    page.wait("document.querySelector('#curves details[open] .chart > svg') !== null")
    marks = page.evaluate(
        "Array.from(document.querySelectorAll('#curves details[open] text.head'),"
        " one => one.textContent)"
    )
    assert sorted(marks) == ["current", "suggested"]
    key = page.evaluate("document.querySelector('#curves details[open] .key').textContent")
    assert "modelled" in key
    points = page.evaluate("document.querySelectorAll('#curves details[open] .dot.cost').length")
    assert points == len(wide_page.figures.advice.curves[0].rows)
    page.close()


def test_the_copy_button_gives_the_setting(browser: Browser, wide_page: DashboardPage) -> None:
    page = browser.open(wide_page.path)
    page.evaluate("document.querySelector('.copy').click()")
    page.wait("['copied', 'selected'].includes(document.querySelector('.copy').textContent)")
    label = page.evaluate("document.querySelector('.copy').getAttribute('aria-label')")
    setting = wide_page.figures.advice.rows[0]["api_setting"]
    assert label == f"copy {setting}"
    if page.evaluate("document.querySelector('.copy').textContent") == "selected":
        assert page.evaluate("getSelection().toString()") == setting
    page.close()


def test_a_screen_reader_gets_headings_tables_and_a_text_for_every_chart(
    browser: Browser, wide_page: DashboardPage
) -> None:
    page = browser.open(wide_page.path, width=390)
    assert not page.evaluate("document.querySelector('#filters select').checkVisibility()")
    page.evaluate("document.querySelector('#filters summary').click()")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    read = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]
    headings = [name for role, name in read if role == "heading"]
    assert headings[0] == page.evaluate("document.getElementById('headline').textContent")
    assert {"What to change", "Who wastes most", "Training against pools"} <= set(headings)
    images = [name for role, name in read if role in ("image", "img")]
    assert len(images) == 2
    assert re.fullmatch(r"Columns by month\. wasted: [\d.,]+ USD in all.*", images[0])
    tables = [name for role, name in read if role == "table"]
    assert "Suggested keep-alive periods, the largest saving first" in tables, "also as cards"
    fields = [name for role, name in read if role == "combobox"]
    expected = ["account", "region", "family", "team", "instance type", "from", "through"]
    assert fields == expected
    page.close()


def test_charts_follow_the_colour_scheme_while_the_page_is_open(
    browser: Browser, world_page: DashboardPage
) -> None:
    page = browser.open(world_page.path)
    colours = (
        "getComputedStyle(document.querySelector('#chart-months rect.wasted')).fill"
        " + getComputedStyle(document.body).backgroundColor"
    )
    light = page.evaluate(colours)
    page.set_scheme("dark")
    page.wait(f"{colours} !== {light!r}")
    page.close()


def test_hostile_names_run_no_script(browser: Browser, hostile_page: DashboardPage) -> None:
    page = browser.open(hostile_page.path)
    check(page, hostile_page.path)
    page.evaluate(_OPEN_ALL)
    family = hostile_page.markup.count("\\x1b[31m")
    assert family >= 4, "shown, with the escape visible"
    options = "Array.from(document.querySelector('select[name=family]').options, o => o.text)"
    place = next(i for i, text in enumerate(page.evaluate(options)) if "<script>" in text)
    page.evaluate(
        f"""(() => {{
            const field = document.querySelector("select[name=family]");
            field.selectedIndex = {place};
            field.dispatchEvent(new Event("change", {{ bubbles: true }}));
        }})()"""
    )
    assert "<script>window.hacked=1</script>" in page.evaluate(
        "document.getElementById('filtered').textContent"
    )
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.evaluate("document.images.length") == 0
    assert page.complaints() == []
    page.close()


def test_charts_have_enough_contrast() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", dashboard.asset("style.css"), re.DOTALL)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", scheme))
        for name in ("pool", "train", "waste", "reuse"):
            assert contrast(colours[name], colours["card"]) >= 3, name


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
