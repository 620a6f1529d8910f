"""Pages that were made, for whoever asks for them again before the next commit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from exporter.wire import Body

MOST_BYTES: Final = 64 << 20


class Pages:
    """Bodies of one version of the data, the least used dropped first; thread-safe.

    A dispatcher that asks the same every second, and a paginator whose next pages were read with
    the last one, are answered from here.

    Args:
        most_bytes: How much to keep.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._guard = threading.Lock()
        self._kept: OrderedDict[Hashable, Body] = OrderedDict()
        self._bytes = 0
        self._version = -1

    def get(self, version: int, key: Hashable) -> Body | None:
        """The page that was kept, None where it was not or is of another version."""
        with self._guard:
            if version != self._version or key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, version: int, key: Hashable, body: Body) -> None:
        """Keep a page; one of a newer version drops all that were kept before."""
        with self._guard:
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
