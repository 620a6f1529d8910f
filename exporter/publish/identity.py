"""What the database keeps of its publishes: the name of its collector, and their number.

The number goes up before a publish writes, so an older copy of the database is known by its lower
number.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from exporter.errors import DatabaseError, UsageError
from exporter.store.database import Database
from exporter.store.schema import settings

_COLLECTOR: Final = "collector"
_SEQUENCE: Final = "publishes"
#: Names stand in the lake's tables and in messages.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Identity:
    """Who publishes.

    Attributes:
        collector: The name of the collector; None = it has none yet.
        sequence: The number of its publishes.
    """

    collector: str | None
    sequence: int


def new_name() -> str:
    """Return a name that no other collector has."""
    return f"collector-{uuid.uuid4().hex[:12]}"


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


def read(connection: sa.Connection) -> Identity:
    """Return what the database keeps."""
    rows = connection.execute(sa.select(settings.c.name, settings.c.value)).all()
    found = {row.name: row.value for row in rows}
    return Identity(found.get(_COLLECTOR), int(found.get(_SEQUENCE, "0")))


def advance(database: Database, collector: str, at_least: int = 0) -> int:
    """Keep the collector's name, and return the number of its next publish.

    Args:
        database: The file.
        collector: The name to keep.
        at_least: The number is higher than this.

    Raises:
        BusyError, DatabaseError: As `Database.writing`.
    """
    after: list[Identity] = []

    def read_back(connection: sa.Connection) -> None:
        if [read(connection)] != after:
            raise DatabaseError("The number of the publish was not kept.", "Nothing is lost.")

    with database.writing(read_back) as connection:
        sequence = max(read(connection).sequence, at_least) + 1
        after.append(Identity(collector, sequence))
        connection.execute(sa.delete(settings).where(settings.c.name.in_([_COLLECTOR, _SEQUENCE])))
        connection.execute(
            sa.insert(settings),
            [
                {"name": _COLLECTOR, "value": collector},
                {"name": _SEQUENCE, "value": str(sequence)},
            ],
        )
    return sequence
