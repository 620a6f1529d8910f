"""DuckDB's threads share the files of a lake; each must read what it asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from obstore.store import MemoryStore

from exporter.publish.objects import Objects
from exporter.publish.relations import File

CONTENT = bytes(range(200))


class _Together(Objects):
    """Objects whose reads wait until each thread has begun one: the worst order."""

    def __init__(self, store: MemoryStore, threads: int) -> None:
        super().__init__(store)
        self._barrier = Barrier(threads, timeout=30)

    def read(self, path: str, begin: int, length: int) -> bytes:
        self._barrier.wait()
        return super().read(path, begin, length)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_thread_reads_from_where_it_sought(threads: int) -> None:
    store = MemoryStore()
    store.put("jobs/a.parquet", CONTENT)
    objects = _Together(store, threads)
    objects.add([File("jobs/a.parquet", len(CONTENT), ())])
    shared: Any = objects.open("lake://jobs/a.parquet")

    def parts(thread: int) -> list[bytes]:
        found = []
        for place in (thread * 20, thread * 20 + 100, 199):
            shared.seek(place)
            # Twice: the second goes on where the first ended.
            found += [shared.read(7), shared.read(3)] if place < 199 else [shared.read(7)]
        return found

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(parts, range(threads)))
    assert found == [
        [
            CONTENT[begin : begin + length]
            for place in (thread * 20, thread * 20 + 100)
            for begin, length in ((place, 7), (place + 7, 3))
        ]
        + [CONTENT[199:]]
        for thread in range(threads)
    ]
