"""Text for people: harmless for terminals and logs, and in good English."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable


def visible(text: str) -> str:
    """The text with everything that could steer a terminal written out.

    Job names are tame, but tags, failure reasons and ad-hoc SQL may hold anything: escape
    sequences, C1 controls, bidirectional overrides. Line breaks and tabs become spaces.
    """
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def counted(number: int, noun: str, several: str | None = None) -> str:
    """`1 call`, `1,234 calls`; the plural takes an s where it is not given."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def last_runs(number: int) -> str:
    """`last run`, `last 3 runs`."""
    return "last run" if number == 1 else f"last {counted(number, 'run')}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` with the nearest known word, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def short_hash(text: str) -> str:
    """Return 16 hex digits that change when the text does."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    if char.isspace():
        return " "
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
