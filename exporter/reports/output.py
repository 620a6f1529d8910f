"""Where a result goes: standard output, or a file that appears whole or not at all.

A result is rendered completely before a word of it is printed. The database is closed by then:
a pager that waits for its reader must not keep a sync waiting.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, BinaryIO, Final, TextIO, cast

from exporter.errors import DatabaseError, UsageError
from exporter.reports import rendering
from exporter.reports.result import Result

_IN_MEMORY: Final = 8 * 2**20


@contextmanager
def target(path: Path | None) -> Iterator[IO[bytes]]:
    """A binary stream whose content reaches `path` (None: standard output) when the block ends.

    A file is written beside its name, then renamed over it; after an error there is nothing. A
    link stays one, and a device or a pipe, such as /dev/stdout, is written to.

    Raises:
        UsageError: The file cannot be written there.
        DatabaseError: The disk is full.
    """
    if path is None:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            yield cast("IO[bytes]", spool)
            spool.seek(0)
            _copy_to_stdout(cast("BinaryIO", spool))
        return
    if path.is_dir():
        raise UsageError(f"Cannot write {path}: it is a directory.")
    if path.exists() and not path.is_file():
        with _device(path) as stream:
            yield stream
        return
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    try:
        # mkstemp makes it private; a new file gets the mode that the umask would give it.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(_mode(path))
        Path(name).replace(path)
    except OSError as error:
        raise DatabaseError(f"Cannot write {path}: {error.strerror}.") from error
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _device(path: Path) -> Iterator[IO[bytes]]:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        yield cast("IO[bytes]", spool)
        spool.seek(0)
        try:
            with path.open("wb") as device:
                shutil.copyfileobj(spool, device)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise DatabaseError(f"Cannot write {path}: {error.strerror}.") from error


def _mode(path: Path) -> int:
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _copy_to_stdout(spool: BinaryIO) -> None:
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # a stand-in without bytes below, such as a notebook's
        sys.stdout.write(spool.read().decode())
        return
    sys.stdout.flush()
    shutil.copyfileobj(spool, binary)
    binary.flush()


def write(
    result: Result,
    style: str,
    stream: IO[bytes],
    *,
    width: int | None = None,
    colour: bool = False,
) -> None:
    """Write a result in one of rendering.FORMATS; `width` and `colour` are for tables."""
    if style == "parquet":
        from exporter.reports import parquet  # here, because Arrow and DuckDB load slowly

        parquet.write(result, stream)
        return
    # surrogateescape has no place here: what cannot be encoded is shown as an escape.
    text = TextIOWrapper(cast("BinaryIO", stream), "utf-8", errors="backslashreplace", newline="")
    try:
        _write_text(result, style, text, width=width, colour=colour)
        text.flush()
    finally:
        text.detach()


def _write_text(
    result: Result, style: str, text: TextIO, *, width: int | None, colour: bool
) -> None:
    if style == "csv":
        rendering.write_csv(result, text)
    elif style == "json":
        rendering.write_json(result, text)
    elif style == "markdown":
        rendering.write_markdown(result, text)
    else:
        from exporter.reports import table

        text.write(table.render(result, width=width, colour=colour))
