"""`serve`: answer ListTrainingJobs over HTTP from the database."""

from __future__ import annotations

import signal
import sys
import threading

import click

from exporter.cli.app import App, is_terminal, pass_app
from exporter.cli.options import Value
from exporter.cli.root import Command
from exporter.config.kinds import whole

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


@click.command(cls=Command, epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to bind.")
@click.option(
    "--port",
    type=Value(whole(0, 65535)),
    default=8025,
    show_default=True,
    help="The port; 0 picks any free one. The first line of output names it.",
)
@click.option(
    "--token",
    metavar="SECRET",
    help="The secret access key that callers must have; required beyond the loopback. Prefer "
    "SAGEMAKER_EXPORTER_SERVE_TOKEN, since other users can read a command line.",
)
@pass_app
def serve(app: App, *, host: str, port: int, token: str | None) -> None:
    """Answer ListTrainingJobs over HTTP for any AWS SDK, without calling AWS.

    Speaks the protocol of the service and refuses every other operation by name. SIGTERM or
    Ctrl-C ends it with exit code 0 after the running answers.
    """
    from exporter.replica.server import Replica

    with Replica(app.database().path.absolute(), host=host, port=port, token=token) as replica:
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
