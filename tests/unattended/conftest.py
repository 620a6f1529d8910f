"""A sync as cron runs it, in its own directory, and a server that receives pings."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.sagemaker.api import Retries
from exporter.simulator import Scope, Simulator
from exporter.syncing import run


@dataclass
class Sync:
    """`sagemaker-exporter sync` against the stand-in service."""

    directory: Path
    simulator: Simulator
    capture: pytest.CaptureFixture[str]

    def __call__(self, *args: str) -> tuple[int, str]:
        """The exit code and standard error."""
        self.capture.readouterr()
        database = str(self.directory / "jobs.duckdb")
        code = main(["--db", database, "sync", "--max-rps", "0", *args])
        return code, self.capture.readouterr().err


@pytest.fixture
def sync(
    simulator: Simulator,
    scope: Scope,
    migrated_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Sync:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    # The command line has no option for the retries.
    quick = Retries(throttled=3, failed=3, longest_backoff=0.01)
    monkeypatch.setattr(run, "run_sync", partial(run.run_sync, retries=quick))
    scope.create_job("nightly-1")
    # A first sync would spend half of its time on making the database.
    shutil.copyfile(migrated_file, tmp_path / "jobs.duckdb")
    return Sync(tmp_path, simulator, capfd)


@dataclass
class Listener:
    """A dead-man's switch.

    Attributes:
        url: What to ping.
        answers: The status of each answer; the last one repeats.
        requests: The paths of the requests.
        logins: Their Authorization headers.
    """

    url: str
    answers: Sequence[int] = (200,)
    requests: list[str] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)

    def answer(self) -> int:
        return self.answers[min(len(self.requests), len(self.answers)) - 1]


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append(self.path)
            found.logins.append(self.headers["Authorization"])
            self.send_response(found.answer())
            self.send_header("Content-Length", "0")
            self.end_headers()

        log_message: Callable[..., None] = lambda *_: None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/ping/S3CRET-UUID?token=S3CRET"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
