"""What the database keeps of its publishes: the name of its collector, and their number.

The number goes up before a publish writes, so an older copy of the database is known by its lower
number. The database has an id, too: another database that uses the name of a collector is known by
it, whatever its number.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from exporter.errors import DatabaseError, UsageError
from exporter.store.connections import Connection
from exporter.store.database import Database

_COLLECTOR: Final = "collector"
_SEQUENCE: Final = "publishes"
_DATABASE: Final = "publisher"
#: Names stand in the lake's tables and in messages.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Identity:
    """Who publishes.

    Attributes:
        collector: The name of the collector; None = it has none yet.
        sequence: The number of its publishes.
        database: The id of the database, which copies share; empty = it has never published.
    """

    collector: str | None
    sequence: int
    database: str = ""


def new_name() -> str:
    """Return a name that no other collector has."""
    return f"collector-{uuid.uuid4().hex[:12]}"


def new_id() -> str:
    """Return an id that no other database has."""
    return uuid.uuid4().hex


def check_name(name: str) -> str:
    """Return the name of a collector.

    Raises:
        UsageError: It has other characters, or too many.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A collector cannot be called {name[:80]!r}.",
            "Use up to 64 letters, digits, dots, dashes and underscores.",
        )
    return name


def read(connection: Connection) -> Identity:
    """Return what the database keeps."""
    found = dict(connection.execute("SELECT name, value FROM settings").tuples())
    return Identity(found.get(_COLLECTOR), int(found.get(_SEQUENCE, "0")), found.get(_DATABASE, ""))


def advance(database: Database, collector: str, at_least: int = 0) -> Identity:
    """Keep the collector's name, and return it with the number of its next publish.

    Args:
        database: The file.
        collector: The name to keep.
        at_least: The number is higher than this.

    Raises:
        BusyError, DatabaseError: As `Database.writing`.
    """

    def following(before: Identity) -> Identity:
        sequence = max(before.sequence, at_least) + 1
        return Identity(collector, sequence, before.database or new_id())

    return _replace(database, following)


def withdraw(database: Database, number: Identity) -> None:
    """Take back the number of a publish that has written nothing.

    Otherwise, a copy of the database that was refused would have the number of the one that was
    faster, and would be taken for it the next time.
    """

    def before(found: Identity) -> Identity:
        return replace(found, sequence=number.sequence - 1) if found == number else found

    _replace(database, before)


def _replace(database: Database, change: Callable[[Identity], Identity]) -> Identity:
    after: list[Identity] = []

    def read_back(connection: Connection) -> None:
        if [read(connection)] != after:
            raise DatabaseError("The number of the publish was not kept.", "Nothing is lost.")

    with database.writing(read_back) as connection:
        after.append(change(read(connection)))
        values = {
            _COLLECTOR: after[0].collector,
            _SEQUENCE: str(after[0].sequence),
            _DATABASE: after[0].database,
        }
        connection.execute_each(
            "INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)",
            [{"name": name, "value": value} for name, value in values.items()],
        )
    return after[0]
