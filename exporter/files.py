"""Builds files where no other process looks, and puts them into place in one step.

A file is built in a folder of its own, which only this user can enter and whose name nobody can
guess. That folder stands beside the target, because a file moves in one step only within a file
system. The process that builds holds an advisory lock on the folder. So the next one can tell what
a killed process left from what a running one still needs, and removes the former.

Network file systems refuse some requests. Without permissions or flushing the result is still
whole, so the program goes on and says so once. Without locks two writers could destroy a database,
so the program stops at once.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from exporter.errors import DatabaseError, UsageError

_log = logging.getLogger(__name__)

#: What a file system answers that does not offer a request. CIFS answers EPERM to chmod and link;
#: EINVAL and EBADF are answers to fsync, of a folder in particular; ENOLCK is NFS without lockd.
NOT_OFFERED: Final = frozenset(
    {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL, errno.ENOTTY}
)
_NO_PERMISSIONS: Final = NOT_OFFERED | {errno.EPERM, errno.EACCES}
_NO_FLUSH: Final = NOT_OFFERED | {errno.EBADF, errno.EACCES, errno.EISDIR}
#: A folder that is younger than this may not be locked yet.
_YOUNG_SECONDS: Final = 60
#: Where locks are refused, a folder of this age belongs to a killed process.
_ABANDONED_SECONDS: Final = 86_400
_CHUNK_BYTES: Final = 4 << 20
_TEMPORARY: Final = "sagemaker-exporter-"


def named(text: str) -> Path:
    """Return the path that a user named; `~` is a home directory.

    Raises:
        UsageError: No path can have these characters, or there is no such home directory.
    """
    try:
        os.fsencode(text)
        if "\0" in text:
            raise ValueError
        return Path(text).expanduser()
    except ValueError:
        raise UsageError(f"No path can be {text[:80]!r}.") from None
    except RuntimeError:
        raise UsageError(f"{text}: there is no such home directory.", "Write it out.") from None


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """Give a path of the target's name in a private folder beside it; remove that folder after.

    What killed processes left of the same target is removed first.

    Raises:
        OSError: The folder cannot be created.
    """
    # A name of 255 bytes is allowed, and one that is longer by a dot is not.
    with _private(target.absolute().parent, f".{target.name[:100]}.new-") as folder:
        yield folder / target.name


@contextmanager
def temporary(near: Path | None = None) -> Iterator[Path]:
    """Give a private folder where the system keeps temporary files; remove it after the block.

    Args:
        near: The folder to use if the system has none that is writable; None = none.

    Raises:
        DatabaseError: No such folder is writable.
    """
    with ExitStack() as stack:
        try:
            parent, prefix = _temporary_parent(near)
            folder = stack.enter_context(_private(parent, prefix))
        except OSError:
            raise DatabaseError(
                "No temporary folder is writable.", "Set TMPDIR to a writable folder."
            ) from None
        yield folder


def _temporary_parent(near: Path | None) -> tuple[Path, str]:
    """Return where to create a temporary folder, and how its name begins."""
    try:
        return Path(tempfile.gettempdir()), _TEMPORARY
    except OSError:
        if near is None:
            raise
        return near, f".{_TEMPORARY}"


@contextmanager
def _private(parent: Path, prefix: str) -> Iterator[Path]:
    remove_abandoned(parent, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # without the lock, only age tells that it is abandoned
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
        finally:
            os.close(descriptor)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(parent: Path, prefix: str, now: Callable[[], float] = time.time) -> None:
    """Remove this user's folders of that prefix whose process was killed.

    Args:
        parent: The folder to look into.
        prefix: The beginning of their names.
        now: Returns the Unix time.
    """
    with suppress(OSError):
        for folder in parent.iterdir():
            if folder.name.startswith(prefix):
                # Another process may remove it first, or this one may lack the permission.
                with suppress(OSError):
                    _remove_if_abandoned(folder, now())


def _remove_if_abandoned(folder: Path, now: float) -> None:
    # A link would lead to somebody's files.
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        found = os.fstat(descriptor)
        age = now - found.st_mtime
        if found.st_uid != os.geteuid() or age < _YOUNG_SECONDS:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError:
            if age < _ABANDONED_SECONDS:
                return
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def copy(source: int, target: Path) -> None:
    """Copy the bytes of an open file to a new file that only this user can read.

    The source stays open, and no second descriptor of it is closed: that would release the POSIX
    locks that this process has on the file.

    Raises:
        OSError: The source cannot be read, or the target exists or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with (
        open(source, "rb", buffering=0, closefd=False) as reader,
        os.fdopen(os.open(target, flags, 0o600), "wb", buffering=0) as writer,
    ):
        reader.seek(0)
        shutil.copyfileobj(reader, writer, _CHUNK_BYTES)


def put_in_place(built: Path, target: Path, mode: int) -> None:
    """Replace the target with a finished file in one step, and write both to the disk.

    Args:
        built: The finished file, in the same file system.
        target: The file to replace.
        mode: The permissions of the target.

    Raises:
        OSError: The file cannot be written or moved; the target stays as it was.
    """
    refused = [
        *_unless_offered("chmod", lambda: built.chmod(mode), _NO_PERMISSIONS),
        *_unless_offered("fsync", lambda: _flush(built), _NO_FLUSH),
    ]
    if refused and stat.S_IMODE(built.stat().st_mode) == mode:
        refused = [each for each in refused if not each.startswith("chmod")]
    built.replace(target)
    refused += _unless_offered("fsync", lambda: _flush(target.parent), _NO_FLUSH)
    if refused:
        _log.warning(
            "The file system of %s refuses %s; the file is complete without it.",
            target,
            " and ".join(dict.fromkeys(refused)),
        )


def _unless_offered(name: str, act: Callable[[], object], refusals: frozenset[int]) -> list[str]:
    """Act; return the name and the cause if the file system does not offer that."""
    try:
        act()
    except OSError as error:
        if error.errno not in refusals:
            raise
        return [f"{name} ({error.strerror})"]
    return []


def _flush(path: Path) -> None:
    """Write a file or folder to the disk, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
