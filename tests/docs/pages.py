"""Read the pages: their fenced blocks, inline code, headings and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from docs.mkdocs_hooks import anchor

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Every page of the repository, relative to its root.
PAGES = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *DOCS.glob("*.md")])

_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: The word after the fence.
        name: The path or word after the language; empty if there is none.
        text: The lines of the block.
    """

    language: str
    name: str
    text: str


def read(page: str) -> str:
    """Return the text of a page, given relative to the root."""
    return (ROOT / page).read_text("utf-8")


def blocks(page: str) -> list[Block]:
    """Return every fenced block of a page."""
    return [Block(*found) for found in _BLOCK.findall(read(page))]


def block(page: str, name: str) -> str:
    """Return the text of the one block with this name."""
    (found,) = (one for one in blocks(page) if one.name == name)
    return found.text


def prose(page: str) -> str:
    """Return a page without its fenced blocks."""
    return _BLOCK.sub("", read(page))


def inline_code(page: str) -> list[str]:
    """Return every text between single backticks, outside fenced blocks."""
    return _CODE.findall(prose(page))


def links(page: str) -> list[str]:
    """Return the target of every link."""
    return _LINK.findall(prose(page))


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    return {anchor(heading) for heading in _HEADING.findall(prose(page))}
