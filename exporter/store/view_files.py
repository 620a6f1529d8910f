"""The views, read from the .sql files beside this module and created in the database.

A file is named after its view. Its header, lines that begin with `--`, has up to three parts
with an empty `--` line between them: what a row is (the view's COMMENT), `needs:` with the views
it reads, and one `name: comment` a column (its COMMENT). A line that is indented further goes on
with the part before it. The rest of the file is the query.

Views are plain views on purpose: they work for whoever opens or attaches the file, with no
program around them, and in a session of any time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib import resources
from typing import Final

from sqlalchemy import Connection

from exporter.sql import literal
from exporter.text import short_hash

_COLUMN: Final = re.compile(r"(?P<name>[a-z_][a-z0-9_]*): (?P<comment>\S.*)")


@dataclass(frozen=True)
class View:
    """One view: its name, the views it reads, its COMMENT, (column, COMMENT) pairs, its query."""

    name: str
    needs: tuple[str, ...]
    comment: str
    columns: tuple[tuple[str, str], ...]
    sql: str


@cache
def views() -> tuple[View, ...]:
    """Every view, each after those it needs.

    Raises:
        ValueError: A file's header is malformed, or it needs a view that is not there.
    """
    folder = resources.files(__package__).joinpath("views")
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return _ordered(
        parse(entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8")) for entry in files
    )


def parse(name: str, text: str) -> View:
    """Read one file.

    Raises:
        ValueError: The header lacks the comment or the columns, or has a line of no known form.
    """
    header: list[str] = []
    lines = text.splitlines()
    while lines and lines[0].startswith("--"):
        header.append(lines.pop(0).removeprefix("--").rstrip())
    parts = [part.split("\n") for part in "\n".join(header).split("\n\n")]
    needs: tuple[str, ...] = ()
    if len(parts) == 3 and parts[1][0].startswith(" needs: "):
        needs = tuple(" ".join(parts.pop(1)).removeprefix(" needs: ").replace(" ", "").split(","))
    if len(parts) != 2:
        raise ValueError(f"view {name}: the header needs a comment and a list of columns")
    return View(
        name=name,
        needs=needs,
        comment=" ".join(line.strip() for line in parts[0]),
        columns=tuple(_columns(name, parts[1])),
        sql="\n".join(lines).strip(),
    )


def fingerprint() -> str:
    """Short hash of every view; when it differs from the stored one, create them again."""
    return short_hash(repr(views()))


def create_views(connection: Connection) -> None:
    """Create or replace every view with its comments, in the caller's transaction.

    Views of the user are left alone, also those that read ours.
    """
    for view in views():
        # exec_driver_sql: the colons in the queries are not bind parameters.
        connection.exec_driver_sql(f"CREATE OR REPLACE VIEW {view.name} AS\n{view.sql}")
        connection.exec_driver_sql(f"COMMENT ON VIEW {view.name} IS {literal(view.comment)}")
        for column, comment in view.columns:
            connection.exec_driver_sql(
                f"COMMENT ON COLUMN {view.name}.{column} IS {literal(comment)}"
            )


def _columns(view: str, lines: Iterable[str]) -> list[tuple[str, str]]:
    columns: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("   ") and columns:
            name, comment = columns[-1]
            columns[-1] = (name, f"{comment} {line.strip()}")
        elif match := _COLUMN.fullmatch(line.strip()):
            columns.append((match["name"], match["comment"]))
        else:
            raise ValueError(f"view {view}: not a column's comment: {line!r}")
    return columns


def _ordered(found: Iterable[View]) -> tuple[View, ...]:
    by_name = {view.name: view for view in sorted(found, key=lambda view: view.name)}
    graph = {view.name: view.needs for view in by_name.values()}
    order = list(TopologicalSorter(graph).static_order())
    if missing := [name for name in order if name not in by_name]:
        raise ValueError(f"no such view: {', '.join(missing)}")
    return tuple(by_name[name] for name in order)
