"""`report summary --notify`: sent with Apprise, tried again, and no part of the URL is shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from exporter import notify
from exporter.cli import main
from exporter.errors import ServiceError

pytest.importorskip("apprise")


@dataclass
class Webhook:
    """A webhook.

    Attributes:
        url: Its URL for Apprise, with secrets in every part.
        answers: The status of each answer; the last one repeats.
        bodies: The JSON of the requests.
    """

    url: str = ""
    answers: Sequence[int] = (200,)
    bodies: list[Any] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    found = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(found.answers[min(len(found.bodies), len(found.answers)) - 1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    found.url = f"json://S3CRETUSER:S3CRET@127.0.0.1:{server.server_port}/S3CRETPATH?-key=S3CRET"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the pauses of the command, which has no option for them, and do not wait."""
    pauses: list[float] = []
    monkeypatch.setattr(notify.send, "__kwdefaults__", {"sleep": pauses.append})
    return pauses


def run(capfd: pytest.CaptureFixture[str], path: Path, *words: str) -> tuple[int, str, str]:
    """Run the command; return exit code, standard output and standard error."""
    capfd.readouterr()
    code = main(["--db", str(path), *words])
    return code, *capfd.readouterr()


def test_the_message_is_the_markdown(
    webhook: Webhook, migrated_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("-v", "-v", "report", "summary", "--format", "markdown")
    code, out, err = run(capfd, migrated_file, *words, "--notify", webhook.url)
    assert code == 0
    (body,) = webhook.bodies
    assert (body["title"], body["type"]) == ("SageMaker: the month so far", "info")
    assert body["message"].strip() == out.strip()
    assert out.startswith("- **month to date**: 0.00 USD for ")
    assert "S3CRET" not in out + err


def test_a_failing_url_is_tried_three_times_and_stops_no_other(
    webhook: Webhook, migrated_file: Path, quick: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    webhook.answers = (500, 429, 403, 200)
    urls = ("--notify", webhook.url, "--notify", webhook.url)
    code, out, err = run(capfd, migrated_file, "-v", "-v", "report", "summary", *urls)
    assert code == 7
    assert "The month so far" in out
    assert "The message to json://… could not be sent in 3 tries." in err
    assert "S3CRET" not in out + err
    assert len(webhook.bodies) == 4
    assert quick == [1.0, 2.0]


def test_a_transient_failure_is_retried(webhook: Webhook) -> None:
    webhook.answers = (503, 200)
    pauses: list[float] = []
    notify.send([webhook.url], "title", "- text", sleep=pauses.append)
    assert ([body["message"] for body in webhook.bodies], pauses) == (["- text"] * 2, [1.0])


def test_no_server_is_a_failure_of_the_service(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ServiceError) as caught:
        notify.send(["json://S3CRET@127.0.0.1:9/S3CRET"], "t", "m", sleep=lambda _: None)
    assert str(caught.value).startswith("The message to json://… could not be sent in 3 tries.")
    assert "S3CRET" not in "".join(capfd.readouterr()) + str(caught.value)


@pytest.mark.parametrize("url", ["S3CRET", "nothing://S3CRET", "slack://S3CRET", "json://"])
def test_a_bad_url_is_refused_before_the_report_runs(
    url: str, migrated_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capfd, migrated_file, "report", "summary", "--notify", url)
    assert (code, out) == (2, "")
    assert "is not a URL that Apprise can send to" in err
    assert "S3CRET" not in err


def test_only_the_summary_can_be_sent(
    webhook: Webhook, migrated_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capfd, migrated_file, "report", "coverage", "--notify", webhook.url)
    assert code == 2
    assert "--notify is for summary" in err
    sql = run(capfd, migrated_file, "report", "summary", "--sql", "--notify", webhook.url)
    assert (sql[0], sql[1]) == (2, "")
    assert "S3CRET" not in err
    assert webhook.bodies == []


def test_the_configuration_keeps_the_url_secret(
    webhook: Webhook, migrated_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f'[report]\nnotify = ["{webhook.url}"]\n')
    code, out, err = run(capfd, migrated_file, "--config", str(file), "config", "show")
    assert code == 0
    assert "notify" in out
    assert "S3CRET" not in out + err
    # Other reports ignore it.
    assert run(capfd, migrated_file, "--config", str(file), "report", "coverage")[0] == 0
    assert webhook.bodies == []
    assert run(capfd, migrated_file, "--config", str(file), "report", "summary")[0] == 0
    assert len(webhook.bodies) == 1
