"""The files of a lake as a file system that DuckDB reads, wherever the lake is.

DuckDB's own reader of object stores is an extension that it would download. So its requests go
through a file system in Python: ranges of bytes, without the GIL, as fast as DuckDB reads local
files itself. It knows the files of one snapshot and their sizes, so nothing is listed or asked for
twice, and it can neither write nor reach another file, whatever SQL a user runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from threading import get_ident
from typing import Any, Final

from exporter.errors import UsageError
from exporter.extras import extra
from exporter.publish.relations import SCHEME, File
from exporter.spelling import named

with extra("lake", named("lake")):
    import obstore
    from fsspec import AbstractFileSystem
    from obstore.store import ObjectStore

#: The files never change, so DuckDB may keep what it knows of them.
_WRITTEN: Final = datetime(2020, 1, 1, tzinfo=UTC)


class Objects(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files of a store, for `register_filesystem` of DuckDB, which calls no other methods.

    Args:
        store: The folder or bucket.

    Attributes:
        bytes_read: What was read by now.
        opened: Which files were opened by now.
        failure: What a request raised, as DuckDB keeps only its text; None = all succeeded.
    """

    protocol = SCHEME.removesuffix("://")
    cachable = False  # fsspec would give the files of another snapshot

    def __init__(self, store: ObjectStore) -> None:
        super().__init__()
        self._store = store
        self._sizes: dict[str, int] = {}
        self.bytes_read = 0
        self.opened: set[str] = set()
        self.failure: Exception | None = None

    def add(self, files: Iterable[File]) -> None:
        """Make files known; there are no others."""
        self._sizes.update((file.path, file.size) for file in files)

    def glob(self, path: str, **_: Any) -> list[str]:  # noqa: ANN401 - fsspec's signature
        """Return the path if it is a file; patterns find nothing."""
        return [path] if _below(path) in self._sizes else []

    def info(self, path: str, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        """Return what is known of a file.

        Raises:
            FileNotFoundError: There is no such file.
        """
        if _below(path) not in self._sizes:
            raise FileNotFoundError(path)
        return {"name": path, "type": "file", "size": self._sizes[_below(path)]}

    def ls(self, path: str, **_: Any) -> list[str]:  # noqa: ANN401 - as above
        """Return the files of a folder: none, as DuckDB knows all that it may read."""
        return []

    def size(self, path: str) -> int:
        """Return the size of a file."""
        return self._sizes[_below(path)]

    def modified(self, path: str) -> datetime:
        """Return one time for all files."""
        return _WRITTEN

    def open(self, path: str, mode: str = "rb", **_: Any) -> _File:  # noqa: ANN401 - as above
        """Return a file to read.

        Raises:
            UsageError: Another mode, or no file of the snapshot.
        """
        if mode != "rb" or _below(path) not in self._sizes:
            self.failure = UsageError("SQL: a lake is read only.")
            raise self.failure
        self.opened.add(_below(path))
        return _File(self, _below(path), self._sizes[_below(path)])

    def read(self, path: str, begin: int, length: int) -> bytes:
        """Return bytes of a file."""
        try:
            found = obstore.get_range(self._store, path, start=begin, length=length)
        except Exception as error:
            self.failure = error
            raise
        self.bytes_read += length
        return bytes(found)


class _File:
    """A file of the store, with the methods that DuckDB calls.

    DuckDB's threads share it, and each of them seeks before it reads: so each has its own place.
    """

    def __init__(self, objects: Objects, path: str, size: int) -> None:
        self._objects = objects
        self._path = path
        self._size = size
        self._places: dict[int, int] = {}

    def seek(self, place: int) -> None:
        self._places[get_ident()] = place

    def read(self, length: int) -> bytes:
        place = self._places.get(get_ident(), 0)
        length = min(length, self._size - place)
        found = self._objects.read(self._path, place, length) if length > 0 else b""
        self._places[get_ident()] = place + len(found)
        return found

    def close(self) -> None:
        """Do nothing: no request is open."""


def _below(path: str) -> str:
    return path.removeprefix(SCHEME)
