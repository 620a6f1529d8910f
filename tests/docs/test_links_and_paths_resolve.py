"""Links between pages, and paths that pages name, lead somewhere."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, blocks, inline_code, links, read

#: A path inside the repository; words in capitals, such as `queries/NAME.sql`, are placeholders.
_PATH = re.compile(
    r"(?:exporter|tests|queries|migrations|docs|benchmarks|\.ci)/[\w./-]*"
    r"|[A-Z]+\.md|pyproject\.toml|Dockerfile"
)
_PLACEHOLDER = re.compile(r"\b[A-Z]{2,}(?!\.md)|NUMBER")
_TARGET = re.compile(r"^([\w.-]+):", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), link


@pytest.mark.parametrize("page", PAGES)
def test_every_named_path_exists(page: str) -> None:
    for code in inline_code(page):
        if _PATH.fullmatch(code) and not _PLACEHOLDER.search(code):
            assert (ROOT / code).exists(), code


@pytest.mark.parametrize("page", PAGES)
def test_every_named_make_target_exists(page: str) -> None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text("utf-8")))
    texts = [*inline_code(page), *(line for one in blocks(page) for line in one.text.splitlines())]
    for text in texts:
        if named := re.match(r"(?:\$ )?make ([\w.-]+)", text):
            assert named[1] in targets, text


@pytest.mark.parametrize("page", PAGES)
def test_every_named_module_exists(page: str) -> None:
    for module in re.findall(r"python -m ((?:benchmarks|tests|docs)[\w.]*\w)", read(page)):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_every_named_long_run_selects_tests() -> None:
    runs = [
        run
        for page in PAGES
        for run in re.findall(r"(EXPORTER_\w+)=\d+ pytest (?:-s )?(\S+) -k (\w+)", read(page))
    ]
    assert len(runs) > 3
    for variable, folder, keyword in runs:
        sources = {path.name: path.read_text("utf-8") for path in (ROOT / folder).rglob("*.py")}
        names = [*sources, *re.findall(r"def (test_\w+)", "\n".join(sources.values()))]
        assert any(name.startswith("test_") and keyword in name for name in names), keyword
        assert any(variable in text for text in sources.values()), variable


def test_the_map_names_every_part_of_the_package() -> None:
    text = read("CONTRIBUTING.md")
    parts = [
        path
        for path in (ROOT / "exporter").iterdir()
        if (path.is_dir() and (path / "__init__.py").exists())
        or (path.suffix == ".py" and not path.name.startswith("__"))
    ]
    assert len(parts) > 15
    for path in parts:
        name = path.relative_to(ROOT).as_posix() + ("/" if path.is_dir() else "")
        assert f"`{name}`" in text, name


def test_the_map_names_every_test_folder() -> None:
    text = read("CONTRIBUTING.md")
    for path in (ROOT / "tests").iterdir():
        if list(path.glob("test_*.py")):
            assert f"`tests/{path.name}/`" in text, path.name


def test_every_page_leads_on_and_is_found_from_another_one() -> None:
    pages = {page for page in PAGES if page.startswith("docs/")}
    leads = {
        page: {
            f"docs/{target}"
            for link in links(page)
            if (target := link.partition("#")[0]).endswith(".md")
        }
        - {page}
        for page in pages
    }
    for page in pages:
        assert leads[page] & pages, page
        assert any(page in targets for targets in leads.values()), page


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in links("README.md")}
    assert set(PAGES) - {"README.md"} <= linked
