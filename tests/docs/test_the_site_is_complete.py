"""The pages build as a site without a warning, and the site needs no other server."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT

_PICTURES = sorted((DOCS / "pictures").glob("*.svg"))
_SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Built(HTMLParser):
    """What a test needs of a built page.

    Attributes:
        requests: What a browser fetches with the page.
        links: Where a reader can go from it.
        ids: The anchors of the page.
        texts: The texts outside blocks and inline code.
        pictures: The text alternative of each picture.
    """

    requests: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    _code: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.update(given[name] for name in ("id", "name") if name in given)
        if tag in ("script", "img", "iframe", "source") and "src" in given:
            self.requests.append(given["src"])
        if tag == "link":
            self.requests.append(given["href"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "img":
            self.pictures.append(given.get("alt", ""))
        self._code += tag in ("pre", "code", "script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("pre", "code", "script", "style")

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.texts.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Built]:
    """Every page of the site by its file."""
    found = {}
    for path in site.rglob("*.html"):
        found[path] = Built()
        found[path].feed(path.read_text("utf-8"))
    return found


def test_every_page_of_the_repository_is_on_the_site(site: Path) -> None:
    for page in PAGES:
        name = Path(page).stem.lower().replace("readme", "index")
        assert (site / f"{name}.html").exists(), page
    assert not list(site.rglob("*.py"))


def test_every_link_leads_to_a_page_and_a_heading(built: dict[Path, Built]) -> None:
    seen = 0
    for path, page in built.items():
        # 404.html names its files from the root of the server.
        for link in () if path.name == "404.html" else [*page.links, *page.requests]:
            if "://" in link:
                continue
            name, _, anchor = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.exists(), (path.name, link)
            if anchor and target in built:
                assert anchor in built[target].ids, (path.name, link)
                seen += 1
    assert seen > 50


def test_the_site_requests_nothing_from_other_servers(site: Path, built: dict[Path, Built]) -> None:
    for path, page in built.items():
        assert not [each for each in page.requests if "//" in each], path.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", style.read_text("utf-8")), style


def test_no_markdown_is_left_in_the_text(built: dict[Path, Built]) -> None:
    for path, page in built.items():
        for text in page.texts:
            left = re.search(r"```|\]\(|^\s*[|] |\*\*|\n(?:- |\d\. )\S", text)
            assert left is None, (path.name, text)


def test_every_picture_has_a_text_alternative(built: dict[Path, Built]) -> None:
    pictures = [alternative for page in built.values() for alternative in page.pictures]
    assert len(pictures) > len(_PICTURES)
    assert all(len(alternative) > 20 for alternative in pictures)


@pytest.mark.parametrize("path", _PICTURES, ids=lambda path: path.stem)
def test_a_drawing_has_a_title_and_colours_for_light_and_dark(path: Path) -> None:
    tree = ElementTree.parse(path)  # noqa: S314 - our own drawing
    title = tree.find(f"{_SVG}title")
    assert title is not None
    assert title.text
    style = tree.find(f"{_SVG}style")
    assert style is not None
    plain, _, dark = str(style.text).partition("@media (prefers-color-scheme: dark)")
    # A class that the dark colours leave out keeps one that reads on both.
    used = {name for each in tree.iter() for name in each.get("class", "").split()}
    for name in used:
        assert f".{name} " in plain, name
    for name in ("text", ".small", ".paper", ".box", ".line"):
        assert f"{name} {{" in dark, name
    assert not re.search(r"href|https?://(?!www\.w3\.org)", path.read_text("utf-8"))
