"""Checks of the database, of the folder in which it lives, and of the files of a sync."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from exporter.doctor.findings import FAILED, OK, WARNING, Finding
from exporter.errors import BusyError, ExporterError
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.revision import check_revision, read_revision
from exporter.text import counted

#: Free space below which a sync may soon fail.
_LOW_SPACE: Final = 500 * 10**6


def check(
    database: Database,
    outputs: Mapping[str, Path],
    *,
    free_space: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> Iterator[Finding]:
    """Yield whether a sync can work on the database and write its files.

    Args:
        database: The database; it need not exist.
        outputs: Option -> file that a sync writes, such as `--snapshot`.
        free_space: Returns the free bytes of a folder.
    """
    folder = database.path.absolute().parent
    if not folder.is_dir():
        yield Finding(
            "folder", FAILED, f"There is no folder {folder}.", "Create it, or change --db.", 8
        )
        return
    yield from _of_folder(folder, "folder")
    yield _of_space(database.path, free_space(folder))
    yield _of_database(database)
    for option, path in outputs.items():
        yield from _of_folder(path.absolute().parent, option)


def _of_folder(folder: Path, name: str) -> Iterator[Finding]:
    """Yield whether files can be created, locked, made private, flushed and renamed here."""
    try:
        handle, text = tempfile.mkstemp(prefix=".sagemaker-exporter-doctor-", dir=folder)
    except OSError as error:
        yield Finding(
            name,
            FAILED,
            f"Cannot create a file in {folder}: {error.strerror}.",
            "Give this user the right to write there, or name another folder.",
            8,
        )
        return
    path = Path(text)
    renamed = Path(f"{text}.renamed")
    steps: dict[str, Callable[[], object]] = {
        "lock": lambda: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB),
        "make private": lambda: path.chmod(0o600),
        "flush": lambda: os.fsync(handle),
        "rename": lambda: path.replace(renamed),
    }
    refused = {}
    try:
        for step, do in steps.items():
            try:
                do()
            except OSError as error:
                refused[step] = error.strerror or "refused"
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)
        renamed.unlink(missing_ok=True)
    yield _of_steps(folder, name, refused)


def _of_steps(folder: Path, name: str, refused: Mapping[str, str]) -> Finding:
    if not refused:
        return Finding(name, OK, f"{folder}: files can be created, locked, flushed and renamed")
    words = ", ".join(f"{step} ({reason})" for step, reason in refused.items())
    fatal = refused.keys() & {"lock", "rename"}
    return Finding(
        name,
        FAILED if fatal else WARNING,
        f"{folder}: this file system refuses to {words}.",
        "Keep the database on a local disk, and publish a copy with --snapshot.",
        8 if fatal else 0,
    )


def _of_space(path: Path, free: int) -> Finding:
    size = path.stat().st_size if path.is_file() else 0
    gigabytes = f"{free / 1e9:,.1f} GB free, the database has {size / 1e9:,.1f} GB"
    message = f"{path.absolute().parent}: {gigabytes}"
    # An upgrade and `db restore` keep a copy of the file.
    if free < max(_LOW_SPACE, size):
        return Finding("space", WARNING, f"{message}.", "Free some space: upgrades keep a copy.")
    return Finding("space", OK, message)


def _of_database(database: Database) -> Finding:
    if not database.exists():
        return Finding("database", OK, f"{database.path}: not there yet; `sync` creates it")
    try:
        with database.reading(check_schema=False) as connection:
            found = read_revision(connection)
            jobs = _jobs(connection) if found is not None else 0
        if found is not None and found > database.revision:
            check_revision(database.path, found, database.revision)
    except BusyError as error:
        return Finding("database", WARNING, error.message, error.guidance)
    except ExporterError as error:
        return Finding("database", FAILED, error.message, error.guidance, error.exit_code)
    schema = (
        f"schema {found}" if found == database.revision else "an older schema: sync upgrades it"
    )
    return Finding("database", OK, f"{database.path}: {counted(jobs, 'job')}, {schema}")


def _jobs(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM training_jobs").all()[0][0])
