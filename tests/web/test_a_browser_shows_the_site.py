"""Headless Chromium opens, filters, sorts, downloads and prints the pages of the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from exporter.web.site.server import Site, of_file
from tests.web.browser import Browser, Page
from tests.web.conftest import STRANGE
from tests.web.pages import NOW
from tests.web.site import get
from tests.web.test_a_browser_shows_the_page import AXE

_VIOLATIONS = """axe.run({resultTypes: ["violations"]}).then(found => found.violations.map(
    one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 120)).join(" | ")))"""
_OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true; })"
_ROWS = "Array.from(document.querySelectorAll('tbody th a'), one => one.textContent)"
_SUBMIT = "document.querySelector('form[action=\"/jobs\"] button').click()"


@pytest.fixture(scope="module")
def url(strange_file: Path) -> Iterator[str]:
    with Site(of_file(strange_file), now=lambda: NOW) as site:
        yield site.url


def job(url: str, **params: str) -> str:
    found = get(url, "/jobs", {**params, "max_results": 1}).page
    (link,) = (one["href"] for one in found.having("a") if one.get("class") == "name")
    assert isinstance(link, str)
    return link


def check(page: Page, url: str) -> None:
    """Check that nothing complains, goes elsewhere, is unreadable or scrolls sideways."""
    assert page.complaints() == []
    assert [one for one in page.requests() if not one.startswith(url)] == []
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    wide, window = page.evaluate(widths)
    assert wide == window
    assert page.evaluate("window.hacked === undefined && !document.querySelector('main img')")
    page.evaluate(_OPEN_ALL)
    page.evaluate(f"{AXE}; 0")
    assert page.evaluate(_VIOLATIONS) == []


@pytest.mark.parametrize(
    ("path", "width", "dark"),
    [
        ("/jobs", 1200, False),
        ("/jobs?warm_pool_status=Available", 390, True),
        ("job", 1200, True),
        ("job", 390, False),
        ("/reports", 1200, False),
        ("/reports/warm-pool-cost?by=family", 1200, False),
        ("/reports/keep-alive-advice", 390, True),
        ("/reports/summary", 1200, False),
        ("/sql?sql=SELECT+training_job_name,+creation_time+FROM+training_jobs", 1200, False),
        ("/nope", 390, False),
    ],
)
def test_every_page_is_sound(browser: Browser, url: str, path: str, width: int, dark: bool) -> None:
    where = job(url, warm_pool_status="Available") if path == "job" else path
    page = browser.open(url + where, width=width, dark=dark)
    if path == "/nope":  # the browser notes the 404 itself
        assert "There is no such page" in page.evaluate("document.body.textContent")
    else:
        check(page, url)
    page.close()


def test_the_overview_filters_as_the_file_does(browser: Browser, url: str) -> None:
    page = browser.open(f"{url}/")
    before = page.evaluate("document.getElementById('headline').textContent")
    page.evaluate(
        """(() => {
            document.querySelector('select[name="region"]').value = "1";
            document.getElementById("filters").dispatchEvent(new Event("change"));
        })()"""
    )
    page.wait(f"document.getElementById('headline').textContent !== {before!r}")
    assert page.complaints() == []
    assert [one for one in page.requests() if not one.startswith(url)] == []
    page.close()


def test_without_javascript_one_filters_sorts_and_turns_pages(browser: Browser, url: str) -> None:
    page = browser.open(f"{url}/jobs", script=False)
    for value in ("vision", "(none)"):
        page.evaluate(f"document.querySelector('input[name=team][value=\"{value}\"]').click()")
    page.evaluate("document.querySelector('input[name=created_after]').value = '2026-01-01'")
    page.follow(_SUBMIT)
    chosen = parse_qs(urlsplit(page.evaluate("location.href")).query)
    chosen["team"].sort()
    assert chosen == {"team": ["(none)", "vision"], "created_after": ["2026-01-01"]}
    page.follow("document.querySelector('thead th:last-child a').click()")
    sorted_ = parse_qs(urlsplit(page.evaluate("location.href")).query)
    by_cost = {"sort_by": ["Cost"], "sort_order": ["Descending"]}
    assert {name: sorted(several) for name, several in sorted_.items()} == {**chosen, **by_cost}
    assert page.evaluate("document.querySelector('th[aria-sort]').textContent") == "Cost, USD ▼"
    whole = get(url, "/jobs.json", sorted_).json["rows"]
    names = [row["training_job_name"] for row in whole if "<" not in row["training_job_name"]]
    first = page.evaluate(_ROWS)
    page.follow("document.querySelector('a[rel=next]').click()")
    second = page.evaluate(_ROWS)
    shown = [name for name in first + second if "<" not in name]
    assert shown == names[: len(shown)]
    assert len(first) == 50
    page.follow("document.querySelector('tbody th a').click()")
    assert page.evaluate("document.querySelector('.timeline rect') !== null")
    assert page.complaints() == []
    page.close()


@pytest.mark.parametrize("path", ["/jobs?status=Failed", "/reports/keep-alive-advice?top=3"])
def test_on_a_phone_the_filters_wait_behind_what_is_chosen(
    browser: Browser, url: str, path: str
) -> None:
    is_shown = "document.querySelector('.fields input').checkVisibility()"
    page = browser.open(url + path, width=1200, script=False)
    assert page.evaluate(is_shown)
    page.resize(390)
    assert not page.evaluate(is_shown)
    summary = page.evaluate("document.querySelector('.fold summary').innerText")
    assert re.search("Status: Failed|top 3", summary)
    while page.evaluate("document.activeElement.parentElement?.className") != "fold":
        page.press("Tab")
    page.press("Enter")
    assert page.evaluate(is_shown)
    page.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "INPUT"
    page.close()


def test_a_column_without_any_value_is_named_below_the_table(url: str) -> None:
    page = get(url, "/reports/warm-pool-cost").page
    (table,) = page.tables.values()
    assert "cost USD" in table[0]
    assert "other currencies" not in table[0]
    assert len({len(row) for row in table}) == 1
    assert "because no row has a value: other_currencies." in page.text


def test_the_page_for_sql_offers_a_statement_that_runs(url: str) -> None:
    page = get(url, "/sql").page
    (link,) = (one["href"] for one in page.having("a") if "SELECT" in (one["href"] or ""))
    assert link is not None
    found = get(url, link)
    assert found.status == 200
    assert found.page.tables["Result"][0] == ["job_family", "usd"]


def test_a_deleted_job_is_marked_and_has_no_link_to_aws(url: str) -> None:
    page = get(url, job(url, deleted="yes")).page
    assert "deleted at AWS" in page.text
    assert not page.having("a", rel="noopener noreferrer")
    assert "deleted" in get(url, "/jobs", {"deleted": "yes"}).page.tables["Training jobs"][1][1]


def test_strange_names_have_a_page(url: str) -> None:
    link = job(url, status="InProgress")
    assert link.endswith("/..%2Fa%20b%3Fc%23d%252f")
    assert get(url, link).page.text.count(STRANGE) >= 2
    assert get(url, f"{link}.json").json["jobs"][0]["training_job_name"] == STRANGE


def test_no_name_leaves_its_place(url: str) -> None:
    for path in (
        "/jobs",
        job(url, warm_pool_status="Available"),
        "/reports/training-cost?by=family",
    ):
        got = get(url, path)
        assert not got.page.having("img")
        assert not got.page.having("script")
        assert "\x1b" not in got.text
        assert "\u202e" not in got.text
        assert "\\x1b[31m\\u202e" in got.page.text
        for _, attributes in got.page.elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_the_timeline_is_to_scale(url: str) -> None:
    link = job(url, warm_pool_status="Reused", min_cost="0.1", deleted="no")
    facts = get(url, f"{link}.json").json["jobs"][0]
    picture = re.search(r'<svg class="timeline".*?</svg>', get(url, link).text, re.DOTALL)
    assert picture is not None
    name = re.escape(facts["training_job_name"])
    widths = {
        kind: float(width)
        for kind, width in re.findall(
            rf'<rect class="(training|reused)"[^>]*width="([\d.]+)" height="16"><title>{name}',
            picture[0],
        )
    }
    ratio = facts["warm_pool_retained_seconds"] / facts["training_seconds"]
    assert widths["reused"] / widths["training"] == pytest.approx(ratio, rel=0.05)


def test_no_table_is_cut_on_paper(browser: Browser, url: str) -> None:
    for path in ("/jobs", "/reports/keep-alive-advice", job(url, status="Completed", deleted="no")):
        page = browser.open(url + path)
        page.print_preview()
        cut = page.evaluate(
            """Array.from(document.querySelectorAll("table, svg, code, dl"))
                .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
                .map(one => one.textContent.slice(0, 60))"""
        )
        assert cut == [], path
        assert not page.evaluate(
            "Array.from(document.querySelectorAll('nav, form')).some(one => one.offsetParent)"
        )
        page.close()
