"""The command `sagemaker-exporter`: its global options and its commands, loaded when named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from exporter.cli.app import DEFAULT_DB, App, app_of, user_directory
from exporter.cli.defaults import check, table_name
from exporter.cli.options import ENV_PREFIX, OneOf
from exporter.config import file as files
from exporter.config.file import Settings
from exporter.errors import UsageError
from exporter.text import did_you_mean

#: Command -> where it is, and what `--help` says of it. A module is imported only when its
#: command is asked for.
COMMANDS: Final = {
    "sync": (
        "exporter.cli.sync:sync",
        "Fetch what changed; the first run is a backfill.",
    ),
    "report": (
        "exporter.cli.report:report",
        "Run a canned report, or list the reports.",
    ),
    "query": (
        "exporter.cli.query:query",
        "Run one SQL statement, read only.",
    ),
    "jobs": (
        "exporter.cli.jobs:jobs",
        "List training jobs, from the database.",
    ),
    "serve": (
        "exporter.cli.serve:serve",
        "Answer ListTrainingJobs over HTTP, for any AWS SDK.",
    ),
    "status": (
        "exporter.cli.status:status",
        "Show how fresh the data is, and the last runs.",
    ),
    "dashboard": (
        "exporter.cli.dashboard:dashboard",
        "Write one HTML page with charts.",
    ),
    "prices": (
        "exporter.cli.prices:prices",
        "See, import or refresh the dated prices.",
    ),
    "reconcile": (
        "exporter.cli.reconcile:reconcile",
        "Compare a bill with the database.",
    ),
    "publish": (
        "exporter.cli.publish:publish",
        "Write the tables in an open lake format, for other engines.",
    ),
    "db": (
        "exporter.cli.db:db",
        "Look after the database file: check, backup, restore, …",
    ),
    "config": (
        "exporter.cli.config:config",
        "Show the configuration in force.",
    ),
    "demo": (
        "exporter.cli.demo:demo",
        "Show all of it, without an AWS account.",
    ),
}


EPILOG: Final = """\b
Examples:
  sagemaker-exporter demo                    all of it, without an AWS account
  sagemaker-exporter sync --region eu-west-1 the first run is a backfill
  sagemaker-exporter report                  the reports there are
  sagemaker-exporter report warm-pool-cost --by family
  sagemaker-exporter status

Every option may also come from the environment (SAGEMAKER_EXPORTER_DB, and with the
command in the name SAGEMAKER_EXPORTER_SYNC_MAX_RPS) or from sagemaker-exporter.toml:
flag, then environment, then file. `config show` prints what is in force.

\b
Exit codes:
  0 done                     5 credentials or permission
  1 a bug                    6 the database is newer than the program
  2 usage or configuration   7 the service or network failed
  3 done in part, stale,     8 the database file or the disk
    or over the limit asked  130, 143 interrupted
  4 busy: a lock was kept

\b
Completion of words in the shell, for bash (zsh and fish likewise):
  eval "$(_SAGEMAKER_EXPORTER_COMPLETE=bash_source sagemaker-exporter)"
