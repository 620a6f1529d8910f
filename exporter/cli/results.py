"""The options of commands that print rows, and the printing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from exporter.cli.app import App, decorated, width
from exporter.config.kinds import PATH, one_of
from exporter.config.options import option
from exporter.errors import UsageError

if TYPE_CHECKING:
    from exporter.reports.result import Result

FORMATS: Final = ("table", "csv", "json", "markdown", "parquet")


@dataclass(frozen=True)
class Json:
    """The option --json of commands that report one outcome."""

    wanted: bool = option(False, "Print the outcome as one JSON object.", flag="--json")


@dataclass(frozen=True)
class Output:
    """The options of commands that print rows."""

    format_name: str = option("table", "How to print the rows.", one_of(FORMATS), flag="--format")
    as_json: bool = option(False, "The same as --format json.", flag="--json")
    path: Path | None = option(
        None,
        "File to write instead of standard output; it is never left incomplete.",
        PATH,
        flag="--output",
    )

    @property
    def style(self) -> str:
        """The format to print."""
        return "json" if self.as_json else self.format_name


def print_json(answer: Mapping[str, Any]) -> None:
    """Print the documented JSON answer of a command; every answer has a version."""
    from exporter.reports.values import to_json

    click.echo(to_json({"version": 1, **answer}))


def print_table(result: Result) -> None:
    """Print rows as a table, as wide and as coloured as standard output allows."""
    from exporter.reports import table

    text = table.render(result, width=width(), colour=decorated(sys.stdout))
    click.echo(text, nl=False, color=True)


@contextmanager
def printing(app: App, wanted: Output) -> Iterator[Callable[[Result], None]]:
    """Give a function that takes the one result of a command and prints it when the block ends.

    Open the database inside the block. It is closed before the first line is printed, so that a
    pager never keeps a sync waiting. Notes that a format cannot hold go to standard error.

    Raises:
        UsageError: Parquet would go to a terminal, or the file cannot be written.
    """
    from exporter.reports import output
    from exporter.reports.rendering import WITH_NOTES

    to_terminal = wanted.path is None
    if wanted.style == "parquet" and to_terminal and sys.stdout.isatty():
        raise UsageError("Parquet cannot be shown at a terminal.", "Give --output FILE.")
    results: list[Result] = []
    with output.target(wanted.path) as stream:

        def show(result: Result) -> None:
            results.append(result)
            output.write(
                result,
                wanted.style,
                stream,
                width=width() if to_terminal else None,
                colour=to_terminal and decorated(sys.stdout),
            )

        yield show
    if wanted.style not in WITH_NOTES:
        for result in results:
            for note in result.notes:
                app.notify(note.text)
