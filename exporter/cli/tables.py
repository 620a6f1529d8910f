"""`tables`: the documented tables, views and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from exporter.cli.app import App, pass_app
from exporter.cli.options import Value, options
from exporter.cli.results import Output, printing
from exporter.cli.root import Command
from exporter.config.kinds import STRING

if TYPE_CHECKING:
    from exporter.reports.result import Result

EPILOG = """\b
Examples:
  sagemaker-exporter tables
  sagemaker-exporter tables daily_costs
  sagemaker-exporter tables training_jobs --format markdown
  sagemaker-exporter tables warm_pool_costs --json | jq -r '.rows[].column'
"""


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from exporter.store.reference import relations

    return [
        CompletionItem(each.name, help=each.comment)
        for each in relations()
        if each.name.startswith(incomplete)
    ]


@click.command(cls=Command, epilog=EPILOG)
@click.argument(
    "name", required=False, type=Value(STRING), metavar="[NAME]", shell_complete=_complete
)
@options(output=Output)
@pass_app
def tables(app: App, name: str | None, output: Output) -> None:
    """List the tables and views for your own SQL; with a name, list its columns.

    The command needs no database. The list leaves out internal views, which can change in any
    version.
    """
    with printing(app, output) as show:
        show(_all() if name is None else _one(name))


def _all() -> Result:
    from exporter.reports.result import Column, Result
    from exporter.store.reference import relations

    rows = [
        (each.name, each.kind, each.comment.partition(". ")[0].rstrip("."))
        for each in relations()
        if each.kind != "internal view"
    ]
    columns = (Column("name"), Column("kind"), Column("shows"))
    return Result(columns, rows, report="tables", title="Tables and views")


def _one(name: str) -> Result:
    from exporter.reports.result import Column, Note, Result
    from exporter.store.reference import find, types

    chosen = find(name)
    kinds = types(chosen)
    notes = []
    if chosen.key:
        notes.append(Note("key", f"Primary key: {', '.join(chosen.key)}."))
    if chosen.kind == "internal view":
        notes.append(Note("internal", "This view is internal: it can change in any version."))
    return Result(
        (Column("column"), Column("type"), Column("comment")),
        [(column, kinds[column], comment) for column, comment in chosen.columns],
        notes=tuple(notes),
        report="tables",
        title=f"{chosen.name} ({chosen.kind}): {chosen.comment.rstrip('.')}",
    )
