"""`doctor`: checks everything that a sync needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from exporter.cli.app import App, app_of
from exporter.cli.options import options
from exporter.cli.results import Json, print_json
from exporter.cli.root import Command
from exporter.cli.sync import sync
from exporter.config.sources import SourceOptions, choose

if TYPE_CHECKING:
    from exporter.doctor.findings import Finding

EPILOG = """\b
Examples:
  sagemaker-exporter doctor
  sagemaker-exporter doctor --profile prod --region eu-west-1
  sagemaker-exporter doctor --json | jq .missing_policy

It makes read-only calls: a handful for each account and region. The exit code is that with
which a sync would end: 0 if only optional things are missing.
"""
#: Seconds to wait for a sync that is committing.
_LOCK_TIMEOUT: Final = 5.0
#: Options of `sync` that name a file.
_OUTPUTS: Final = ("snapshot", "metrics_file")


@click.command(cls=Command, epilog=EPILOG)
@options(where=SourceOptions, output=Json)
@click.pass_context
def doctor(ctx: click.Context, where: SourceOptions, output: Json) -> None:
    """Check credentials, regions, permissions, clock, endpoint, folder and configuration.

    Each line is one check. What it does not find in its own options, it takes from those of
    `sync` in the environment and the configuration file, so it checks what a sync would use.
    """
    from exporter.doctor.findings import exit_code, missing_policy

    app = app_of(ctx)
    found = []
    for finding in _findings(ctx, app, where):
        found.append(finding)
        if not output.wanted:
            _print(finding)
    policy = missing_policy(found, _partition(found))
    code = exit_code(found)
    if output.wanted:
        print_json(
            {
                "findings": [asdict(finding) for finding in found],
                "missing_policy": policy,
                "exit_code": code,
            }
        )
    elif policy is not None:
        _print_policy(policy)
    ctx.exit(code)


def _findings(ctx: click.Context, app: App, where: SourceOptions) -> Iterator[Finding]:
    from exporter.doctor import aws, files
    from exporter.doctor.findings import OK, Finding

    path = app.config_file.path
    yield Finding("configuration", OK, f"{path} is valid" if path else "no file; defaults apply")
    as_sync = _sync_context(ctx, where)
    paths = {
        f"--{name.replace('_', '-')}": Path(value)
        for name in _OUTPUTS
        if (value := as_sync.params[name]) is not None
    }
    yield from files.check(app.database(lock_timeout=_LOCK_TIMEOUT), paths)
    from_file = [
        name
        for name in as_sync.params
        if as_sync.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
    ]
    names = [field.name for field in fields(SourceOptions)]
    used = SourceOptions(**{name: as_sync.params[name] for name in names})
    sources = choose(used, app.config_file.sources, from_file)
    yield from aws.check(sources, now=lambda: app.now, environment=os.environ)


def _sync_context(ctx: click.Context, where: SourceOptions) -> click.Context:
    """Return the context of a `sync` with the same flags: it has what a sync would use."""
    words: list[str] = []
    for field in fields(SourceOptions):
        value = getattr(where, field.name)
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None:
                words += [f"--{field.name.replace('_', '-')}", each]
    return sync.make_context("sync", words, parent=ctx.parent)


def _partition(findings: list[Finding]) -> str:
    """Return the partition of the first identity, such as aws or aws-cn."""
    arns = (each.message.rpartition(", arn:")[2] for each in findings if ", arn:" in each.message)
    return next(arns, "aws").partition(":")[0]


def _print(finding: Finding) -> None:
    from textwrap import fill

    from exporter.cli.app import width
    from exporter.text import visible

    margin = " " * 9
    texts = [f"{finding.check}: {finding.message}", finding.remedy]
    first = f"{finding.verdict:<9}"
    for number, text in enumerate(filter(None, texts)):
        click.echo(
            fill(
                visible(text),
                width() or 10**6,
                initial_indent=first if number == 0 else margin,
                subsequent_indent=margin,
                break_on_hyphens=False,
                break_long_words=False,
            )
        )


def _print_policy(policy: dict[str, Any]) -> None:
    import json

    click.echo("\nThis IAM policy grants what is missing:\n")
    click.echo(json.dumps(policy, indent=2))
