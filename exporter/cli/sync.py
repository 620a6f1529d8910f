"""`sync`: fetch what changed."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from exporter.cli.app import app_of
from exporter.cli.options import options
from exporter.cli.results import Json, print_json
from exporter.cli.root import Command
from exporter.config.model import SyncOptions
from exporter.config.sources import SourceOptions, choose
from exporter.errors import UsageError

if TYPE_CHECKING:
    from exporter.syncing.outcome import SyncReport

EPILOG = """\b
Examples:
  sagemaker-exporter sync                    this profile, its region
  sagemaker-exporter sync --region all --exclude-region us-gov-west-1
  sagemaker-exporter sync --profile dev --profile prod --region eu-west-1
  sagemaker-exporter sync --role-arn arn:aws:iam::123456789012:role/reader
  sagemaker-exporter sync --since 90d        start 90 days back, not earlier
  sagemaker-exporter sync --full             list all again, find deletions
  sagemaker-exporter sync --dry-run          print what it would list
  sagemaker-exporter sync --name-contains bert --created-after 7d

A sync with a filter or a creation window is a one-off: it stores the jobs that it finds and
moves no watermark. Exit code 3 means that some scopes are complete and others are not.
"""


@click.command(cls=Command, epilog=EPILOG)
@options(where=SourceOptions, how=SyncOptions, output=Json)
@click.pass_context
def sync(ctx: click.Context, where: SourceOptions, how: SyncOptions, output: Json) -> None:
    """Fetch what changed, store it, and move the watermark; the first run is a backfill.

    You can interrupt it at any time: it commits what it has read, and the next run goes on from
    there. A kill loses at most the last ten seconds. You can give several profiles, roles and
    regions: every profile assumes every role, in every region. An account that is reached twice is
    synced once.
    """
    from exporter.syncing.run import run_sync
    from exporter.unattended import reporting

    app = app_of(ctx)
    app.is_syncing = True
    warn = partial(app.notify, level=logging.WARNING)
    if how.created_after and how.created_before and how.created_after > how.created_before:
        raise UsageError("--created-after is later than --created-before.")
    flags = _given(ctx, ParameterSource.COMMANDLINE)
    ignored = [f"--{name}" for name in ("full", "since") if name in flags]
    if how.is_filtered and ignored:
        warn(f"A one-off sync ignores {' and '.join(ignored)}.")
    database = app.database(lock_timeout=how.lock_timeout)
    with reporting(database, how, notify=warn) as record:
        with app.progress() as progress:
            report = run_sync(
                database,
                choose(where, app.config_file.sources, _given(ctx, ParameterSource.DEFAULT_MAP)),
                how,
                app.config_file.configuration,
                progress=progress,
                notify=warn,
            )
        record(report)
        _print(report, output, _region_origin(ctx))
        app.notify(report.summary(), fields=report.figures())
        if report.error is not None:
            raise report.error


def _given(ctx: click.Context, source: ParameterSource) -> list[str]:
    """Return the keys of the options whose values come from a source."""
    return [name for name in ctx.params if ctx.get_parameter_source(name) is source]


def _region_origin(ctx: click.Context) -> str:
    """Return what named the regions of a source that does not take its profile's own."""
    origins = {
        ParameterSource.COMMANDLINE: "--region",
        ParameterSource.ENVIRONMENT: "SAGEMAKER_EXPORTER_SYNC_REGION",
    }
    source = ctx.get_parameter_source("region")
    return origins.get(source, "the configuration file") if source else "the configuration file"


def _print(report: SyncReport, output: Json, named: str) -> None:
    for scope in report.scopes:
        if scope.plan is not None:
            origin = scope.region_origin or named
            click.echo(f"{scope.name}: {scope.plan} (region from {origin})", err=output.wanted)
    if output.wanted:
        print_json(report.to_json())
