"""Keeps what the lake library's threads print about a failed write out of standard error.

After a write that failed, some of its threads panic: "Already shut down". Rust prints that, and a
backtrace, before the library raises the error itself. A reader of cron's mail would take it for a
bug. The library offers no hook, so standard error is diverted during the write.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

_STDERR: Final = 2
_SETTLES: Final = 1.0
#: Standard error belongs to the process: of two threads, one diverts it.
_DIVERTED: Final = threading.Lock()

_log = logging.getLogger(__name__)


@contextmanager
def quiet(sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Divert standard error of the process in the block, and print it afterwards.

    If the block raises an error, the lines are details of it: they are logged instead, and `-vv`
    shows them. A panic of the library itself is no error, and is printed.
    """
    if not _DIVERTED.acquire(blocking=False):
        yield
        return
    try:
        with _kept() as lines:
            try:
                with _diverted(lines):
                    try:
                        yield
                    except Exception:
                        # The threads panic a moment after the error.
                        sleep(_SETTLES)
                        raise
            except Exception:
                _log.debug("%s", _read(lines).decode(errors="replace"))
                raise
            except BaseException:
                os.write(_STDERR, _read(lines))
                raise
            os.write(_STDERR, _read(lines))
    finally:
        _DIVERTED.release()


def _kept() -> IO[bytes]:
    """Open what keeps the lines: a file without a name, or nothing if no folder can hold one."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return Path(os.devnull).open("w+b")


@contextmanager
def _diverted(lines: IO[bytes]) -> Iterator[None]:
    kept = os.dup(_STDERR)
    os.dup2(lines.fileno(), _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)


def _read(lines: IO[bytes]) -> bytes:
    lines.seek(0)
    return lines.read()
