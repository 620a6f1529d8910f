"""`query`: ad-hoc SQL."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.results import Output, printing
from exporter.cli.root import Command
from exporter.config.model import lake
from exporter.errors import UsageError

EPILOG = """\b
Examples:
  sagemaker-exporter query "SELECT count(*) FROM training_jobs"
  sagemaker-exporter query --format csv "FROM warm_pool_costs" > pools.csv
  sagemaker-exporter query - < question.sql
  sagemaker-exporter query "SELECT view_name, comment FROM duckdb_views()
                            WHERE NOT internal"
  sagemaker-exporter query --lake s3://lake/sagemaker "FROM data_as_of"
"""


@dataclass(frozen=True)
class QueryOptions:
    """What to query."""

    lake: str | None = lake()


@click.command(cls=Command, epilog=EPILOG)
@click.argument("sql")
@options(wanted=QueryOptions, output=Output)
@pass_app
def query(app: App, sql: str, wanted: QueryOptions, output: Output) -> None:
    """Run one SQL statement, read-only; `-` reads it from standard input.

    The database is opened read-only, without access to other files, the network or extensions. No
    statement can change anything.
    """
    from exporter.reports import adhoc

    text = _text(sql)
    with printing(app, output) as show, app.reading(wanted.lake, row_ids=False) as connection:
        show(adhoc.run(connection, text))


def _text(sql: str) -> str:
    try:
        text = sys.stdin.read() if sql == "-" else sql
        text.encode()  # some locales let bytes pass that are not valid text
    except UnicodeError:
        raise UsageError("The SQL is not valid UTF-8.") from None
    return text
