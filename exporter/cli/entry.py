"""The one place where an outcome becomes words on standard error and an exit code."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from exporter import logs
from exporter.cli.app import App
from exporter.cli.interrupts import Terminated, stoppable
from exporter.cli.options import ENV_PREFIX
from exporter.cli.root import ReaderLeft, root
from exporter.errors import ExporterError

PROGRAM = "sagemaker-exporter"

#: New objects before the collector looks for cycles. Rows and service models are none, and
#: Python's 700 cost a backfill a seventh of its time (`python -m benchmarks.backfill`).
_COLLECT_AFTER = 50_000


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see the contract, or --help)."""
    gc.set_threshold(_COLLECT_AFTER)
    app = App()
    with stoppable():
        try:
            code = _run(app, args)
            sys.stdout.flush()
        except (ReaderLeft, BrokenPipeError):
            code = _reader_left()
    return code


def _run(app: App, args: Sequence[str] | None) -> int:
    try:
        outcome = root.main(args, prog_name=PROGRAM, standalone_mode=False, obj=app)
    except (click.Abort, KeyboardInterrupt):
        return _interrupted(app)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        _complain(app, _click_message(error))
        return 2
    except ExporterError as error:
        _show_traceback(app, error)
        _complain(app, str(error))
        return error.exit_code
    except ReaderLeft:
        raise
    except SystemExit as error:  # how click leaves after shell completion
        return error.code if isinstance(error.code, int) else 1
    except Exception as error:  # the last line of defence: no traceback for users
        # DuckDB says "Query interrupted", a half-imported extension says something else.
        if Terminated.any_came:
            return _interrupted(app)
        _show_traceback(app, error)
        kind = type(error).__name__
        _complain(
            app,
            f"This is a bug: {kind}: {_first_line(error)} Run it again with -v for the traceback.",
        )
        return 1
    return outcome if isinstance(outcome, int) else 0


def _interrupted(app: App) -> int:
    _complain(app, "Interrupted. What was committed is safe.")
    return 143 if Terminated.came else 130


def _reader_left() -> int:
    # `… | head` has read what it wanted: not an error, and not a word about it.
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return 0


def _complain(app: App, message: str) -> None:
    prefix = "" if app.log_format == "json" else f"{PROGRAM}: "
    text = logs.line(message, level=logging.ERROR, style=app.log_format)
    with contextlib.suppress(OSError):  # nobody reads standard error: the exit code says it
        click.echo(f"{prefix}{text}", err=True)


def _show_traceback(app: App, error: BaseException) -> None:
    if app.verbose:
        import traceback

        click.echo(logs.redact("".join(traceback.format_exception(error))).rstrip(), err=True)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else ""


def _click_message(error: click.ClickException) -> str:
    message = error.format_message()
    ctx: Any = getattr(error, "ctx", None)
    if isinstance(error, click.BadParameter) and ctx is not None and error.param is not None:
        name = str(error.param.name)
        if ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT:
            variable = f"{ctx.auto_envvar_prefix or ENV_PREFIX}_{name.upper()}"
            message = f"Invalid value for {variable}: {error.message}"
    if ctx is None:
        return message
    return f"{message} Try '{ctx.command_path} --help'."
