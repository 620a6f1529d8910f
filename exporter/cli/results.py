"""The options of commands that print rows, and the printing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from exporter.cli.app import App, decorated, width
from exporter.cli.options import OneOf
from exporter.errors import UsageError

if TYPE_CHECKING:
    from exporter.reports.result import Result

Function = TypeVar("Function", bound=Callable[..., Any])
FORMATS = ("table", "csv", "json", "markdown", "parquet")


def result_options(function: Function) -> Function:
    """Add --format, --json and --output to a command."""
    for decorate in (
        click.option(
            "--output",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Write there instead: the whole file, or nothing.",
        ),
        click.option("--json", is_flag=True, help="The same as --format json."),
        click.option(
            "--format",
            type=OneOf(FORMATS),
            default="table",
            show_default=True,
            help="How to print the rows.",
        ),
    ):
        function = decorate(function)
    return function


def style_of(style: str, *, json: bool) -> str:
    """The format asked for."""
    return "json" if json else style


@contextmanager
def printing(app: App, style: str, path: Path | None) -> Iterator[Callable[[Result], None]]:
    """Give a function that takes the one result of a command; it is out when the block ends.

    Open the database inside the block: it is closed again before the first word is printed, so
    that no pager keeps a sync waiting. Notes that have no place in the format go to standard
    error.

    Raises:
        UsageError: Parquet would go to a terminal, or the file cannot be written.
    """
    from exporter.reports import output
    from exporter.reports.rendering import WITH_NOTES

    if style == "parquet" and path is None and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal.", "Give --output FILE.")
    to_terminal = path is None
    results: list[Result] = []
    with output.target(path) as stream:

        def show(result: Result) -> None:
            results.append(result)
            output.write(
                result,
                style,
                stream,
                width=width() if to_terminal else None,
                colour=to_terminal and decorated(sys.stdout),
            )

        yield show
    if style not in WITH_NOTES:
        for result in results:
            for note in result.notes:
                app.say(note.text)
