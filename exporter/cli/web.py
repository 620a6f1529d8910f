"""`web`: the pages over HTTP, read-only, from the live database or a lake."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import click

from exporter.cli import serving
from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.root import Command
from exporter.config.model import lake
from exporter.extras import extra

EPILOG = """\b
Examples:
  sagemaker-exporter web
  sagemaker-exporter web --port 0
  SAGEMAKER_EXPORTER_WEB_TOKEN=… sagemaker-exporter web --host 0.0.0.0
  sagemaker-exporter web --lake s3://lake/sagemaker

\b
Data for programs, with the token if there is one:
  curl 'http://127.0.0.1:8026/jobs.csv?status=Failed&created_after=7d'
  curl -H 'Authorization: Bearer …' https://jobs.example.com/jobs.json

The pages follow the syncs, or the publishes to the lake. No sync waits for them. docs/web.md has
the limits, and how to run it behind a proxy with TLS.
"""


#: Added to the niceness of the process: a sync on the same machine gets the CPU first.
_NICE: Final = 10


@dataclass(frozen=True)
class WebOptions:
    """Where to listen, and who may read."""

    host: str = serving.host()
    port: int = serving.port(8026)
    token: str | None = serving.token("WEB", "The token that readers enter")
    lake: str | None = lake()


@click.command(cls=Command, epilog=EPILOG)
@options(wanted=WebOptions)
@pass_app
def web(app: App, wanted: WebOptions) -> None:
    """Show jobs, costs and reports as pages in a browser, from the live database or a lake.

    Nothing on the pages changes the data or calls SageMaker. SIGTERM or Ctrl-C ends it with exit
    code 0 after the running answers.
    """
    with extra("web", "web"):
        # Here, because a module below would name another extra.
        import jinja2  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    from exporter.web.site.server import Site, of_file, of_lake

    os.nice(_NICE)
    source = of_lake(wanted.lake) if wanted.lake else of_file(app.database().path.absolute())
    with Site(source, host=wanted.host, port=wanted.port, token=wanted.token) as site:
        serving.run(app, site, f"Open {site.url} in a browser; Ctrl-C ends it.")
