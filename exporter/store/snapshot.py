"""`sync --snapshot`: a copy that readers may keep open, published after each sync.

A reader that keeps the database itself open would block every sync. A reader that keeps a
snapshot open continues to read the old one, and sees the new one when it opens the file again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from exporter.store.copies import check_target, copy
from exporter.store.database import Database

#: Readable by all, writable by nobody: a writer's log would make the next snapshot unreadable.
READ_ONLY: Final = 0o444


def check(database: Database, target: Path) -> None:
    """Raise before the sync if nothing can be published after it.

    Raises:
        UsageError: The target is the database itself, or a file of another kind.
        DatabaseError: The target cannot be read, or its directory is missing.
    """
    check_target(database.path, target)


def publish(database: Database, target: Path, mode: int = READ_ONLY) -> None:
    """Replace the target with a copy of the database, in one step.

    The caller holds the sync lock and does not have the database open.

    Raises:
        DatabaseError: The target cannot be written; the old snapshot stays.
        UsageError: The target is the database itself, or a file of another kind.
    """
    copy(database, target, mode=mode)
