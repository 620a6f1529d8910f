"""`sync`: fetch what changed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from exporter.cli import sources
from exporter.cli.app import App, app_of, decorated
from exporter.cli.options import (
    Many,
    Matching,
    Mode,
    OneOf,
    Real,
    Region,
    Time,
    Whole,
    lock_timeout_option,
)
from exporter.cli.root import Command
from exporter.cli.unattended import PingUrl, reporting
from exporter.errors import UsageError

if TYPE_CHECKING:
    from exporter.syncing.progress import Progress

STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting")
POOL_STATUSES = ("Available", "Terminated", "Reused", "InUse")

EPILOG = """\b
Examples:
  sagemaker-exporter sync                    this profile, its region
  sagemaker-exporter sync --region all --exclude-region us-gov-west-1
  sagemaker-exporter sync --profile dev --profile prod --region eu-west-1
  sagemaker-exporter sync --role-arn arn:aws:iam::123456789012:role/reader
  sagemaker-exporter sync --since 90d        not further back at first
  sagemaker-exporter sync --full             list all again, find deletions
  sagemaker-exporter sync --dry-run          say what it would ask for
  sagemaker-exporter sync --name-contains bert --created-after 7d

A sync with a filter or a creation window is a one-off: it stores what it finds, and moves no
watermark. Exit code 3 says that some scopes are complete and others are not.
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option(
    "--region",
    cls=Many,
    type=Region(all_too=True),
    metavar="REGION",
    help="Region to sync, or all; repeatable. Default: the profile's.",
)
@click.option(
    "--exclude-region", cls=Many, type=Region(), metavar="REGION", help="But not this one."
)
@click.option(
    "--profile", cls=Many, metavar="NAME", help="Profile of your AWS configuration; repeatable."
)
@click.option(
    "--role-arn",
    cls=Many,
    type=Matching(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", "the ARN of a role"),
    metavar="ARN",
    help="Role to assume, from every profile; repeatable.",
)
@click.option("--external-id", metavar="ID", help="External id for the roles.")
@click.option("--full", is_flag=True, help="List everything again; finds deletions.")
@click.option(
    "--since",
    type=Time(),
    metavar="TIME",
    help="How far back a first backfill goes; an earlier one later fetches the rest.",
)
@click.option("--created-after", type=Time(), metavar="TIME", help="One-off: created after this.")
@click.option("--created-before", type=Time(), metavar="TIME", help="One-off: created before this.")
@click.option(
    "--name-contains",
    type=Matching(r"[a-zA-Z0-9-]{1,63}", "up to 63 letters, digits and hyphens"),
    metavar="TEXT",
    help="One-off: whose name contains this.",
)
@click.option(
    "--status",
    type=OneOf(STATUSES, case_sensitive=False),
    help="One-off: with this status.",
)
@click.option(
    "--warm-pool-status",
    type=OneOf(POOL_STATUSES, case_sensitive=False),
    help="One-off: with this status of the warm pool.",
)
@click.option(
    "--training-plan-arn",
    type=Matching(r"arn:aws[a-z-]*:sagemaker:.+:training-plan/.+", "the ARN of a training plan"),
    metavar="ARN",
    help="One-off: on this training plan.",
)
@click.option(
    "--overlap",
    type=Whole(0, 1_000_000_000),  # thirty years: times before the year 1 cannot be asked for
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How much of what was seen before is asked for again.",
)
@click.option(
    "--max-rps",
    type=Real(0),
    default=1.0,
    show_default=True,
    metavar="N",
    help="List calls a second for an account and region, retries included; 0 = no limit. "
    "AWS allows 2, shared with everything else that runs there.",
)
@click.option(
    "--details/--no-details",
    default=True,
    show_default=True,
    help="Fetch instance types, times and tags as well.",
)
@click.option("--refresh-tags", is_flag=True, help="Read the tags of all jobs again.")
@lock_timeout_option("another sync, or for a reader of the file")
@click.option(
    "--snapshot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Publish a copy for readers there, in one step, after each sync that moved anything.",
)
@click.option(
    "--snapshot-mode",
    type=Mode(),
    default="0444",
    show_default=True,
    metavar="MODE",
    help="Permissions of that copy, in octal.",
)
@click.option(
    "--metrics-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what the sync came to as Prometheus text, for a textfile collector.",
)
@click.option(
    "--ping-url",
    type=PingUrl(),
    metavar="URL",
    help="GET this after a sync that left no required scope behind: a dead-man's switch.",
)
@click.option("--no-upgrade", is_flag=True, help="Do not create or upgrade the schema.")
@click.option("--dry-run", is_flag=True, help="Only say what would be asked for.")
@click.option("--json", is_flag=True, help="The outcome as one JSON object on standard output.")
@click.pass_context
def sync(
    ctx: click.Context,
    *,
    region: Sequence[str],
    exclude_region: Sequence[str],
    profile: Sequence[str],
    role_arn: Sequence[str],
    external_id: str | None,
    full: bool,
    since: datetime | None,
    created_after: datetime | None,
    created_before: datetime | None,
    name_contains: str | None,
    status: str | None,
    warm_pool_status: str | None,
    training_plan_arn: str | None,
    overlap: int,
    max_rps: float,
    details: bool,
    refresh_tags: bool,
    lock_timeout: float,
    snapshot: Path | None,
    snapshot_mode: int,
    metrics_file: Path | None,
    ping_url: str | None,
    no_upgrade: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Fetch what changed, store it, and move the watermark; the first run is a backfill.

    It can be interrupted at any time: the next run goes on from where this one was sure.
    Several profiles, roles and regions may be given: every profile assumes every role, in every
    region, and an account that is reached twice is synced once.
    """
    from exporter.config.model import SyncOptions
    from exporter.syncing.run import run_sync

    app = app_of(ctx)
    asked = sources.Asked(
        profiles=profile,
        role_arns=role_arn,
        external_id=external_id,
        regions=region,
        exclude_regions=exclude_region,
        in_file=frozenset(
            name
            for name in ctx.params
            if ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
        ),
    )
    options = SyncOptions(
        full=full,
        since=since,
        created_after=created_after,
        created_before=created_before,
        name_contains=name_contains,
        status=status,
        warm_pool_status=warm_pool_status,
        training_plan_arn=training_plan_arn,
        overlap=overlap,
        max_rps=max_rps,
        details=details,
        refresh_tags=refresh_tags,
        lock_timeout=lock_timeout,
        snapshot=snapshot,
        snapshot_mode=snapshot_mode,
        upgrade=not no_upgrade,
        dry_run=dry_run,
    )
    if created_after and created_before and created_after > created_before:
        raise UsageError("--created-after is later than --created-before.")
    if options.is_filtered and (void := _void(ctx)):
        app.say(
            f"A one-off sync passes over {void}: it finds what its filter says.", logging.WARNING
        )
    with reporting(app, options, metrics_file, ping_url) as told:
        with _progress(app) as progress:
            report = run_sync(
                app.database(lock_timeout=lock_timeout),
                sources.choose(asked, app.settings.sources()),
                options,
                app.settings.configuration(),
                progress=progress,
                notify=lambda text: app.say(text, logging.WARNING),
            )
        told(report)
        for scope in report.scopes:
            if scope.plan is not None:
                click.echo(f"{scope.name}: {scope.plan}", err=json)
        if json:
            from exporter.reports.values import to_json

            click.echo(to_json(report.to_json()))
        app.say(report.summary())
        if report.error is not None:
            raise report.error


def _void(ctx: click.Context) -> str:
    """Flags that say nothing in a one-off."""
    flags = {"full": "--full", "since": "--since"}
    given = (
        flag
        for name, flag in flags.items()
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )
    return " and ".join(given)


@contextmanager
def _progress(app: App) -> Iterator[Progress | None]:
    if app.quiet or app.log_format == "json" or not decorated(sys.stderr):
        yield None
        return
    from exporter.cli.progress import Terminal

    with Terminal() as shown:
        yield shown
