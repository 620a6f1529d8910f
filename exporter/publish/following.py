"""Follows a lake that collectors publish to, as `exporter.store.following` follows a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from exporter.publish.reading import lake
from exporter.store.connections import Connection

#: Seconds between two looks, each a request to the store. Collectors publish every few minutes.
_LOOK_EVERY: Final = 15.0


class LakeSource:
    """Takes snapshots of a lake.

    Args:
        uri: Where the lake is.

    Raises:
        UsageError: The text names no place where a lake can be.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lake = lake(uri)

    @property
    def pause(self) -> float:
        """Seconds between two looks."""
        return _LOOK_EVERY

    def stamp(self) -> object:
        """Return the version of the table that says what is published.

        Raises:
            DatabaseError, CredentialsError, ServiceError: The lake cannot be read.
        """
        return self._lake.version()

    def take(self) -> Snapshot:
        """Open the lake as it is now; raises as `exporter.publish.reading.Lake.sharing` does."""
        return Snapshot(self._uri)


class Snapshot:
    """A lake as of one publish of each collector; safe for many threads.

    Args:
        uri: Where the lake is.

    Raises:
        ExporterError: As `exporter.publish.reading.Lake.sharing`.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._open = ExitStack()
        self._opening = self._open.enter_context(lake(uri).sharing())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection; other connections share its memory."""
        with self._opening() as connection:
            yield connection

    @property
    def place(self) -> tuple[str, str]:
        """The name of the option that reads the same, and its value."""
        return "lake", self._uri

    def close(self) -> None:
        """Close the snapshot."""
        self._open.close()
