"""Publishes up to a step, prints its name, and waits for a kill: `stops WHERE FILE LAKE NAME`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arro3.core import RecordBatch

from exporter.publish import layout, run, storage
from exporter.publish.delta import Lake, Rows, Writer
from exporter.publish.plan import Entry, Partition, Scope
from exporter.store.batches import Stream
from exporter.store.database import Database


class Stopping(Lake):
    """A lake whose writer stops at a step."""

    def __init__(self, where: storage.Place, step: str) -> None:
        super().__init__(where, storage.Options(where))
        self._step = step

    def claim(self, collector: str, decide: Any) -> None:
        super().claim(collector, decide)
        self._stop("claimed")

    def replace(
        self, table: layout.Table, partitions: Iterable[Partition], rows: Rows, writer: Writer
    ) -> None:
        @contextmanager
        def halved() -> Iterator[Stream]:
            with rows() as opened:

                def some() -> Iterator[RecordBatch]:
                    yield opened.read_next_batch().slice(0, 1)
                    self._stop("half")

                yield Stream.from_batches(opened.schema, some())

        halves = self._step == "half" and table.name == "daily_costs"
        super().replace(table, partitions, halved if halves else rows, writer)
        if table.name == "daily_costs":
            self._stop("committed")

    def publish(self, entries: Mapping[Scope, Iterable[Entry]], writer: Writer) -> None:
        self._stop("fingerprints")
        super().publish(entries, writer)
        self._stop("published")

    def _stop(self, step: str) -> None:
        if step == self._step:
            print(step, flush=True)
            time.sleep(60)
            raise TimeoutError("nobody killed this process")


def main(step: str, database: str, lake: str, collector: str) -> None:
    where = storage.place(lake)
    run.publish(
        Database(Path(database)),
        where,
        run.Options(collector=collector),
        lake=Stopping(where, step),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
