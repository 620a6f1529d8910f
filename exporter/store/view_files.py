"""The views: read from the .sql files in `views/` and created in the database.

A file is named after its view. Its header, the lines that begin with `--`, has up to three parts
with an empty `--` line between them: what a row is (the view's COMMENT), `needs:` with the views
that it reads, and one `name: comment` a column (the column's COMMENT). `name, name: as in VIEW`
gives several columns the comments that they have in a view it needs, or in a table. A line that is
indented further continues the line before it. The rest of the file is the query, see `compose`.

Views are plain views on purpose: they work for everybody who opens or attaches the file, without
this program and in a session of any time zone. The views of `views/` are for users. Those of
`views/internal/` live in the schema `internal` and are read as `internal.NAME`. Inside of them,
a table is `main.NAME`: if the file is attached, DuckDB looks for other names in `internal` only.

The tables stay in `main`, also those that few users need, because a temporary table hides a table
of `main` only: so a report counts with other prices (prices/basis.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from graphlib import TopologicalSorter
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from exporter.sql import literal
from exporter.store.connections import Connection
from exporter.store.schema import TABLES
from exporter.text import short_hash

#: The schema of the views that only this program reads.
INTERNAL: Final = "internal"
_FOLDER: Final = resources.files(__package__).joinpath("views")
_COLUMN: Final = re.compile(
    r"(?P<names>[a-z_][a-z0-9_]*(?:, [a-z_][a-z0-9_]*)*): (?P<comment>\S.*)"
)
_RANK: Final = re.compile(r"rank_of\('(?P<basis>[^']*)'\)")
_BASIS: Final = re.compile(r"\((?P<rank>\d+)::TINYINT, '(?P<basis>[^']+)'")
_PART: Final = re.compile(r"^(?P<indent> *)(?P<before>.*)/\*part (?P<name>\w+)\*/", re.MULTILINE)
_CTE: Final = re.compile(r"^(?P<name>\w+) AS \(\n(?P<body>.*?)^\),?\n+", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        name: Name of the view in SQL: `daily_costs`, or `internal.cost_lines`.
        needs: Names of the views that it reads.
        comment: Its COMMENT.
        columns: A pair of name and COMMENT for each column.
        sql: Its query.
    """

    name: str
    needs: tuple[str, ...]
    comment: str
    columns: tuple[tuple[str, str], ...]
    sql: str

    @property
    def short_name(self) -> str:
        """Its name without the schema."""
        return self.name.removeprefix(f"{INTERNAL}.")

    @property
    def is_internal(self) -> bool:
        """Whether only this program reads the view."""
        return self.name.startswith(f"{INTERNAL}.")


