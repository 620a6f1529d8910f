"""Reads and replaces one Delta Lake table in its own folder.

A version of the table is one commit to its log, so readers see all of it or nothing. A reader of
an older version may continue until its files are older than the retention.
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

#: The name in the metadata of tables that this program may replace.
_OURS: Final = "sagemaker_exporter.{}"
#: The key of the rows' fingerprint in a commit.
_FINGERPRINT: Final = "sagemaker_exporter_fingerprint"
#: Operations of commits that change no row.
_NO_NEW_ROWS: Final = frozenset({"VACUUM START", "VACUUM END", "OPTIMIZE"})
_COMMITS_READ: Final = 20
#: The writer keeps a row group in memory until it is full.
_ROW_GROUP: Final = 100_000
#: No minima and maxima in the log. The library writes those of decimals as doubles, so a reader
#: could skip a file that contains the amount it looks for. The Parquet files have exact ones.
_CONFIGURATION: Final = {"delta.dataSkippingNumIndexedCols": "0"}


def check(folder: Path, name: str) -> None:
    """Raise unless the folder is missing, is empty, or holds our table of that name.

    Raises:
        UsageError: The folder is a file, another table, or a folder with other files.
        DatabaseError: The folder cannot be read.
    """
    with _translated(folder):
        if (table := _opened(folder)) is not None:
            if table.metadata().name != _OURS.format(name):
                raise _refused(folder, "a Delta table of another program")
        elif folder.is_dir():
            # A run that was killed before its first commit leaves only an empty log.
            for path in folder.iterdir():
                if path.name != "_delta_log" and not path.name.startswith("."):
                    raise _refused(folder, f"a folder with {path.name} in it")
        elif folder.exists():
            raise _refused(folder, "a file")


def published(folder: Path) -> tuple[int, str | None] | None:
    """Return the version and fingerprint of the published rows; None if there is no table.

    The fingerprint is None if another program wrote the rows.

    Raises:
        DatabaseError: The table cannot be read.
    """
    with _translated(folder):
        if (table := _opened(folder)) is None:
            return None
        for commit in table.history(_COMMITS_READ):
            if commit["operation"] not in _NO_NEW_ROWS:
                return int(commit["version"]), commit.get(_FINGERPRINT)
        return table.version(), None


def replace(folder: Path, name: str, comment: str, rows: Stream, fingerprint: str) -> int:
    """Replace the table's rows, columns and comments, and return its new version.

    Args:
        folder: The table's folder.
        name: The table's name.
        comment: The table's comment.
        rows: The new rows; their columns may differ from the current ones.
        fingerprint: Identifies the rows, see `published`.

    Raises:
        BusyError: Another program wrote to the table at the same time.
        DatabaseError: The table cannot be written; the current version stays.
    """
    with _translated(folder):
        table = _opened(folder)
        if table is None:
            # Create it empty, so that the files of a killed run are known to be ours.
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
            # No retries: the rows of the other publish may be newer than these.
            commit_properties=CommitProperties(
                custom_metadata={_FINGERPRINT: fingerprint}, max_commit_retries=0
            ),
        )
        return table.version()


def clear(folder: Path, retention: timedelta) -> int:
    """Remove files of older versions and of killed runs, and return their number.

    Raises:
        DatabaseError: The files cannot be removed.
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
    return UsageError(f"{folder} is {found}.", "Nothing was changed. Name another TARGET.")


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except CommitFailedError as error:
        raise BusyError(
            f"Another program wrote to {folder} at the same time.",
            "Its data stays; the next run publishes what is missing.",
        ) from error
    except (DeltaError, OSError) as error:
        raise DatabaseError(
            f"Cannot publish to {folder}: {_line(error)}.",
            "Readers still see the previous version.",
        ) from error


def _line(error: Exception) -> str:
    lines = (line.strip().rstrip(".") for line in str(error).splitlines())
    return next(filter(None, lines), "unknown error")