"""


def _global_options() -> list[click.Option]:
    """The global options, new ones at each call: they stand at the root and at every command."""
    return [
        click.Option(
            ["--db"],
            default=DEFAULT_DB,
            show_default=True,
            metavar="PATH",
            help="The DuckDB file, or a duckdb:/// URL.",
        ),
        click.Option(
            ["--config"],
            metavar="FILE",
            help=f"Configuration; else {files.FILE_NAME} here or in your configuration directory.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="Say what is done; twice: every detail. Shows the traceback of a bug.",
        ),
        click.Option(["-q", "--quiet"], is_flag=True, help="Nothing but results and errors."),
        click.Option(
            ["--log-format"],
            type=OneOf(["text", "json"]),
            default="text",
            show_default=True,
            help="Log lines on standard error as text or as JSON.",
        ),
    ]


def _after_the_command(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """A global option that stands after the command beats the one before it."""
    name = str(param.name)
    if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return
    app = ctx.find_object(App)
    # --config was read before any other option (Root.parse_args).
    if app is not None and name != "config":
        setattr(app, name, app.verbose + int(str(value)) if name == "verbose" else value)
        app.given.add(name)


class ReaderLeft(Exception):
    """Nobody reads standard output any more, as with `… | head`."""


class _WithGlobals(click.Command):
    """A command that takes the global options too, and lists them apart in its help."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's own signature
    ) -> click.Context:
        """Hand it the defaults that the file has for it, and no other command's."""
        if parent is not None and (app := parent.find_object(App)) is not None:
            extra["default_map"] = app.defaults.get(table_name(parent, info_name), {})
        return super().make_context(info_name, args, parent, **extra)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters and the global ones."""
        return [*super().get_params(ctx), *self._copies()]

    def _copies(self) -> list[click.Option]:
        if not hasattr(self, "_global_copies"):
            self._global_copies = _global_options()
            for option in self._global_copies:
                option.expose_value = False
                option.callback = _after_the_command
                # Only the root reads the environment and the file for these.
                option.allow_from_autoenv = False
                option.show_default = False
        return self._global_copies

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write its own options, then the global ones."""
        copies = self._copies()
        own = [param for param in self.get_params(ctx) if param not in copies]
        for title, params in (("Options", own), ("Global options", copies)):
            records = [
                param.get_help_record(ctx) for param in params if isinstance(param, click.Option)
            ]
            rows = [record for record in records if record is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Command(_WithGlobals):
    """A command that does something."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Start the log, then run."""
        app_of(ctx).begin()
        return super().invoke(ctx)


class Group(_WithGlobals, click.Group):
    """A command of several words, such as `db check`."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write its options, then its commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest."""
        _check_command(self, ctx, args)
        return super().resolve_command(ctx, args)


class Root(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest."""
        _check_command(self, ctx, args)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command; what would make click print or exit by itself gets another name."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None
        except BrokenPipeError:
            raise ReaderLeft from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the configuration file first: it holds defaults of every option."""
        asks_for_help = not args or "--help" in args or "--version" in args
        app = ctx.ensure_object(App)
        if not ctx.resilient_parsing and not asks_for_help:
            app.settings = _read_settings(args)
            ctx.default_map, app.defaults = check(app.settings, ctx)
        rest = super().parse_args(ctx, args)
        for name in ("db", "verbose", "quiet", "log_format"):
            setattr(app, name, ctx.params[name])
        return rest


def _print_version(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib import metadata

    try:
        version = metadata.version("sagemaker-exporter")
    except metadata.PackageNotFoundError:
        version = "(a checkout that is not installed)"
    click.echo(f"sagemaker-exporter {version}")
    ctx.exit()


@click.command(
    cls=Root,
    context_settings={
        "auto_envvar_prefix": ENV_PREFIX,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 80,
    },
    epilog=EPILOG,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def root(**_: object) -> None:
    """Sync Amazon SageMaker training jobs into DuckDB, and see what warm pools cost.

    It reads ListTrainingJobs and its like, never writes to AWS, and keeps one row for each
    job that ever was, also after AWS forgot it.
    """


root.params[:0] = _global_options()


def _check_command(group: click.Group, ctx: click.Context, args: list[str]) -> None:
    names = group.list_commands(ctx)
    if args and not ctx.resilient_parsing and not args[0].startswith("-") and args[0] not in names:
        raise UsageError(
            f"No such command {args[0]!r}.{did_you_mean(args[0], names)}",
            f"Commands: {', '.join(names)}.",
        )


def _read_settings(args: Sequence[str]) -> Settings:
    named = _named_config(args)
    if named is not None:
        return files.read(Path(named).expanduser())
    try:
        here = Path.cwd()
    except OSError:  # it was removed, or is not ours to look at: it has nothing for us
        here = user_directory()
    path = files.find(here, user_directory())
    return Settings() if path is None else files.read(path)


def _named_config(args: Sequence[str]) -> str | None:
    """The file of --config, wherever it stands: its defaults must be known before click parses."""
    found = os.environ.get(f"{ENV_PREFIX}_CONFIG") or None
    for number, word in enumerate(args):
        if word == "--":
            break
        if word.startswith("--config="):
            found = word.partition("=")[2]
        elif word == "--config" and number + 1 < len(args):
            found = args[number + 1]
    return found
