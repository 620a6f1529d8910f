"""`serve`: answer ListTrainingJobs over HTTP from the database."""

from __future__ import annotations

from dataclasses import dataclass

import click

from exporter.cli import serving
from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.root import Command

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

    host: str = serving.host()
    port: int = serving.port(8025)
    token: str | None = serving.token("SERVE", "The secret access key that callers must have")


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
        serving.run(app, replica, f"export AWS_ENDPOINT_URL_SAGEMAKER={replica.url}")
