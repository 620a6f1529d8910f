"""Opens the files of an export: Parquet, CSV, gzip and ZIP, each as SQL that reads its rows."""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO, cast

import duckdb

from exporter.bills import cost_explorer
from exporter.bills.files import is_data, is_hidden
from exporter.bills.formats import canonical
from exporter.errors import UsageError
from exporter.sql import identifier, literal
from exporter.store.batches import stream

_CHUNK: Final = 1 << 20
#: AWS writes commas; spreadsheets in some countries save semicolons.
_SEPARATORS: Final = (",", ";", "\t")
#: Characters of a pattern in a path.
_PATTERN: Final = re.compile(r"[*?\[]")


def parts_of(path: Path, scratch: Path) -> list[Path]:
    """Return the file, or the files in it, extracted, if it is a ZIP archive."""
    if path.suffix.lower() != ".zip":
        return [path]
    try:
        with zipfile.ZipFile(path) as archive:
            return [
                _extracted(archive, member, scratch / f"{number}-{Path(member.filename).name}")
                for number, member in enumerate(archive.infolist())
                if is_data(Path(member.filename)) and not is_hidden(Path(member.filename))
            ]
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"Cannot read {path}: {error}.") from error


def _extracted(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> Path:
    with archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    return target


def source_of(workspace: duckdb.DuckDBPyConnection, path: Path) -> tuple[dict[str, str], str]:
    """Return SQL of the columns of a file, by their canonical names, and SQL of the file."""
    if path.suffix.lower() == ".parquet":
        source = f"read_parquet({_one_file(path)}, hive_partitioning = false)"
        described = workspace.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608 - a quoted path
        return {canonical(name): identifier(name) for name, *_ in reversed(described)}, source
    try:
        with _opened(path) as file:
            first = file.readline()
            separator = max(_SEPARATORS, key=first.count)
            file.seek(0)
            header = next(csv.reader(file, delimiter=separator, strict=True), [])
        if cost_explorer.is_wide(header):
            return _wide(workspace, path)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not a CSV file in UTF-8: {error}.") from error
    return _csv(path, header, separator)


def _one_file(path: Path) -> str:
    """Return SQL for the path of one file, whose name DuckDB does not take for a pattern."""
    return literal(_PATTERN.sub(r"[\g<0>]", str(path)))


def _opened(path: Path) -> TextIO:
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    return cast("TextIO", opened(path, "rt", encoding="utf-8-sig", newline=""))


def _csv(path: Path, header: Sequence[str], separator: str) -> tuple[dict[str, str], str]:
    """Return SQL of a CSV file whose dialect is fixed: guessing reads only the first rows."""
    # The prefix keeps names apart that differ only in case.
    names = [f"{number}:{name}" for number, name in enumerate(header)]
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    source = (
        f"read_csv({_one_file(path)}, hive_partitioning = false, "
        f"auto_detect = false, header = true, delim = {literal(separator)}, "
        f"quote = '\"', escape = '\"', columns = {{{types}}})"
    )
    pairs = list(zip(map(canonical, header), map(identifier, names), strict=True))
    return dict(reversed(pairs)), source


def _wide(workspace: duckdb.DuckDBPyConnection, path: Path) -> tuple[dict[str, str], str]:
    """Read a file with one column for each usage type, and return SQL of its rows."""
    try:
        with _opened(path) as file:
            found = cost_explorer.rows(file)
    except ValueError as error:
        raise UsageError(f"{path}: {error}.") from error
    if not any(found["usagequantity"]):
        raise UsageError(
            f"{path} holds costs, but no hours.",
            "In Cost Explorer, filter by the usage types of training and show usage, too.",
        )
    types = dict.fromkeys(cost_explorer.COLUMNS, "VARCHAR")
    workspace.register("wide_rows", stream(types, [found]))
    workspace.execute("CREATE OR REPLACE TABLE wide AS SELECT * FROM wide_rows")
    workspace.unregister("wide_rows")
    return {name: identifier(name) for name in cost_explorer.COLUMNS}, "wide"
