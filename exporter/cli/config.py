"""`config show`: the configuration in force, and whence each value comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from exporter.cli import defaults
from exporter.cli.app import App, app_of, decorated, width
from exporter.cli.options import ENV_PREFIX, SECRETS, written
from exporter.cli.root import Command, Group
from exporter.config.file import Settings

EPILOG = """\b
Examples:
  sagemaker-exporter config show
  sagemaker-exporter config show --json
  sagemaker-exporter --config /etc/sagemaker-exporter.toml config show
"""
_HIDDEN = "(hidden)"


@dataclass(frozen=True)
class Setting:
    """A value in force; `whence` is flag, environment NAME, file PATH, or default."""

    key: str
    value: Any
    whence: str


@click.group(cls=Group)
def config() -> None:
    """Look at the configuration."""


@config.command(epilog=EPILOG, cls=Command)
@click.option("--json", is_flag=True, help="One JSON object with documented keys.")
@click.pass_context
def show(ctx: click.Context, *, json: bool) -> None:
    """Show every option that is set, and where its value comes from.

    A value comes from a flag, the environment, the file or the default, in this order. Secrets
    are hidden. Options of a command are shown as `command.option`; those that are off and not
    set anywhere are left out.
    """
    app = app_of(ctx)
    found = list(settings_in_force(app, ctx))
    warnings = [
        f"The environment variable {name} belongs to no option." for name in unknown_variables(ctx)
    ]
    if json:
        from exporter.reports.values import to_json

        click.echo(
            to_json(
                {
                    "version": 1,
                    "file": None if app.settings.path is None else str(app.settings.path),
                    "settings": [
                        {"key": item.key, "value": item.value, "from": item.whence}
                        for item in found
                    ],
                    "warnings": warnings,
                }
            )
        )
        return
    _print(found)
    for warning in warnings:
        app.say(warning)


def _print(found: Sequence[Setting]) -> None:
    from exporter.reports import table
    from exporter.reports.result import Column, Result
    from exporter.reports.values import plain

    columns = (Column("key"), Column("value"), Column("from"))
    rows = [(item.key, _text(item.value, plain), item.whence) for item in found]
    text = table.render(Result(columns, rows), width=width(), colour=decorated(sys.stdout))
    click.echo(text, nl=False, color=True)


def _text(value: object, plain: Callable[[object], str]) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(plain, value))
    return plain(value)


def settings_in_force(app: App, ctx: click.Context) -> Iterator[Setting]:
    """Every option of the command line, then the tables that only the file has."""
    root = ctx.find_root()
    for name in defaults.own_options(root.command):
        if name != "config":
            yield Setting(name, getattr(app, name), _whence(root, name, app))
    for table, command in defaults.commands(root).items():
        context = _context(command, table, root)
        for name, option in defaults.own_options(command).items():
            value = _value(context, option)
            whence = _whence(context, name, app)
            if whence != "default" or value not in (None, (), False):
                hidden = name in SECRETS and value
                yield Setting(f"{table}.{name}", _HIDDEN if hidden else value, whence)
    for key, value in _tables(app.settings):
        yield Setting(key, value, f"file {app.settings.path}")


def _tables(settings: Settings) -> Iterator[tuple[str, Any]]:
    for number, source in enumerate(settings.sources(), 1):
        for name, value in vars(source).items():
            if value:
                yield f"source {number}.{name}", _HIDDEN if name in SECRETS else value
    for account, name in settings.accounts.items():
        yield f"accounts.{account}", name
    rules = settings.rules()
    for number, family in enumerate(rules.families, 1):
        yield f"family {number}", family.pattern.pattern if family.pattern else f"tag {family.tag}"
    for number, team in enumerate(rules.teams, 1):
        for name, value in vars(team).items():
            if value is not None:
                yield f"team {number}.{name}", getattr(value, "pattern", value)
    if settings.team_tag:
        yield "team_tag", settings.team_tag
    if settings.local_storage_families is not None:
        yield "local_storage_families", settings.local_storage_families
    for number, discount in enumerate(settings.discounts, 1):
        for name, value in vars(discount).items():
            if value is not None:
                yield f"discount {number}.{name}", value


def unknown_variables(ctx: click.Context) -> list[str]:
    """Variables that look like ours and are of no option: most likely a slip of the pen."""
    root = ctx.find_root()
    known = {_variable("", name) for name in defaults.own_options(root.command)}
    for table, command in defaults.commands(root).items():
        known |= {_variable(table, name) for name in defaults.own_options(command)}
    return sorted(
        name for name in os.environ if name.startswith(f"{ENV_PREFIX}_") and name not in known
    )


def _context(command: click.Command, table: str, root: click.Context) -> click.Context:
    """The context the command would have if it were called without a word."""
    return command.make_context(
        table,
        [],
        parent=root,
        resilient_parsing=True,
    )


def _value(context: click.Context, option: click.Option) -> object:
    """The value as one would write it.

    Raises:
        click.BadParameter: The environment has a value that the command would refuse.
    """
    value = context.params.get(str(option.name))
    if context.get_parameter_source(str(option.name)) is ParameterSource.ENVIRONMENT:
        # A context made for inspection passes over what is wrong.
        value = option.type_cast_value(context, option.value_from_envvar(context))
    return written(option.type, value)


def _variable(table: str, name: str) -> str:
    words = [ENV_PREFIX, *([table] if table else []), name]
    return "_".join(words).upper().replace("-", "_")


def _whence(context: click.Context, name: str, app: App) -> str:
    source = context.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE or (context.parent is None and name in app.given):
        return "flag"
    if source is ParameterSource.ENVIRONMENT:
        return f"environment {context.auto_envvar_prefix}_{name.upper()}"
    if source is ParameterSource.DEFAULT_MAP:
        return f"file {app.settings.path}"
    return "default"
