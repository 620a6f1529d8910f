"""Keep finished pages until the next commit, for requests that ask for them again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from exporter.wire import Body

MOST_BYTES: Final = 64 << 20


class Pages:
    """Pages of one version of the data; the least recently used go first. Thread-safe.

    They answer a dispatcher that asks the same every second, and a paginator whose next pages
    were read together with the previous one.

    Args:
        most_bytes: The largest total size.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Body] = OrderedDict()
        self._bytes = 0
        self._version = -1

    def get(self, version: int, key: Hashable) -> Body | None:
        """Return a page; None if it was not kept, or is of another version."""
        with self._lock:
            if version != self._version or key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, version: int, key: Hashable, body: Body) -> None:
        """Keep a page; a page of a newer version drops all older ones."""
        with self._lock:
            if version < self._version:
                return
            if version > self._version:
                self._kept.clear()
                self._bytes, self._version = 0, version
            before = self._kept.pop(key, None)
            self._bytes += len(body.content) - (len(before.content) if before else 0)
            self._kept[key] = body
            while self._bytes > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped.content)
