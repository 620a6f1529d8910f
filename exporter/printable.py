"""Text from the service made harmless for terminals and logs."""

from __future__ import annotations


def visible(text: str) -> str:
    """The text with everything that could steer a terminal written out.

    Job names are tame, but tags, failure reasons and ad-hoc SQL may hold anything: escape
    sequences, C1 controls, bidirectional overrides. Line breaks and tabs become spaces.
    """
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    if char.isspace():
        return " "
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
