"""The command `sagemaker-exporter`: its global options and its commands, loaded when named."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from exporter import files
from exporter.cli.app import DEFAULT_DB, App, app_of, user_directory
from exporter.cli.options import ENV_PREFIX, Value, declaration_of
from exporter.config import file
from exporter.config.file import ConfigFile
from exporter.config.kinds import PATH, URL, one_of
from exporter.config.options import Option
from exporter.errors import UsageError
from exporter.text import did_you_mean

#: Command -> where it is, and its line in `--help`. A module is imported only when the user names
#: its command.
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
        "Run one SQL statement, read-only.",
    ),
    "jobs": (
        "exporter.cli.jobs:jobs",
        "List training jobs from the database.",
    ),
    "job": (
        "exporter.cli.job:job",
        "Show one job, whole: history, pool, cost, and what is not known.",
    ),
    "tables": (
        "exporter.cli.tables:tables",
        "List the tables, views and columns for your own SQL.",
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
        "Write one HTML page: who wastes what, what to change.",
    ),
    "web": (
        "exporter.cli.web:web",
        "Show jobs, costs and reports as pages in a browser.",
    ),
    "prices": (
        "exporter.cli.prices:prices",
        "List, import or refresh the dated prices.",
    ),
    "reconcile": (
        "exporter.cli.reconcile:reconcile",
        "Compare a bill with the database.",
    ),
    "publish": (
        "exporter.cli.publish:publish",
        "Write the tables in an open lake format, for other engines.",
    ),
    "doctor": (
        "exporter.cli.doctor:doctor",
        "Check credentials, permissions, clock, endpoint and folder.",
    ),
    "db": (
        "exporter.cli.db:db",
        "Check, back up, restore or prune the database file.",
    ),
    "config": (
        "exporter.cli.config:config",
        "Show, write, check or clear the configuration.",
    ),
    "demo": (
        "exporter.cli.demo:demo",
        "Try everything, without an AWS account.",
    ),
}


EPILOG: Final = """\b
Examples:
  sagemaker-exporter demo                    try it without an AWS account
  sagemaker-exporter sync --region eu-west-1 the first run is a backfill
  sagemaker-exporter report                  list the reports
  sagemaker-exporter report warm-pool-cost --by family
  sagemaker-exporter status

You can also set every option in the environment (SAGEMAKER_EXPORTER_DB, or with the
command in the name SAGEMAKER_EXPORTER_SYNC_MAX_RPS) or in sagemaker-exporter.toml.
A flag beats the environment, and the environment beats the file. `config show` prints
the values in force.

\b
Exit codes:
  0 done                     5 credentials or permission
  1 a bug                    6 the database is newer than the program
  2 usage or configuration   7 the service or network failed
  3 done in part, stale,     8 the database file or the disk
    or over a limit          130, 143 interrupted
  4 busy: another process holds the database

\b
Shell completion for bash (zsh and fish work the same way):
  eval "$(_SAGEMAKER_EXPORTER_COMPLETE=bash_source sagemaker-exporter)"
"""


def _global_options() -> list[click.Option]:
    """Return new global options; the root and every command have their own."""
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
            help=f"Configuration file. Default: {file.FILE_NAME} here, or in your configuration "
            "directory.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="Log each step; twice: every detail. Also shows the traceback of a bug.",
        ),
        click.Option(["-q", "--quiet"], is_flag=True, help="Print only results and errors."),
        click.Option(
            ["--log-format"],
            type=Value(one_of(["text", "json"])),
            default="text",
            show_default=True,
            help="Write log lines on standard error as text or as JSON.",
        ),
    ]


def _after_the_command(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Let a global option after the command beat the one before it."""
    name = str(param.name)
    if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return
    app = ctx.find_object(App)
    # --config was read before any other option (Root.parse_args).
    if app is not None and name != "config":
        setattr(app, name, app.verbose + int(str(value)) if name == "verbose" else value)
        app.given.add(name)


class ReaderLeft(Exception):
    """The reader of standard output has left, as in `… | head`."""


class _WithGlobals(click.Command):
    """A command with the global options, which its help lists separately."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's own signature
    ) -> click.Context:
        """Make a context with the defaults that the file has for this command."""
        if parent is not None and (app := parent.find_object(App)) is not None:
            extra["default_map"] = app.defaults.get(_table_name(parent, info_name), {})
        return super().make_context(info_name, args, parent, **extra)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its own parameters and the global ones."""
        return [*super().get_params(ctx), *self._copies()]

    def _copies(self) -> list[click.Option]:
        if not hasattr(self, "_global_copies"):
            self._global_copies = _global_options()
            for option in self._global_copies:
                option.expose_value = False
                option.callback = _after_the_command
                # Only the root reads these from the environment and the file.
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
        app = app_of(ctx)
        app.begin()
        if app.config_is_local and (names := _redirected(ctx)):
            # Somebody else may have written the file of a folder that many can write to.
            app.notify(
                f"{app.config_file.path}, found in the working directory, sets {', '.join(names)}.",
                level=logging.WARNING,
            )
        return super().invoke(ctx)


