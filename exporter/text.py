"""Text for people: safe for terminals and logs, with correct plurals."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable


def visible(text: str) -> str:
    """Return the text with every control character escaped, so that it cannot steer a terminal.

    Tags, failure reasons and ad-hoc SQL can contain escape sequences, C1 controls and
    bidirectional overrides. Line breaks and tabs become spaces.
    """
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def counted(number: int, noun: str, several: str | None = None) -> str:
    """Return a number and its noun: `1 call`, `1,234 calls`; `several` is an irregular plural."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def last_runs(number: int) -> str:
    """Return `last run`, or `last 3 runs`."""
    return "last run" if number == 1 else f"last {counted(number, 'run')}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` with the nearest known word, or nothing if none is near."""
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
