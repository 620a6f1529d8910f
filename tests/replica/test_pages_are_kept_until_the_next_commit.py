"""Finished pages are kept until the next commit."""

from __future__ import annotations

from exporter.replica.pages import Pages
from exporter.wire import Body


def test_pages_are_kept_for_a_version_and_within_bounds() -> None:
    pages = Pages(most_bytes=10)
    pages.put(1, "a", Body(b"12345"))
    pages.put(1, "b", Body(b"12345"))
    assert pages.get(1, "a") == Body(b"12345")
    pages.put(1, "c", Body(b"1"))
    assert pages.get(1, "b") is None, "the least used goes first"
    assert pages.get(2, "a") is None
    pages.put(2, "d", Body(b"1"))
    assert pages.get(1, "a") is None
    pages.put(1, "late", Body(b"1"))
    assert pages.get(1, "late") is None
    assert pages.get(2, "late") is None
