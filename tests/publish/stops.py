"""Publishes up to a point, prints its name, and waits for a kill: `stops WHERE DATABASE TARGET`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from arro3.core import RecordBatch

from exporter.publish import lake, run
from exporter.store.batches import Stream
from exporter.store.database import Database
from tests.publish.support import FEW


def stop(where: str) -> NoReturn:
    print(where, flush=True)
    time.sleep(60)
    raise TimeoutError("nobody killed this process")


def opened(*_: object) -> int:
    """Stop before the first table is written."""
    stop("opened")


def half(folder: Path, name: str, comment: str, rows: Stream, fingerprint: str) -> int:
    """Stop after the first rows of `prices`."""

    def first() -> Iterator[RecordBatch]:
        yield rows.read_next_batch().slice(0, 3)
        stop("half")

    halved = Stream.from_batches(rows.schema, first()) if name == "prices" else rows
    return lake.replace(folder, name, comment, halved, fingerprint)


def committed(folder: Path, name: str, comment: str, rows: Stream, fingerprint: str) -> int:
    """Stop after the first table is written."""
    lake.replace(folder, name, comment, rows, fingerprint)
    stop("committed")


def main(where: str, database: str, target: str) -> None:
    steps: dict[str, run.Replace] = {"opened": opened, "half": half, "committed": committed}
    run.publish(
        Database(Path(database)),
        Path(target),
        retention=timedelta(days=1),
        names=FEW,
        replace=steps[where],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
