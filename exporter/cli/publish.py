"""`publish`: the tables for other engines."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import Age, lock_timeout_option
from exporter.cli.root import Command
from exporter.errors import UsageError
from exporter.text import counted

if TYPE_CHECKING:
    from exporter.publish.run import Published

SHORTEST_RETENTION = timedelta(hours=1)

EPILOG = """\b
Examples:
  sagemaker-exporter publish /lake/sagemaker
  sagemaker-exporter publish /lake/sagemaker --retention 7d
  sagemaker-exporter publish /lake/sagemaker --json | jq .tables

TARGET is a folder; one that holds something else is refused. To serve a bucket, copy it there
(docs/publish.md).
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("target", metavar="TARGET")
@click.option(
    "--retention",
    type=Age(),
    default="1d",
    show_default=True,
    metavar="AGE",
    help="How long files that only older versions need are kept for their readers; at least 1h.",
)
@lock_timeout_option("a program that writes to the database")
@click.option("--json", is_flag=True, help="The outcome as one JSON object.")
@pass_app
def publish(
    app: App, *, target: str, retention: timedelta, lock_timeout: float, json: bool
) -> None:
    """Write the tables and cost views as Delta Lake tables, for other engines.

    Each becomes one table, TARGET/NAME, of the same columns and comments, all as of one moment.
    A table is replaced in one step, and only when it differs from what was published last;
    readers of an older version go on undisturbed. The database is held for a copy of the file
    only.
    """
    if "://" in target:
        raise UsageError("TARGET is a folder, not a URL.", "To serve a bucket, copy it there.")
    if retention < SHORTEST_RETENTION:
        raise UsageError("--retention must be at least 1h.", "Readers need the time.")
    from exporter.publish import run

    done = run.publish(
        app.database(lock_timeout=lock_timeout),
        Path(target).expanduser(),
        retention=retention,
        notify=lambda table: None if json else click.echo(_line(table)),
    )
    if json:
        from exporter.reports.values import to_json

        told = {"target": target, "format": "delta", "tables": [asdict(each) for each in done]}
        click.echo(to_json({"version": 1, **told}))
    else:
        written = sum(each.written for each in done)
        app.say(f"publish: {written} of {counted(len(done), 'table')} written to {target}")


def _line(table: Published) -> str:
    state = "written" if table.written else "unchanged"
    return f"{table.name}: {counted(table.rows, 'row')}, version {table.version}, {state}"
