"""`config`: show, write, check, apply and clear the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from exporter.cli.app import App, app_of, pass_app
from exporter.cli.options import ENV_PREFIX, declaration_of, options
from exporter.cli.results import Json, print_json, print_table
from exporter.cli.root import Command, Group, commands, own_options
from exporter.config.file import FILE_NAME, ConfigFile
from exporter.config.kinds import TEXT
from exporter.config.model import Configuration, lock_timeout
from exporter.config.options import SECRETS, option
from exporter.errors import BusyError, DatabaseError, SchemaNewerError, UsageError
from exporter.text import counted

if TYPE_CHECKING:
    from exporter.config.template import Entry

INIT_EPILOG = """\b
Examples:
  sagemaker-exporter config init
  sagemaker-exporter config init --output /etc/sagemaker-exporter.toml
  sagemaker-exporter config init --output - | less
"""
CHECK_EPILOG = """\b
Examples:
  sagemaker-exporter config check
  sagemaker-exporter --config /etc/sagemaker-exporter.toml config check
  sagemaker-exporter config check --json
"""
APPLY_EPILOG = """\b
Examples:
  sagemaker-exporter config apply
  sagemaker-exporter report warm-pool-cost --by team
  sagemaker-exporter --db demo.duckdb config apply --json
"""
CLEAR_EPILOG = """\b
Examples:
  sagemaker-exporter config show
  sagemaker-exporter config clear
  sagemaker-exporter config clear --json | jq .removed
"""
SHOW_EPILOG = """\b
Examples:
  sagemaker-exporter config show
  sagemaker-exporter config show --json
  sagemaker-exporter --config /etc/sagemaker-exporter.toml config show
