"""A database that stays open: these tests sync again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from exporter.store.database import Database
from tests.support.syncing import KeptDatabase


@pytest.fixture
def kept(database: Database) -> Iterator[KeptDatabase]:
    """A fresh database that is opened once. Whole syncs, which open it each time, are elsewhere."""
    with closing(KeptDatabase(database.path)) as opened:
        yield opened
