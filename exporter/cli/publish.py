"""`publish`: the tables as Delta Lake, for other engines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from exporter import files
from exporter.cli.app import App, pass_app
from exporter.cli.options import Value, options
from exporter.cli.results import Json, print_json
from exporter.cli.root import Command
from exporter.config.kinds import AGE, STRING
from exporter.config.model import lock_timeout
from exporter.config.options import option
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

TARGET is a folder, new, empty or published before. To fill a bucket, copy the folder there
(docs/publish.md).
"""


@dataclass(frozen=True)
class PublishOptions:
    """How to publish."""

    retention: timedelta = option(
        timedelta(days=1),
        "How long to keep files that only older versions need, for their readers; at least 1h.",
        AGE,
    )
    lock_timeout: float = lock_timeout("a program that writes to the database")


@click.command(cls=Command, epilog=EPILOG)
@click.argument("target", type=Value(STRING), metavar="TARGET")
@options(wanted=PublishOptions, output=Json)
@pass_app
def publish(app: App, target: str, wanted: PublishOptions, output: Json) -> None:
    """Write the tables and cost views as Delta Lake tables, for other engines.

    Each becomes one table, TARGET/NAME, with the same columns and comments, all from the same
    moment. A table is replaced in one step, and only if it has changed since the last publish.
    Readers of an older version are not disturbed. The database is locked only while it is copied.
    """
    if "://" in target:
        raise UsageError(
            "TARGET must be a folder, not a URL.", "To fill a bucket, copy the folder there."
        )
    if wanted.retention < SHORTEST_RETENTION:
        raise UsageError(
            "--retention must be at least 1h.", "Readers of older versions need that time."
        )
    from exporter.publish import run

    done = run.publish(
        app.database(lock_timeout=wanted.lock_timeout),
        files.named(target),
        retention=wanted.retention,
        notify=lambda table: None if output.wanted else click.echo(_line(table)),
    )
    if output.wanted:
        tables = [asdict(each) for each in done]
        print_json({"target": target, "format": "delta", "tables": tables})
    else:
        written = sum(each.written for each in done)
        app.notify(f"publish: {written} of {counted(len(done), 'table')} written to {target}")


def _line(table: Published) -> str:
    state = "written" if table.written else "unchanged"
    return f"{table.name}: {counted(table.rows, 'row')}, version {table.version}, {state}"
