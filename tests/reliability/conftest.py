"""Processes of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.processes import Zygotes


@pytest.fixture(scope="package")
def zygotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygotes]:
    """One zygote for all tests, because importing the program takes a second."""
    with Zygotes(tmp_path_factory.mktemp("processes")) as zygotes:
        yield zygotes
