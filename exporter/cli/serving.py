"""What `web` and `serve` share: where they listen, who may read, and how they end."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any, Protocol

import click

from exporter.cli.app import App, is_terminal
from exporter.config.kinds import STRING, whole
from exporter.config.options import option


def host() -> Any:  # noqa: ANN401 - as dataclasses.field
    """Return the field of --host."""
    return option("127.0.0.1", "The address to bind.", STRING)


def port(default: int) -> Any:  # noqa: ANN401 - as above
    """Return the field of --port."""
    text = "The port; 0 picks any free one. The first line of output names it."
    return option(default, text, whole(0, 65535))


def token(command: str, what: str) -> Any:  # noqa: ANN401 - as above
    """Return the field of --token.

    Args:
        command: The command, in capital letters.
        what: What the token is to its user.
    """
    text = (
        f"{what}; required beyond the loopback. Prefer SAGEMAKER_EXPORTER_{command}_TOKEN, since "
        "other users can read a command line."
    )
    return option(None, text, STRING, "SECRET", secret=True)


class Server(Protocol):
    """A server that runs in a thread."""

    @property
    def url(self) -> str:
        """The base URL."""
        ...

    def stop(self) -> None:
        """Finish the running answers, then end."""
        ...


def run(app: App, server: Server, hint: str) -> None:
    """Print the URL of a server, and wait for SIGTERM or Ctrl-C.

    Args:
        app: The options of the program.
        server: The server; it runs.
        hint: What to do with it, for people.
    """
    try:
        click.echo(server.url)
        if app.verbose or is_terminal(sys.stderr):
            app.notify(hint)
        threading.Event().wait()
    except KeyboardInterrupt:
        # SIGTERM, like Ctrl-C, is the normal end of a server. Stopping it here shows
        # exporter.cli.interrupts that the signal is being handled.
        server.stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
