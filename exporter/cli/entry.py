"""The one place that turns an outcome into a message on standard error and an exit code."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from exporter import logs
from exporter.cli.app import App
from exporter.cli.interrupts import Terminated, stoppable
from exporter.cli.options import ENV_PREFIX
from exporter.cli.root import ReaderLeft, root
from exporter.errors import ExporterError
from exporter.redaction import redact

PROGRAM = "sagemaker-exporter"

#: New objects before the garbage collector searches for cycles. Rows and service models form none;
#: with Python's default, 700, a backfill takes a sixth longer (`python -m benchmarks.backfill`).
_COLLECT_AFTER = 50_000


def main(args: Sequence[str] | None = None, app: App | None = None) -> int:
    """Run the command line and return its exit code; --help lists the codes."""
    gc.set_threshold(_COLLECT_AFTER)
    _open_streams()
    app = app or App()
    with stoppable():
        try:
            code = _run(app, args)
        except (ReaderLeft, BrokenPipeError):
            # `… | head` has read enough, which is no error.
            _drop_output()
            code = 0
    if code == 0:
        # Python searches for cycles twice as it exits, a tenth of a sync with nothing new. After a
        # failure it has to: a cycle of its traceback can hold a connection to the database.
        atexit.unregister(gc.freeze)
        atexit.register(gc.freeze)
    return code


def _open_streams() -> None:
    """Open /dev/null for each standard stream that the process was started without (`>&-`).

    Otherwise the next file that is opened, perhaps the database, gets its number.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            opened = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - stays open to the end
            if opened.fileno() != number:
                os.dup2(opened.fileno(), number)
            setattr(sys, name, opened)


def _run(app: App, args: Sequence[str] | None) -> int:
    try:
        outcome = root.main(args, prog_name=PROGRAM, standalone_mode=False, obj=app)
        sys.stdout.flush()
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
    except (ReaderLeft, BrokenPipeError):
        raise
    except SystemExit as error:  # click exits so after shell completion
        return error.code if isinstance(error.code, int) else 1
    except Exception as error:  # the last resort, so that users see no traceback
        # A signal during a query or an import surfaces as another exception.
        if Terminated.any_came:
            return _interrupted(app)
        _show_traceback(app, error)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _drop_output()
            _complain(app, f"The output is incomplete: {error.strerror}.")
            return 8
        kind = type(error).__name__
        _complain(
            app,
            f"This is a bug: {kind}: {_first_line(error)} Run it again with -v for the traceback.",
        )
        return 1
    return outcome if isinstance(outcome, int) else 0


def _interrupted(app: App) -> int:
    if app.is_syncing:
        _complain(app, "Interrupted. What was committed is safe; the next sync goes on from there.")
    else:
        _complain(app, "Interrupted. What was committed is safe.")
    return Terminated.exit_code if Terminated.came else 130


def _drop_output() -> None:
    """Discard output that is still buffered: writing it would fail again when Python exits."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


def _complain(app: App, message: str) -> None:
    prefix = "" if app.log_format == "json" else f"{PROGRAM}: "
    text = logs.line(message, level=logging.ERROR, style=app.log_format)
    with contextlib.suppress(OSError):  # nobody reads standard error; the exit code remains
        click.echo(f"{prefix}{text}", err=True)


def _show_traceback(app: App, error: BaseException) -> None:
    if app.verbose:
        import traceback

        click.echo(redact("".join(traceback.format_exception(error))).rstrip(), err=True)


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
