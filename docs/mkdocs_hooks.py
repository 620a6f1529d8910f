"""Hooks of mkdocs.yml: the pages are written for reading in the repository, and this adapts them.

README.md becomes the home page, and the other pages of the top folder become pages of the site.
Links between the two folders, and to files such as the Dockerfile, then lead to their place in
the site.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
#: The page of the site for each page of the top folder.
_TOP_PAGES: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
#: Other files of the top folder that pages link to.
_TOP_FILES: Final = ("Dockerfile",)
_LINK: Final = re.compile(r"\[([^][]*)\]\(([^)\s]+)\)")
#: The name after the language of a fenced block, by which the tests find the block.
_BLOCK_NAME: Final = re.compile(r"^(```\w+) \S+$", re.MULTILINE)


def anchor(heading: str, separator: str = "-") -> str:
    """Return the anchor of a heading as GitHub makes it, so that links work in both places."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", separator)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make anchors as GitHub does."""
    config.mdx_configs["toc"] = {**config.mdx_configs.get("toc", {}), "slugify": anchor}
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages and files of the top folder."""
    for name, page in _TOP_PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text("utf-8")))
    for name in _TOP_FILES:
        files.append(File.generated(config, name, content=(ROOT / name).read_bytes()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with the links of the site, and with blocks that Python-Markdown reads."""
    source = _source_of(page.file.src_uri)
    moved = _LINK.sub(
        lambda link: f"[{_words(link[1], link[2], source)}]({_moved(link[2], source, files)})",
        markdown,
    )
    return _BLOCK_NAME.sub(r"\1", moved)


def _source_of(page: str) -> PurePosixPath:
    """Return the path in the repository of a page of the site."""
    top = {place: name for name, place in _TOP_PAGES.items()}
    return PurePosixPath(top.get(page, f"docs/{page}"))


def _words(text: str, link: str, source: PurePosixPath) -> str:
    """Return the words of a link: a title in the place of a file name, which the site lacks."""
    path = link.partition("#")[0]
    if not path.endswith(".md") or "://" in path:
        return text
    if text not in (path, normpath((source.parent / path).as_posix()), PurePosixPath(path).name):
        return text
    target = ROOT / source.parent / path
    title = re.search(r"^# (.+)$", target.read_text("utf-8"), re.MULTILINE)
    return title[1] if title else "Home"


def _moved(link: str, source: PurePosixPath, files: Files) -> str:
    """Return the target in the site of a link in the repository; other links stay."""
    path, mark, heading = link.partition("#")
    if not path or "://" in path:
        return link
    target = normpath((source.parent / path).as_posix())
    place = _TOP_PAGES.get(target, target.removeprefix("docs/"))
    if files.get_file_from_path(place) is None:
        return link  # MkDocs then says that it leads nowhere
    here = _TOP_PAGES.get(source.as_posix(), source.as_posix().removeprefix("docs/"))
    return relpath(place, PurePosixPath(here).parent.as_posix()) + mark + heading
