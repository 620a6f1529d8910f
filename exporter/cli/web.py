"""`web`: the pages over HTTP, read-only, from the live database."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Final

import click

from exporter.cli.app import App, is_terminal, pass_app
from exporter.cli.options import options
from exporter.cli.root import Command
from exporter.config.kinds import STRING, whole
from exporter.config.options import option
from exporter.extras import extra

EPILOG = """\b
Examples:
  sagemaker-exporter web
  sagemaker-exporter web --port 0
  SAGEMAKER_EXPORTER_WEB_TOKEN=… sagemaker-exporter web --host 0.0.0.0

\b
Data for programs, with the token if there is one:
  curl 'http://127.0.0.1:8026/jobs.csv?status=Failed&created_after=7d'
  curl -H 'Authorization: Bearer …' https://jobs.example.com/jobs.json

The pages follow the syncs, and no sync waits for them. docs/web.md has the limits, and how to
run it behind a proxy with TLS.
"""


#: Added to the niceness of the process: a sync on the same machine gets the CPU first.
_NICE: Final = 10


@dataclass(frozen=True)
class WebOptions:
    """Where to listen, and who may read."""

    host: str = option("127.0.0.1", "The address to bind.", STRING)
    port: int = option(
        8026,
        "The port; 0 picks any free one. The first line of output names it.",
        whole(0, 65535),
    )
    token: str | None = option(
        None,
        "The token that readers enter; required beyond the loopback. Prefer "
        "SAGEMAKER_EXPORTER_WEB_TOKEN, since other users can read a command line.",
        STRING,
        "SECRET",
        secret=True,
    )


@click.command(cls=Command, epilog=EPILOG)
@options(wanted=WebOptions)
@pass_app
def web(app: App, wanted: WebOptions) -> None:
    """Show jobs, costs and reports as pages in a browser, from the live database.

    Nothing on the pages changes the database or calls AWS. SIGTERM or Ctrl-C ends it with exit
    code 0 after the running answers.
    """
    with extra("web", "web"):
        # Here, because a module below would name another extra.
        import jinja2  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    from exporter.web.site.server import Site, of_file

    os.nice(_NICE)
    path = app.database().path.absolute()
    with Site(of_file(path), host=wanted.host, port=wanted.port, token=wanted.token) as site:
        try:
            click.echo(site.url)
            if app.verbose or is_terminal(sys.stderr):
                app.notify(f"Open {site.url} in a browser; Ctrl-C ends it.")
            threading.Event().wait()
        except KeyboardInterrupt:
            # SIGTERM, like Ctrl-C, is the normal end of a server. Stopping it here shows
            # exporter.cli.interrupts that the signal is being handled.
            site.stop()
            signal.setitimer(signal.ITIMER_REAL, 0)
