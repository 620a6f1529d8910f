"""Writes a result to standard output, or to a file that appears complete or not at all.

A result is rendered completely before any of it is printed. The database is closed by then, so
that a sync need not wait for a pager.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from exporter import files
from exporter.errors import DatabaseError, UsageError
from exporter.reports import rendering
from exporter.reports.result import Result

_IN_MEMORY: Final = 8 * 2**20


@contextmanager
def target(path: Path | None, *, mode: int | None = None) -> Iterator[IO[bytes]]:
    """Give a binary stream whose content reaches `path` when the block ends.

    A regular file is written under another name and then renamed, so that an error leaves nothing
    behind. A symbolic link stays a link. Devices and pipes such as /dev/stdout are written to
    directly.

    Args:
        path: The file; None = standard output.
        mode: Permissions of the file; None = those of the file that it replaces, else those that
            the umask gives.

    Raises:
        UsageError: The path cannot be written.
        DatabaseError: The disk is full.
    """
    if path is None or (path.exists() and not path.is_file() and not path.is_dir()):
        with _spool() as spool:
            yield spool
            spool.seek(0)
            if path is None:
                _copy_to_stdout(cast("BinaryIO", spool))
            else:
                _copy_to_device(cast("BinaryIO", spool), path)
        return
    if path.is_dir():
        raise UsageError(f"Cannot write {path}: it is a directory.")
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    with ExitStack() as stack:
        try:
            building = stack.enter_context(files.building(path))
        except OSError as error:
            raise UsageError(f"Cannot write {path}: {error.strerror}.") from None
        try:
            with building.open("wb") as file:
                yield file
            files.put_in_place(building, path, _mode(path) if mode is None else mode)
        except OSError as error:
            raise DatabaseError(f"Cannot write {path}: {error.strerror}.") from error


def _spool() -> IO[bytes]:
    """Return a stream that keeps a large result in a temporary file, if there can be one."""
    try:
        tempfile.gettempdir()
    except OSError:
        return BytesIO()
    return cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))


def _copy_to_stdout(spool: BinaryIO) -> None:
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # a replacement without bytes, such as a notebook's
        sys.stdout.write(spool.read().decode())
        return
    sys.stdout.flush()
    shutil.copyfileobj(spool, binary)
    binary.flush()


def _copy_to_device(spool: BinaryIO, path: Path) -> None:
    try:
        with path.open("wb") as device:
            shutil.copyfileobj(spool, device)
    except BrokenPipeError:  # the reader has enough: the command exits without a message
        raise
    except OSError as error:
        raise DatabaseError(f"Cannot write {path}: {error.strerror}.") from error


def _mode(path: Path) -> int:
    """Return the mode of the file, or the one that the umask gives a new file."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def write(
    result: Result,
    style: str,
    stream: IO[bytes],
    *,
    width: int | None = None,
    colour: bool = False,
) -> None:
    """Write a result in one of rendering.FORMATS; `width` and `colour` apply to tables."""
    if style == "parquet":
        from exporter.reports import parquet  # here, because Arrow and DuckDB load slowly

        parquet.write(result, stream)
        return
    # Text that cannot be encoded, such as half a surrogate pair, is written as an escape.
    text = TextIOWrapper(cast("BinaryIO", stream), "utf-8", errors="backslashreplace", newline="")
    try:
        if style in rendering.WRITERS:
            rendering.WRITERS[style](result, text)
        else:
            from exporter.reports import table

            text.write(table.render(result, width=width, colour=colour))
        text.flush()
    finally:
        text.detach()
