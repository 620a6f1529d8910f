"""Finds the files of an export in a folder, and chooses those that count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from exporter.bills.versions import Choice, Found, choose
from exporter.errors import UsageError

_SUFFIXES: Final = (".parquet", ".csv", ".csv.gz", ".zip")
#: Read this much of a file at once to compare its content with another's.
_CHUNK: Final = 1 << 20


def _single(path: Path) -> Choice:
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    if not is_data(path):
        raise UsageError(f"{path} is not named .parquet, .csv or .csv.gz (or .zip with these).")
    # The folders above a single file say nothing about its lines.
    return Choice((str(path),), frozenset(), (), ())


def files_of(path: Path) -> Choice:
    """Return the files of an export that count.

    Args:
        path: A file, or a folder with an export.

    Raises:
        UsageError: There is no such file, or no file of a known kind.
    """
    if not path.is_dir():
        return _single(path)
    folder = path.resolve()
    inside = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not is_hidden(file.relative_to(folder))
    )
    files = [file for file in inside if is_data(file)]
    if not files:
        raise UsageError(f"{path} holds no .parquet, .csv or .csv.gz file (or .zip with these).")
    if len({file.suffix.lower() == ".parquet" for file in files}) > 1:
        raise UsageError("The folder holds Parquet and CSV files, but an export has one format.")
    manifests = [file for file in inside if file.name.lower().endswith("manifest.json")]
    choice = choose(_found(files), {_facts(file): _listed_in(file) for file in manifests})
    prefix = f"{folder.as_posix()}/"
    return replace(choice, left_out=tuple(text.replace(prefix, "") for text in choice.left_out))


def is_data(path: Path) -> bool:
    """Return whether a file has the name of a part of an export."""
    return path.name.lower().endswith(_SUFFIXES)


def is_hidden(path: Path) -> bool:
    """Return whether a file or one of its folders is hidden, such as the `._` files of macOS."""
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)


def _facts(path: Path, same_as: str = "") -> Found:
    return Found(path.as_posix(), path.stat().st_mtime, same_as)


def _found(files: Sequence[Path]) -> list[Found]:
    """Return the facts of files, and which have the same content as an earlier one."""
    sizes = [file.stat().st_size for file in files]
    first: dict[str, str] = {}
    found = []
    for file, size in zip(files, sizes, strict=True):
        same_as = ""
        if sizes.count(size) > 1:
            same_as = first.setdefault(_digest(file), file.as_posix())
        found.append(_facts(file, "" if same_as == file.as_posix() else same_as))
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _listed_in(path: Path) -> tuple[str, ...]:
    """Return the data files that a manifest lists; none if it is not such a manifest."""
    try:
        manifest = json.loads(path.read_bytes())
        # The second name is that of a legacy report.
        listed = manifest.get("dataFiles") or manifest.get("reportKeys") or ()
        return tuple(map(str, listed)) if isinstance(listed, list) else ()
    except (OSError, ValueError, AttributeError, TypeError):
        return ()
