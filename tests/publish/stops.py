"""A publish that says where it is and waits there, to be killed: `stops WHERE DATABASE TARGET`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
from arro3.core import RecordBatch

from exporter.publish import lake, run
from exporter.store import export
from exporter.store.batches import Stream
from exporter.store.database import Database

_read = export.read


def stop(where: str) -> None:
    print(where, flush=True)
    time.sleep(60)


@contextmanager
def halfway(connection: sa.Connection, source: export.Source) -> Iterator[Stream]:
    """The first rows of `prices`, then nothing more."""
    with _read(connection, source) as rows:

        def first() -> Iterator[RecordBatch]:
            yield rows.read_next_batch().slice(0, 3)
            stop("half")

        yield Stream.from_batches(rows.schema, first()) if source.name == "prices" else rows


def main(where: str, database: str, target: str) -> None:
    patches: dict[str, Any] = {
        "opened": patch.object(lake, "replace", lambda *_: stop("opened")),
        "half": patch.object(export, "read", halfway),
        "committed": patch.object(lake, "clear", lambda *_: stop("committed")),
    }
    few = patch.object(export, "NAMES", ("training_jobs", "prices", "sync_scopes"))
    with few, patches[where]:
        run.publish(Database(Path(database)), Path(target), retention=timedelta(days=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
