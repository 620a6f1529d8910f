"""`serve`: answer ListTrainingJobs over HTTP from the database."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass

import click

from exporter.cli.app import App, is_terminal, pass_app
from exporter.cli.options import options
from exporter.cli.root import Command
from exporter.config.kinds import STRING, whole
from exporter.config.options import option

EPILOG = """\b
Examples:
  sagemaker-exporter serve
  sagemaker-exporter serve --port 0
  SAGEMAKER_EXPORTER_SERVE_TOKEN=… sagemaker-exporter serve --host 0.0.0.0

\b
To call it from another shell:
  export AWS_ENDPOINT_URL_SAGEMAKER=http://127.0.0.1:8025
  export AWS_ACCESS_KEY_ID=111122223333     the account to list
  export AWS_SECRET_ACCESS_KEY=…            the token, or anything without one
  aws sagemaker list-training-jobs --status-equals InProgress

Each answer shows the newest committed sync. See docs/list-training-jobs.md.
"""


@dataclass(frozen=True)
class ServeOptions:
    """Where to listen, and who may call."""

    host: str = option("127.0.0.1", "The address to bind.", STRING)
    port: int = option(
        8025,
        "The port; 0 picks any free one. The first line of output names it.",
        whole(0, 65535),
    )
    token: str | None = option(
        None,
        "The secret access key that callers must have; required beyond the loopback. Prefer "
        "SAGEMAKER_EXPORTER_SERVE_TOKEN, since other users can read a command line.",
        STRING,
        "SECRET",
        secret=True,
    )


@click.command(cls=Command, epilog=EPILOG)
@options(wanted=ServeOptions)
@pass_app
def serve(app: App, wanted: ServeOptions) -> None:
    """Answer ListTrainingJobs over HTTP for any AWS SDK, without calling AWS.

    Speaks the protocol of the service and refuses every other operation by name. SIGTERM or
    Ctrl-C ends it with exit code 0 after the running answers.
    """
    from exporter.replica.server import Replica

    path = app.database().path.absolute()
    with Replica(path, host=wanted.host, port=wanted.port, token=wanted.token) as replica:
        try:
            click.echo(replica.url)
            if app.verbose or is_terminal(sys.stderr):
                app.notify(f"export AWS_ENDPOINT_URL_SAGEMAKER={replica.url}")
            threading.Event().wait()
        except KeyboardInterrupt:
            # SIGTERM, like Ctrl-C, is the normal end of a server. Stopping it here shows
            # exporter.cli.interrupts that the signal is being handled.
            replica.stop()
            signal.setitimer(signal.ITIMER_REAL, 0)