"""
#: Seconds that `config show` waits for a sync that writes.
_SHOW_TIMEOUT: Final = 1.0


@dataclass(frozen=True)
class Setting:
    """A value in force.

    Attributes:
        key: Its key in the file; `command.option` for an option of a command.
        value: As a user would write it.
        origin: `flag`, `environment NAME`, `file PATH`, `database PATH`, or `default`.
    """

    key: str
    value: Any
    origin: str


@dataclass(frozen=True)
class InitOptions:
    """Where `config init` writes."""

    output: str = option(
        FILE_NAME, "File to write, which must not exist; - is standard output.", TEXT, "FILE"
    )


@click.group(cls=Group)
def config() -> None:
    """Show, write, check or apply the configuration, or clear what the database keeps of it."""


@config.command(epilog=INIT_EPILOG, cls=Command, short_help="Write a commented file.")
@options(wanted=InitOptions, output=Json)
@click.pass_context
def init(ctx: click.Context, wanted: InitOptions, output: Json) -> None:
    """Write a commented configuration file that names every key.

    Every setting in it is off until you remove the # before it.
    """
    from exporter.config import template

    root = ctx.find_root()
    tables = {
        name: _entries(command)
        for name, command in commands(root).items()
        # `doctor` takes what it does not find in its own options from those of `sync`.
        if not name.startswith("config-") and name != "doctor"
    }
    global_options = [entry for entry in _entries(root.command) if entry.key != "config"]
    text = template.write(global_options, tables)
    if wanted.output == "-":
        if output.wanted:
            raise UsageError("--output - and --json both print to standard output.")
        click.echo(text, nl=False)
        return
    path = Path(wanted.output)
    _create(path, text)
    if output.wanted:
        print_json({"file": path})
    else:
        app_of(ctx).notify(f"config init: wrote {path}; edit it, then run `config check`")


def _create(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} exists, and config init overwrites nothing.", "Give --output FILE."
        ) from None
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from None


def _entries(command: click.Command) -> list[Entry]:
    from exporter.config.template import Entry

    return [
        Entry(
            name,
            declaration_of(item),
            item.default if isinstance(item.default, str | int | float) else None,
        )
        for name, item in own_options(command).items()
    ]


@config.command(epilog=CHECK_EPILOG, cls=Command, short_help="Check the configuration.")
@options(output=Json)
@click.pass_context
def check(ctx: click.Context, output: Json) -> None:
    """Check the configuration in force; exit 2 if a key or a value is wrong.

    It checks the file, the environment variables, and that the sources do not contradict each
    other. It calls no service and opens no database.
    """
    app = app_of(ctx)
    # The file was read before this command. Reading every setting checks the environment.
    for _ in settings_in_force(app, ctx):
        pass
    _check_sources(app)
    warnings = [_unknown_variable(name) for name in unknown_variables(ctx)]
    path = app.config_file.path
    if output.wanted:
        file = None if path is None else str(path)
        print_json({"file": file, "valid": True, "warnings": warnings})
        return
    for warning in warnings:
        app.notify(warning)
    valid = "no configuration file; the defaults apply" if path is None else f"{path} is valid"
    app.notify(f"config check: {valid}")


def _check_sources(app: App) -> None:
    """Raise the UsageError that `sync` would raise for the sources of the file."""
    from exporter.config.sources import SourceOptions, choose

    found = app.defaults.get("sync", {})
    names = {field.name for field in fields(SourceOptions)}
    chosen = {name: value for name, value in found.items() if name in names}
    choose(SourceOptions(**chosen), app.config_file.sources, tuple(chosen))


@dataclass(frozen=True)
class ApplyOptions:
    """How `config apply` waits."""

    lock_timeout: float = lock_timeout("a sync, or for a reader of the file")


@config.command(epilog=APPLY_EPILOG, cls=Command, short_help="Show a changed rule in the reports.")
@options(wanted=ApplyOptions, output=Json)
@pass_app
def apply(app: App, wanted: ApplyOptions, output: Json) -> None:
    """Write rules, discounts and account names into the database, without a sync.

    Reports read them from the database. Each sync writes them, too; this command shows a change at
    once and calls no service. The database keeps what the configuration has none of.
    """
    from exporter.config import stored

    database = app.database(lock_timeout=wanted.lock_timeout)
    changed = stored.apply_now(
        database,
        app.config_file.configuration,
        timeout=wanted.lock_timeout,
        notify=app.notify,
    )
    path = app.config_file.path
    if output.wanted:
        file = None if path is None else str(path)
        print_json({"database": database.path, "file": file, "changed": changed})
        return
    if path is None:
        app.notify("config apply: no configuration file; `config init` writes one")
    elif changed:
        app.notify(
            f"config apply: {database.path} now has the rules, discounts and names of {path}"
        )
    else:
        app.notify(f"config apply: nothing to change in {database.path}")


@dataclass(frozen=True)
class ClearOptions:
    """How `config clear` waits."""

    lock_timeout: float = lock_timeout("a sync, or for a reader of the file")


@config.command(
    epilog=CLEAR_EPILOG, cls=Command, short_help="Remove what the database keeps of it."
)
@options(wanted=ClearOptions, output=Json)
@pass_app
def clear(app: App, wanted: ClearOptions, output: Json) -> None:
    """Remove the rules, discounts and account names that the database keeps.

    The labels of all jobs then follow the built-in rules. The configuration file stays as it is,
    and the next sync writes what it says into the database again.
    """
    from exporter.config import stored

    database = app.database(lock_timeout=wanted.lock_timeout)
    removed = stored.clear(database, timeout=wanted.lock_timeout, notify=app.notify)
    if output.wanted:
        print_json({"database": database.path, "removed": removed})
        return
    if not any(removed.values()):
        app.notify(f"config clear: {database.path} keeps no rules, discounts or names")
        return
    app.notify(
        f"config clear: removed {counted(removed['rules'], 'rule')}, "
        f"{counted(removed['discounts'], 'discount')}, "
        f"{counted(removed['accounts'], 'account name')} and "
        f"{counted(removed['local_storage_families'], 'storage family', 'storage families')}"
        f" from {database.path}"
    )


@config.command(
    epilog=SHOW_EPILOG, cls=Command, short_help="Show each value, and where it comes from."
)
@options(output=Json)
@click.pass_context
def show(ctx: click.Context, output: Json) -> None:
    """Show every option that is set, and where its value comes from.

    A flag beats the environment, the environment beats the file, and the file beats the default.
    What the configuration lacks and the database keeps is shown as `database PATH`. Secrets are
    hidden. An option of a command is shown as `command.option`, unless it is off and
    nothing sets it.
    """
    app = app_of(ctx)
    found = list(settings_in_force(app, ctx))
    warnings = [_unknown_variable(name) for name in unknown_variables(ctx)]
    try:
        found += _kept_settings(app)
    except (BusyError, DatabaseError, SchemaNewerError) as error:
        warnings.append(f"Cannot show what the database keeps: {error}")
    if output.wanted:
        path = app.config_file.path
        settings = [{"key": item.key, "value": item.value, "from": item.origin} for item in found]
        print_json(
            {
                "file": None if path is None else str(path),
                "settings": settings,
                "warnings": warnings,
            }
        )
        return
    _print(found)
    for warning in warnings:
        app.notify(warning)


def _print(found: Sequence[Setting]) -> None:
    from exporter.reports.result import Column, Result
    from exporter.reports.values import plain

    def text(value: object) -> str:
        return ", ".join(map(plain, value)) if isinstance(value, tuple | list) else plain(value)

    columns = (Column("key"), Column("value"), Column("from"))
    print_table(Result(columns, [(item.key, text(item.value), item.origin) for item in found]))


def settings_in_force(app: App, ctx: click.Context) -> Iterator[Setting]:
    """Yield every option of the command line, then the tables that only the file has."""
    root = ctx.find_root()
    for name in own_options(root.command):
        if name != "config":
            yield Setting(name, getattr(app, name), _origin(root, name, app))
    for table, command in commands(root).items():
        # As if the user had called it without arguments.
        context = command.make_context(table, [], parent=root, resilient_parsing=True)
        for name, item in own_options(command).items():
            value, origin = _value(context, item), _origin(context, name, app)
            if origin != "default" or value not in (None, (), False):
                yield Setting(f"{table}.{name}", _visible(name, value), origin)
    for key, value in app.config_file.tables():
        yield Setting(key, _visible(key, value), f"file {app.config_file.path}")


def _kept_settings(app: App) -> list[Setting]:
    """Return what the database keeps and the configuration lacks.

    Raises:
        BusyError, DatabaseError, SchemaNewerError: The database cannot be read.
    """
    from exporter.config import stored

    database = app.database(lock_timeout=_SHOW_TIMEOUT)
    if not database.exists():
        return []
    with database.reading() as connection:
        kept = stored.kept_parts(app.config_file.configuration, stored.read(connection))
    tables = ConfigFile(configuration=Configuration(**kept)).tables()
    return [Setting(key, value, f"database {database.path}") for key, value in tables]


def unknown_variables(ctx: click.Context) -> list[str]:
    """Return variables that look like ours but belong to no option: probably misspelled."""
    root = ctx.find_root()
    known = {_variable("", name) for name in own_options(root.command)}
    for table, command in commands(root).items():
        known |= {_variable(table, name) for name in own_options(command)}
    return sorted(
        name for name in os.environ if name.startswith(f"{ENV_PREFIX}_") and name not in known
    )


def _unknown_variable(name: str) -> str:
    return f"The environment variable {name} belongs to no option."


def _visible(key: str, value: object) -> object:
    return "(hidden)" if value and key.rpartition(".")[2] in SECRETS else value


def _value(context: click.Context, option: click.Option) -> object:
    """Return the value as a user would write it.

    Raises:
        click.BadParameter: The environment has a value that the command would refuse.
    """
    value = context.params.get(str(option.name))
    if context.get_parameter_source(str(option.name)) is ParameterSource.ENVIRONMENT:
        # A context for inspection ignores wrong values.
        value = option.type_cast_value(context, option.value_from_envvar(context))
    if value is None or option.multiple:
        return value
    return declaration_of(option).kind.write(value)


def _variable(table: str, name: str) -> str:
    words = [ENV_PREFIX, *([table] if table else []), name]
    return "_".join(words).upper().replace("-", "_")


def _origin(context: click.Context, name: str, app: App) -> str:
    source = context.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE or (context.parent is None and name in app.given):
        return "flag"
    if source is ParameterSource.ENVIRONMENT:
        return f"environment {context.auto_envvar_prefix}_{name.upper()}"
    if source is ParameterSource.DEFAULT_MAP:
        return f"file {app.config_file.path}"
    return "default"