def _redirected(ctx: click.Context) -> list[str]:
    """Return the options from the configuration file that name a file or a URL."""
    found = []
    for context in (ctx.find_root(), ctx):
        for name, option in own_options(context.command).items():
            kind = option.type.kind if isinstance(option.type, Value) else None
            leads_elsewhere = name == "db" or kind in (PATH, URL)
            if leads_elsewhere and (
                context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
            ):
                found.append(max(option.opts, key=len))
    return found


class _SuggestingGroup(click.Group):
    """A group that names the nearest command if there is none of a name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest."""
        names = self.list_commands(ctx)
        is_name = args and not ctx.resilient_parsing and not args[0].startswith("-")
        if is_name and args[0] not in names:
            raise UsageError(
                f"No such command {args[0]!r}.{did_you_mean(args[0], names)}",
                f"Commands: {', '.join(names)}.",
            )
        return super().resolve_command(ctx, args)


class Group(_WithGlobals, _SuggestingGroup):
    """A group of commands of two words, such as `db check`."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write its options, then its commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


class Root(_SuggestingGroup):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command, in the order in which a new user needs them."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each command, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command; translate the exceptions on which click would print or exit itself."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None
        except BrokenPipeError:
            raise ReaderLeft from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the configuration file first: it has defaults for every option."""
        asks_for_help = not args or "--help" in args or "--version" in args
        app = ctx.ensure_object(App)
        if not ctx.resilient_parsing and not asks_for_help:
            app.config_file, app.config_is_local = _read_config_file(args)
            ctx.default_map, app.defaults = self._defaults(ctx, app.config_file)
        rest = super().parse_args(ctx, args)
        for name in ("db", "verbose", "quiet", "log_format"):
            setattr(app, name, ctx.params[name])
        return rest

    def _defaults(
        self, ctx: click.Context, found: ConfigFile
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Return the file's global options, and its options of each command."""
        global_options = _declarations(self)
        del global_options["config"]  # a file cannot name itself
        known: dict[str, dict[str, Option]] = {}
        if found.commands or found.options.keys() - global_options:  # else import no command
            known = {name: _declarations(command) for name, command in commands(ctx).items()}
        return file.read_options(found, global_options, known)


def _print_version(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if not value or ctx.resilient_parsing:
        return
    from exporter.resources import version

    click.echo(f"sagemaker-exporter {version()}")
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
    """Copies your SageMaker training-job history into DuckDB and shows what your warm pools cost.

    It only reads from AWS. It keeps one row per job, even after AWS deletes it.
    """


root.params[:0] = _global_options()


def _read_config_file(args: Sequence[str]) -> tuple[ConfigFile, bool]:
    """Return the configuration file, and whether it is the one of the working directory."""
    named = _named_config(args)
    if named is not None:
        return file.read(files.named(named)), False
    try:
        here = Path.cwd()
    except OSError:  # it was removed, or this user may not enter it
        here = user_directory()
    path = file.find(here, user_directory())
    if path is None:
        return ConfigFile(), False
    return file.read(path), path.parent != user_directory()


def commands(root: click.Context) -> dict[str, click.Command]:
    """Return every command that does something, by the name of its table in the file."""
    found: dict[str, click.Command] = {}

    def walk(group: click.Group, prefix: str) -> None:
        for name in group.list_commands(root):
            command = group.get_command(root, name)
            if isinstance(command, click.Group):
                walk(command, f"{prefix}{name}-")
            elif command is not None:
                found[f"{prefix}{name}"] = command

    if isinstance(root.command, click.Group):
        walk(root.command, "")
    return found


def own_options(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command that may come from the file, by key."""
    return {
        str(param.name): param
        for param in command.params
        if isinstance(param, click.Option) and param.expose_value
    }


def _declarations(command: click.Command) -> dict[str, Option]:
    return {name: declaration_of(param) for name, param in own_options(command).items()}


def _table_name(parent: click.Context, name: str | None) -> str:
    """Return the table of a command in the file: its words joined by `-`, such as `db-prune`.

    TOML does not allow `[db.prune]` and the global option `db = "…"` in one file.
    """
    words = [name or ""]
    while parent.parent is not None:
        words.insert(0, parent.info_name or "")
        parent = parent.parent
    return "-".join(words)


def _named_config(args: Sequence[str]) -> str | None:
    """Return the file of --config: click needs its defaults before it parses the arguments."""
    found = os.environ.get(f"{ENV_PREFIX}_CONFIG") or None
    for number, word in enumerate(args):
        if word == "--":
            break
        if word.startswith("--config="):
            found = word.partition("=")[2]
        elif word == "--config" and number + 1 < len(args):
            found = args[number + 1]
    return found
