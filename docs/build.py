"""Write the pages that are made from the program: `make docs`; `--check` only compares.

cli.md from every --help, schema.md from the COMMENTs of a new database, reports.md from the
headers of queries/ with real output, and the answers in cookbook.md, whose questions are
written by hand.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import click
import sqlalchemy as sa

from docs import world
from exporter.cli import main as command
from exporter.cli.root import root
from exporter.reports import adhoc, periods, running, table
from exporter.reports.catalogue import Report, catalogue
from exporter.reports.result import Result
from exporter.store import migrate, view_files
from exporter.store.database import Database

DOCS: Final = Path(__file__).parent
_WIDTH: Final = 100
#: Rows of an example; the total below it is of all.
_ROWS: Final = 8
_MADE: Final = "<!-- Made by `make docs`. Change the program, not this page. -->"
_PROGRAM: Final = "sagemaker-exporter"
_JOB: Final = """
SELECT training_job_name FROM training_jobs
WHERE warm_pool_status = 'Reused' AND creation_time > '2026-11-01'
ORDER BY creation_time LIMIT 1
"""
#: What the examples of some reports are run with.
_EXAMPLES: Final[dict[str, list[str]]] = {
    "keep-alive-advice": ["--param", "family=resnet", "--param", "minute_usd=0.20"],
    "untagged": ["--by", "family"],
    "why-not-reused": ["--param", "top=20"],
}


def cli() -> str:
    """Every command's --help, as the command prints it at 80 columns."""
    parts = [
        _MADE,
        "\n# Commands\n\nWhat `--help` prints. Options may also come from the environment and from "
        "the configuration file; the table at the end names both.\n",
        _help([]),
    ]
    for words in _commands():
        parts.append(_help(words))
    parts.append(_options())
    return "\n".join(parts)


