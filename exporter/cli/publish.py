"""`publish`: the database in a lake, for many collectors and other engines."""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from exporter.cli.app import App, decorated, pass_app
from exporter.cli.options import Value, options
from exporter.cli.results import Json, print_json
from exporter.cli.root import Command
from exporter.config.kinds import AGE, STRING
from exporter.config.model import lock_timeout
from exporter.config.options import option
from exporter.errors import UsageError
from exporter.text import counted

if TYPE_CHECKING:
    from exporter.publish.run import Published, Result

SHORTEST_RETENTION = timedelta(hours=1)

_log = logging.getLogger(__name__)

EPILOG = """\b
Examples:
  sagemaker-exporter publish /lake/sagemaker
  sagemaker-exporter publish s3://my-bucket/sagemaker --collector eu-prod
  sagemaker-exporter publish s3://my-bucket/sagemaker --dry-run
  sagemaker-exporter publish /lake/sagemaker --json | jq .tables

URI is a folder, or a bucket with a path: s3://, and gs:// or abfss:// with the settings of the
environment. It is new, empty, or a lake already. Credentials for S3 come from where boto3 finds
them: environment, profile, assumed role. AWS_ENDPOINT_URL_S3 names another endpoint.

\b
Exit codes: 2 = another collector owns an account and region; 4 = a later
publish of this collector was here, or other writers stayed ahead; 6 = the
lake is newer than this program.
"""


@dataclass(frozen=True)
class PublishOptions:
    """How to publish."""

    collector: str | None = option(
        None, "Name of this collector; default: one that the database keeps.", STRING
    )
    owns_prices: bool = option(
        False,
        "Own the tables of prices, which one collector writes for all; the first one of a lake "
        "does.",
    )
    take_over: bool = option(
        False, "Own also what another collector owns, or publish from an older copy."
    )
    retention: timedelta = option(
        timedelta(days=1),
        "How long to keep files that only older versions need, for their readers; at least 1h. "
        "The owner of the prices removes them.",
        AGE,
    )
    dry_run: bool = option(False, "Only print what would be replaced.")
    lock_timeout: float = lock_timeout("a program that writes to the database")


@click.command(cls=Command, epilog=EPILOG)
@click.argument("uri", type=Value(STRING), metavar="URI")
@options(wanted=PublishOptions, output=Json)
@pass_app
def publish(app: App, uri: str, wanted: PublishOptions, output: Json) -> None:
    """Bring the tables of a lake (Delta Lake) up to date with the database.

    Many collectors can share a lake, each with its own accounts and regions. Tables have one
    partition for each account, region and month. Only partitions that differ are replaced, each
    in one step. Readers are not disturbed. The database is locked only while it is copied.
    """
    if wanted.retention < SHORTEST_RETENTION:
        raise UsageError(
            "--retention must be at least 1h.", "Readers of older versions need that time."
        )
    from exporter.publish import run, storage

    done = run.publish(
        app.database(lock_timeout=wanted.lock_timeout),
        storage.place(uri),
        run.Options(
            collector=wanted.collector,
            owns_prices=wanted.owns_prices,
            take_over=wanted.take_over,
            retention=wanted.retention,
            dry_run=wanted.dry_run,
        ),
        notify=app.notify if decorated(sys.stderr) else _log.info,
    )
    changed = [table for table in done.tables if table.changed]
    if output.wanted:
        print_json(_described(uri, done, dry_run=wanted.dry_run))
    elif not app.quiet:  # cron mails every line
        for table in changed:
            click.echo(_line(table))
    verb = "would change" if wanted.dry_run else "changed"
    count = counted(len(changed), "table") if changed else "nothing"
    app.notify(f"publish: {count} {verb} in {uri}, collector {done.collector}")


def _described(uri: str, done: Result, *, dry_run: bool) -> dict[str, Any]:
    return {
        "target": uri,
        "collector": done.collector,
        "sequence": done.sequence,
        "owns_prices": done.owns_prices,
        "dry_run": dry_run,
        "scopes": [{"account_id": each.account_id, "region": each.region} for each in done.scopes],
        "tables": [asdict(table) for table in done.tables],
        "files_removed": done.files_removed,
    }


def _line(table: Published) -> str:
    parts = [
        f"{counted(table.replaced, 'partition')} of {table.partitions:,} replaced, "
        f"{counted(table.rows, 'row')}"
    ]
    if table.removed:
        parts.append(f"{counted(table.removed, 'partition')} removed")
    return f"{table.name}: {', '.join(parts)}"
