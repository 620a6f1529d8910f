"""One Delta Lake table in a folder of its own: made, looked at, replaced, cleared of old files.

A version of the table is one commit to its log, and appears whole or not at all. Whoever reads
an older version goes on reading it until its files are older than the retention.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from exporter.errors import BusyError, DatabaseError, UsageError
from exporter.extras import extra
from exporter.store.batches import Stream

with extra("lake", "publish"):
    from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

#: The name in a table's metadata says that it is ours to replace.
_OURS: Final = "sagemaker_exporter.{}"
#: Where a commit says what it holds.
_FINGERPRINT: Final = "sagemaker_exporter_fingerprint"
#: Commits that leave the rows as they are: ours, and those of an engine that looks after tables.
_NO_NEW_ROWS: Final = frozenset({"VACUUM START", "VACUUM END", "OPTIMIZE"})
_COMMITS_LOOKED_AT: Final = 20
#: Row groups are held in memory until they are full.
_ROW_GROUP: Final = 100_000
#: No minima and maxima in the log: the library keeps those of exact numbers as doubles, by which
#: a reader could skip a file that holds the amount asked for. Parquet's own are exact.
_CONFIGURATION: Final = {"delta.dataSkippingNumIndexedCols": "0"}


def check(folder: Path, name: str) -> None:
    """Raise where the folder holds anything but our table of that name, or nothing.

    Raises:
        UsageError: It is a file, another table, or a folder of other files.
        DatabaseError: It cannot be read.
    """
    with _translated(folder):
        if (table := _opened(folder)) is not None:
            if table.metadata().name != _OURS.format(name):
                raise _refused(folder, "a Delta table that something else made")
        elif folder.is_dir():
            # A run that was killed before its first commit leaves no more than an empty log.
            for path in folder.iterdir():
                if path.name != "_delta_log" and not path.name.startswith("."):
                    raise _refused(folder, f"a folder with {path.name} in it")
        elif folder.exists():
            raise _refused(folder, "a file")


def published(folder: Path) -> tuple[int, str | None] | None:
    """Version and fingerprint of the rows that readers see; None where there is no table.

    The fingerprint is None where the last one to write was not us.

    Raises:
        DatabaseError: The table cannot be read.
    """
    with _translated(folder):
        if (table := _opened(folder)) is None:
            return None
        for commit in table.history(_COMMITS_LOOKED_AT):
            if commit["operation"] not in _NO_NEW_ROWS:
                return int(commit["version"]), commit.get(_FINGERPRINT)
        return table.version(), None


def replace(folder: Path, name: str, comment: str, rows: Stream, fingerprint: str) -> int:
    """Put these rows, columns and comments in the table's place; its new version.

    The columns may be others than before.

    Raises:
        BusyError: Somebody else wrote to the table meanwhile.
        DatabaseError: It cannot be written; the version of before stays.
    """
    with _translated(folder):
        table = _opened(folder)
        if table is None:
            # Empty at first: from here on, whatever a kill leaves is known to be ours.
            table = DeltaTable.create(
                folder,
                rows.schema,
                name=_OURS.format(name),
                description=comment,
                configuration=_CONFIGURATION,
            )
        elif table.metadata().description != comment:
            table.alter.set_table_description(comment)
        write_deltalake(
            table,
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=_ROW_GROUP),
            # No retries: what another publish committed meanwhile may be newer than ours.
            commit_properties=CommitProperties(
                custom_metadata={_FINGERPRINT: fingerprint}, max_commit_retries=0
            ),
        )
        return table.version()


def clear(folder: Path, retention: timedelta) -> int:
    """Remove files that only older versions need, or that a killed run left; how many.

    Raises:
        DatabaseError: They cannot be removed.
    """
    with _translated(folder):
        table = DeltaTable(folder)
        removed = table.vacuum(
            math.ceil(retention / timedelta(hours=1)),
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
        )
        return len(removed)


def _opened(folder: Path) -> DeltaTable | None:
    try:
        return DeltaTable(folder) if folder.is_dir() else None
    except TableNotFoundError:
        return None


def _refused(folder: Path, found: str) -> UsageError:
    return UsageError(
        f"{folder} is {found}.", "It was not touched. Name another TARGET, or a new one."
    )


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except CommitFailedError as error:
        raise BusyError(
            f"Another program wrote to {folder} meanwhile.",
            "What it wrote stays; the next run publishes what is missing.",
        ) from error
    except (DeltaError, OSError) as error:
        raise DatabaseError(
            f"Cannot publish to {folder}: {_line(error)}",
            "Readers still see the version of before.",
        ) from error


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "unknown")