def _commands() -> Iterator[list[str]]:
    def walk(group: click.Group, words: list[str]) -> Iterator[list[str]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            if found is not None:
                yield [*words, name]
            if isinstance(found, click.Group):
                yield from walk(found, [*words, name])

    return walk(root, [])


def _command(words: list[str]) -> click.Command:
    found: click.Command = root
    for word in words:
        child = (
            found.get_command(click.Context(found), word)
            if isinstance(found, click.Group)
            else None
        )
        if child is None:
            raise LookupError(" ".join(words))
        found = child
    return found


def _help(words: list[str]) -> str:
    out = io.StringIO()
    with patch.dict(os.environ, {"COLUMNS": "80"}), contextlib.redirect_stdout(out):
        command([*words, "--help"])
    heading = " ".join([_PROGRAM, *words])
    lines = "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())
    return f"## {heading}\n\n```text\n{lines}\n```\n"


def _options() -> str:
    rows = ["| option | environment | configuration file |", "| --- | --- | --- |"]
    for words in [[], *_commands()]:
        found = _command(words)
        if words and isinstance(found, click.Group):
            continue
        for option in found.params:
            if not isinstance(option, click.Option) or not option.expose_value:
                continue
            name = str(option.name)
            variable = "_".join([_PROGRAM.replace("-", "_"), *words, name]).upper()
            key = f"`{name}` in `[{'-'.join(words)}]`" if words else f"`{name}`"
            if not words and name == "config":
                key = "–"
            flags = "/".join([*option.opts[-1:], *option.secondary_opts])
            where = " ".join([*words, flags])
            rows.append(f"| `{where}` | `{variable.replace('-', '_')}` | {key} |")
    return "## Options, variables and keys\n\n" + "\n".join(rows) + "\n"


def schema() -> str:
    """Tables, views and columns with their COMMENTs, from DuckDB's own catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "new.duckdb")
        migrate.upgrade(database)
        with database.reading() as connection:
            tables = _catalogue(connection, "duckdb_tables()", "table_name")
            views = _catalogue(connection, "duckdb_views()", "view_name")
            columns = _columns(connection)
            keys = _keys(connection)
    steps = {name for view in view_files.views() for name in view.needs}
    mine = {name: text for name, text in views.items() if name not in steps or name in _ALSO}
    rest = {name: text for name, text in views.items() if name not in mine}
    parts = [
        _MADE,
        "\n# Tables and views\n\nTimes are TIMESTAMPTZ, UTC. Money is DECIMAL(38,12), USD. NULL is "
        "what is not known, or not there; it is never 0. Every table, view and column carries the "
        "COMMENT that stands here: `SELECT table_name, column_name, comment FROM "
        "duckdb_columns()`.\n",
    ]
    for title, found in (
        ("## Views: what to query first", mine),
        ("## Tables", tables),
        ("## Views that the others are made of\n\nThey may change with any version.", rest),
    ):
        parts.append(f"{title}\n")
        for name, comment in found.items():
            parts.append(f"### {name}\n\n{_cell(comment).rstrip('.')}.\n")
            if name in keys:
                parts.append(f"Primary key: {keys[name]}.\n")
            rows = ["| column | type | meaning |", "| --- | --- | --- |"]
            rows += [f"| `{column}` | {kind} | {text} |" for column, kind, text in columns[name]]
            parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


#: Views that others need and that people query too.
_ALSO: Final = frozenset({"daily_costs", "data_as_of"})


def _catalogue(connection: sa.Connection, source: str, name: str) -> dict[str, str]:
    rows = connection.exec_driver_sql(
        f"SELECT {name}, comment FROM {source} "  # noqa: S608 - the names above
        f"WHERE NOT internal AND {name} <> 'alembic_version' ORDER BY {name}"
    ).all()
    return {str(row[0]): str(row[1]) for row in rows}


def _columns(connection: sa.Connection) -> dict[str, list[tuple[str, str, str]]]:
    rows = connection.exec_driver_sql(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE NOT internal ORDER BY table_name, column_index"
    ).all()
    found: dict[str, list[tuple[str, str, str]]] = {}
    for name, column, kind, comment in rows:
        kind = str(kind).replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
        found.setdefault(str(name), []).append((str(column), kind, _cell(str(comment))))
    return found


def _keys(connection: sa.Connection) -> dict[str, str]:
    rows = connection.exec_driver_sql(
        "SELECT table_name, constraint_column_names FROM duckdb_constraints() "
        "WHERE constraint_type = 'PRIMARY KEY'"
    ).all()
    return {str(name): ", ".join(f"`{column}`" for column in columns) for name, columns in rows}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def reports(database: Database) -> str:
    """Every report with its header and what it prints of the demo's world."""
    parts = [
        _MADE,
        "\n# Reports\n\nWhat each report shows, and what it prints of the world of `demo`, with "
        f"{world.JOBS:,} jobs, on {world.NOW:%d %B %Y}. Long examples are cut after {_ROWS} rows; "
        "their totals are of all rows. `report NAME --sql` prints the SQL, ready to paste.\n",
    ]
    found = catalogue()
    parts += [f"- [{name}](#{name}): {report.title}" for name, report in found.items()]
    for report in found.values():
        parts.append("\n" + _report(database, report))
    return "\n".join(parts) + "\n"


def _report(database: Database, report: Report) -> str:
    with database.reading() as connection:
        words = _words(connection, report)
        result = running.run(connection, report, _request(report, words))
    line = " ".join([_PROGRAM, "report", report.name, *words])
    lines = [f"## {report.name}\n\n{report.title}. {report.description}\n"]
    if report.by:
        lines.append(f"Grouped by {', '.join(report.by)}, unless `--by` says otherwise.\n")
    if report.parameters:
        rows = ["| parameter | default | meaning |", "| --- | --- | --- |"]
        for item in report.parameters.values():
            default = "required" if item.required else "none"
            if item.default is not None:
                default = f"{item.default}"
            rows.append(f"| `{item.name}` | {default} | {_cell(item.note)} |")
        lines.append("\n".join(rows) + "\n")
    rows = ["| column | meaning |", "| --- | --- |"]
    rows += [f"| `{item.name}` | {_cell(item.note)} |" for item in report.columns.values()]
    lines.append("\n".join(rows) + "\n")
    lines += [f"{paragraph}\n" for paragraph in _reasoning(report)]
    lines.append(f"```console\n$ {line}\n{_shown(result)}```\n")
    return "\n".join(lines)


def _reasoning(report: Report) -> list[str]:
    """Paragraphs of the comment that a report's SQL begins with: how its figures come about."""
    lines = takewhile(lambda line: line.startswith("--"), report.sql.strip().splitlines())
    text = "\n".join(line.removeprefix("--").strip() for line in lines)
    return text.split("\n\n") if text else []


def _words(connection: sa.Connection, report: Report) -> list[str]:
    words = _EXAMPLES.get(report.name, [])
    if any(item.required for item in report.parameters.values()):
        return [str(connection.execute(sa.text(_JOB)).scalar_one()), *words]
    return words


def _request(report: Report, words: list[str]) -> running.Request:
    argument = words[0] if words and not words[0].startswith("-") else None
    pairs = list(pairwise(words))
    given = [value for flag, value in pairs if flag == "--param"]
    period = None
    if report.period:
        period = periods.choose(
            month=None, since=None, until=None, today=world.NOW.date(), kind=report.period
        )
    return running.Request(
        period=period,
        by=[value for flag, value in pairs if flag == "--by"],
        params=dict(value.split("=", 1) for value in given),
        argument=argument,
    )


def _shown(result: Result) -> str:
    rows = list(result.rows)
    text = table.render(replace(result, rows=rows[:_ROWS]), width=_WIDTH)
    lines = [line.rstrip() for line in text.splitlines()]
    if len(rows) > _ROWS:
        lines.append(f"[{_ROWS} of {len(rows):,} rows]")
    return "\n".join(lines) + "\n"


_QUESTION: Final = re.compile(
    r"(?P<sql>```sql\n(?P<query>.*?)```\n)(?:\n```text\n.*?```\n)?", re.DOTALL
)


def cookbook(database: Database, page: str) -> str:
    """The page with the answers of today below each question's SQL."""

    def answer(match: re.Match[str]) -> str:
        with database.reading() as connection:
            result = adhoc.run(connection, match["query"].strip().rstrip(";"))
            shown = _shown(replace(result, rows=list(result.rows)))
        return f"{match['sql']}\n```text\n{shown}```\n"

    return _QUESTION.sub(answer, page)


def pages(database: Database) -> dict[str, Callable[[], str]]:
    """Every page that is made, by its file's name."""
    return {
        "cli.md": cli,
        "schema.md": schema,
        "reports.md": lambda: reports(database),
        "cookbook.md": lambda: cookbook(database, (DOCS / "cookbook.md").read_text("utf-8")),
    }


def main(arguments: list[str]) -> int:
    """Write the pages that differ; with --check only name them, and fail if there are any."""
    different = []
    with tempfile.TemporaryDirectory() as folder:
        database = world.make(Path(folder) / "demo.duckdb")
        for name, make in pages(database).items():
            path, text = DOCS / name, make()
            if not path.exists() or path.read_text("utf-8") != text:
                different.append(name)
                if "--check" not in arguments:
                    path.write_text(text, encoding="utf-8")
    told = "differs" if "--check" in arguments else "written"
    for name in different:
        sys.stdout.write(f"docs/{name}: {told}\n")
    return 1 if different and "--check" in arguments else 0


def unchanged(database: Database, name: str) -> tuple[str, str]:
    """A page as it is and as it should be, for tests."""
    made: Any = pages(database)[name]
    return (DOCS / name).read_text("utf-8"), made()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
