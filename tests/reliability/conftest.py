"""Processes of the command line, and a world for them to sync."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.processes import Zygotes


@pytest.fixture(scope="package")
def zygotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygotes]:
    """One for all tests: it takes a second to import the program."""
    with Zygotes(tmp_path_factory.mktemp("processes")) as zygotes:
        yield zygotes