@cache
def views() -> tuple[View, ...]:
    """Return every view, each after those that it needs.

    Raises:
        ValueError: A file is malformed, or a view needs one that does not exist.
    """
    return _ordered(
        parse(prefix + entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for prefix, folder in (("", _FOLDER), (f"{INTERNAL}.", _FOLDER.joinpath(INTERNAL)))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    )


def parse(name: str, text: str) -> View:
    """Return the view that a file describes.

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
        sql=_nested(compose("\n".join(lines).strip())),
    )


def compose(sql: str) -> str:
    """Return the SQL of a view or report with its parts and ranks put in.

    `/*part NAME*/` stands for the text of `views/parts/NAME.sql`: SQL that several views and
    reports share, and which can contain other parts. `rank_of('no price')` stands for the rank of
    a basis in `cost_bases.sql`. As a plain number, a rank costs a query nothing.

    Raises:
        ValueError: There is no such basis.
        FileNotFoundError: There is no such part.
    """

    def part(mark: re.Match[str]) -> str:
        text = _FOLDER.joinpath("parts", f"{mark['name']}.sql").read_text(encoding="utf-8")
        lines = _PART.sub(part, text.strip()).splitlines()
        return mark["indent"] + mark["before"] + f"\n{mark['indent']}".join(lines)

    def rank(mark: re.Match[str]) -> str:
        if mark["basis"] not in _ranks():
            raise ValueError(f"cost_bases.sql has no basis {mark['basis']!r}")
        return _ranks()[mark["basis"]]

    return _RANK.sub(rank, _PART.sub(part, sql))


def fingerprint() -> str:
    """Return a short hash of all views; another one in the file means: create them again.

    It is that of the files and of this module, which composes them: every command compares it, and
    composing the views takes ten times as long as reading them.
    """
    module = resources.files(__package__).joinpath("view_files.py")
    texts = {entry.name: entry.read_text(encoding="utf-8") for entry in (module, *_files())}
    return short_hash(repr(sorted(texts.items())))


def _files() -> Iterator[Traversable]:
    """Yield every file of the views and their parts."""
    for folder in (_FOLDER, _FOLDER.joinpath(INTERNAL), _FOLDER.joinpath("parts")):
        yield from (entry for entry in folder.iterdir() if entry.name.endswith(".sql"))


def create_views(connection: Connection) -> None:
    """Create or replace every view with its comments, in the caller's transaction.

    A user's own views stay as they are, even those that read ours.
    """
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {INTERNAL}")
    for view in views():
        connection.execute(f"CREATE OR REPLACE VIEW {view.name} AS\n{view.sql}")
        connection.execute(f"COMMENT ON VIEW {view.name} IS {literal(view.comment)}")
        for column, comment in view.columns:
            connection.execute(f"COMMENT ON COLUMN {view.name}.{column} IS {literal(comment)}")


def temporarily(sql: str) -> str:
    """Return SQL that reads the temporary views of a connection in place of the internal ones.

    DuckDB has no temporary schema, so all temporary views live in `temp`.
    """
    return _internal_names().sub(r"temp.\1", sql)


def _nested(sql: str) -> str:
    """Return the SQL with each CTE that is used once moved to the place of its use.

    Recursive queries stay as they are.

    The files read top to bottom. DuckDB 2.0 plans the nested form of `usage_days` in two thirds
    of the time, and every report plans it.
    """
    if not sql.startswith("WITH\n"):
        return sql
    for name in [cte["name"] for cte in _CTE.finditer(sql)]:
        cte = next(each for each in _CTE.finditer(sql) if each["name"] == name)
        rest = sql.replace(cte[0], "", 1)
        uses = list(re.finditer(rf"\b(FROM|JOIN) {name}\b(?: AS (\w+))?", rest))
        if len(uses) == 1:
            (use,) = uses
            nested = f"{use[1]} (\n{cte['body']}) AS {use[2] or name}"
            sql = rest[: use.start()] + nested + rest[use.end() :]
    if not re.search(r"^\w+ AS (?:MATERIALIZED )?\(\n", sql, re.MULTILINE):
        return sql.removeprefix("WITH\n")
    # The comments of moved CTEs can stand before the final SELECT. DuckDB 1.4 takes no comma there.
    return re.sub(r"^\),\n((?:\n|--.*\n)*)(?=SELECT\b)", r")\n\1", sql, flags=re.MULTILINE)


@cache
def _internal_names() -> re.Pattern[str]:
    names = [view.short_name for view in views() if view.is_internal]
    return re.compile(rf"\b{INTERNAL}\.({'|'.join(names)})\b")


@cache
def _ranks() -> Mapping[str, str]:
    text = _FOLDER.joinpath(INTERNAL, "cost_bases.sql").read_text(encoding="utf-8")
    return {found["basis"]: found["rank"] for found in _BASIS.finditer(text)}


def _columns(view: str, lines: Iterable[str]) -> list[tuple[str, str]]:
    columns: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("   ") and columns:
            name, comment = columns[-1]
            columns[-1] = (name, f"{comment} {line.strip()}")
        elif match := _COLUMN.fullmatch(line.strip()):
            columns.extend((name, match["comment"]) for name in match["names"].split(", "))
        else:
            raise ValueError(f"view {view}: not a column's comment: {line!r}")
    return columns


def _ordered(found: Iterable[View]) -> tuple[View, ...]:
    by_name = {view.name: view for view in sorted(found, key=lambda view: view.name)}
    graph = {view.name: view.needs for view in by_name.values()}
    order = list(TopologicalSorter(graph).static_order())
    if missing := [name for name in order if name not in by_name]:
        raise ValueError(f"no such view: {', '.join(missing)}")
    for name in order:
        by_name[name] = _with_inherited_comments(by_name[name], by_name)
    return tuple(by_name[name] for name in order)


def _with_inherited_comments(view: View, others: Mapping[str, View]) -> View:
    comments = {
        (column.name, f"as in {table.name}"): str(column.comment)
        for table in TABLES.values()
        for column in table.columns
    } | {
        (column, f"as in {others[name].short_name}"): comment
        for name in view.needs
        for column, comment in others[name].columns
    }
    return replace(
        view,
        columns=tuple(
            (column, comments.get((column, text), text)) for column, text in view.columns
        ),
    )
