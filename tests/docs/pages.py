"""The examples in a page: fenced blocks, by the name that follows the language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block; `name` is a path or a word, and empty where there is none."""

    language: str
    name: str
    text: str


def blocks(page: str) -> list[Block]:
    """Every block of a page."""
    return [Block(*found) for found in _BLOCK.findall((DOCS / page).read_text("utf-8"))]


def block(page: str, name: str) -> str:
    """The text of the one block of that name."""
    (found,) = (one for one in blocks(page) if one.name == name)
    return found.text
