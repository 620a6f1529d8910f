"""`serve`: ListTrainingJobs over HTTP, from the database."""

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
What calls it, in another shell:
  export AWS_ENDPOINT_URL_SAGEMAKER=http://127.0.0.1:8025
  export AWS_ACCESS_KEY_ID=111122223333     the account whose jobs are meant
  export AWS_SECRET_ACCESS_KEY=…            the token, or anything without one
  aws sagemaker list-training-jobs --status-equals InProgress

Each answer sees the newest committed sync, which never has to wait for it. See
docs/list-training-jobs.md.
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to bind.")
@click.option(
    "--port",
    type=Value(whole(0, 65535)),
    default=8025,
    show_default=True,
    help="The port; 0 = any. The first line on standard output has it.",
)
@click.option(
    "--token",
    metavar="SECRET",
    help="What callers must have as secret access key; required when not on the loopback. "
    "Better given as SAGEMAKER_EXPORTER_SERVE_TOKEN: others can read a command line.",
)
@pass_app
def serve(app: App, *, host: str, port: int, token: str | None) -> None:
    """Answer ListTrainingJobs over HTTP, for any AWS SDK, without a call to AWS.

    It speaks the service's own protocol; every other operation is refused by name. SIGTERM or
    Ctrl-C ends it, after the answers that are under way, with exit code 0.
    """
    from exporter.replica.server import Replica

    with Replica(app.database().path.absolute(), host=host, port=port, token=token) as replica:
        try:
            click.echo(replica.url)
            if app.verbose or is_terminal(sys.stderr):
                app.notify(f"export AWS_ENDPOINT_URL_SAGEMAKER={replica.url}")
            threading.Event().wait()
        except KeyboardInterrupt:
            # SIGTERM too: the way to end a server, not an interruption. It is stopped in here,
            # where exporter.cli.interrupts sees that the signal is being dealt with.
            replica.stop()
            signal.setitimer(signal.ITIMER_REAL, 0)
