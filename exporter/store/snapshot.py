"""A copy for readers, published after each sync: they may hold it for as long as they like.

An analyst's notebook that keeps the database itself open would stop every sync; one that keeps a
snapshot open goes on reading the old one, and sees the new one when it opens the file again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from exporter.store.copies import check_target, copy
from exporter.store.database import Database

#: For everybody to read and nobody to write: a writer's log would outlive the next snapshot.
READ_ONLY: Final = 0o444


def check(database: Database, target: Path) -> None:
    """Say before the sync what would prevent publishing after it.

    Raises:
        UsageError: The target is the database itself, or something else than a database.
        DatabaseError: The target's directory is not there.
    """
    check_target(database.path, target)


def publish(database: Database, target: Path, mode: int = READ_ONLY) -> None:
    """Replace the target by the database as it is now, in one step.

    Call it with the sync lock held and the database not open in this process.

    Raises:
        DatabaseError: The target cannot be written; the old snapshot stays.
        UsageError: The target is the database itself, or something else than a database.
    """
    copy(database, target, mode=mode)
