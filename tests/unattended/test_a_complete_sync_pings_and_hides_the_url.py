"""`--ping-url`: only a complete sync pings, and the URL stays a secret."""

from __future__ import annotations

import socket
from base64 import b64encode
from pathlib import Path

import pytest

import exporter
from exporter import ping
from exporter.errors import UsageError
from exporter.simulator import Fault
from tests.unattended.conftest import Listener, Sync


def test_a_complete_sync_pings_once(sync: Sync, listener: Listener) -> None:
    assert sync("--ping-url", listener.url)[0] == 0
    assert listener.requests == ["/ping/S3CRET-UUID?token=S3CRET"]


def test_a_failed_sync_sends_no_ping(sync: Sync, listener: Listener) -> None:
    sync.simulator.inject(Fault("no_list", "ListTrainingJobs", times=None))
    assert sync("--ping-url", listener.url)[0] == 7
    assert listener.requests == []


def test_a_failed_required_scope_prevents_the_ping(sync: Sync, listener: Listener) -> None:
    sync.simulator.inject(Fault("denied", region="us-east-1", times=None))
    regions = ("--region", "eu-west-1", "--region", "us-east-1")
    assert sync("--ping-url", listener.url, *regions)[0] == 3
    assert listener.requests == []


def test_a_failed_optional_scope_does_not_prevent_the_ping(
    sync: Sync, listener: Listener, tmp_path: Path
) -> None:
    (tmp_path / "sagemaker-exporter.toml").write_text(
        f"""
        [sync]
        ping_url = "{listener.url}"
        [[source]]
        name = "main"
        regions = ["eu-west-1"]
        [[source]]
        name = "playground"
        regions = ["us-east-1"]
        optional = true
        """
    )
    sync.simulator.inject(Fault("denied", region="us-east-1", times=None))
    code, _ = sync()
    assert code == 0
    assert len(listener.requests) == 1


def test_one_offs_and_dry_runs_send_no_ping(sync: Sync, listener: Listener) -> None:
    assert sync("--ping-url", listener.url, "--name-contains", "nightly")[0] == 0
    assert sync("--ping-url", listener.url, "--dry-run")[0] == 0
    assert listener.requests == []


def test_a_failed_ping_is_a_warning_without_the_secret(sync: Sync, listener: Listener) -> None:
    listener.answers = (404,)
    code, err = sync("-v", "-v", "--ping-url", listener.url)
    assert code == 0
    assert "failed: it answered HTTP 404" in err
    assert "S3CRET" not in err


def test_user_and_password_of_the_url_are_sent_and_never_shown(
    sync: Sync, listener: Listener
) -> None:
    url = listener.url.replace("http://", "http://us%40er:S3CRET%3Apass@")
    listener.answers = (200, 404)
    for _ in range(2):
        code, err = sync("-v", "-v", "--ping-url", url)
        assert code == 0
        assert not any(secret in err for secret in ("us%40er", "us@er", "S3CRET", "dXNAZXI6"))
    assert listener.requests == ["/ping/S3CRET-UUID?token=S3CRET"] * 2
    assert listener.logins == [f"Basic {b64encode(b'us@er:S3CRET:pass').decode()}"] * 2


@pytest.mark.parametrize(
    "url", ["ftp://example.org/S3CRET", "S3CRET", "http:///S3CRET", "http://[S3CRET"]
)
def test_a_bad_url_is_refused_without_being_printed(sync: Sync, url: str) -> None:
    code, err = sync("--ping-url", url)
    assert code == 2
    assert "--ping-url" in err
    assert "S3CRET" not in err
    with pytest.raises(UsageError) as caught:
        exporter.sync(sync.directory / "jobs.duckdb", ping_url=url)
    assert "S3CRET" not in str(caught.value)


def test_a_transient_failure_is_retried(listener: Listener) -> None:
    listener.answers = (503, 429, 200)
    pauses: list[float] = []
    assert ping.send(listener.url, sleep=pauses.append) is None
    assert len(listener.requests) == 3
    assert pauses == [1.0, 2.0]


def test_the_ping_gives_up_after_three_tries(listener: Listener) -> None:
    listener.answers = (500,)
    problem = ping.send(listener.url, sleep=lambda _: None)
    assert problem == "The ping to http://127.0.0.1/… failed: it answered HTTP 500."
    assert len(listener.requests) == 3


def test_a_permanent_failure_is_not_retried(listener: Listener) -> None:
    listener.answers = (403,)
    assert ping.send(listener.url, sleep=lambda _: None)
    assert len(listener.requests) == 1


def test_no_server_and_no_answer_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        problem = ping.send(
            f"http://127.0.0.1:{port}/S3CRET", tries=1, timeout=0.1, sleep=lambda _: None
        )
    assert problem == "The ping to http://127.0.0.1/… failed: no answer in 0.1 s."
    problem = ping.send(f"http://127.0.0.1:{port}/S3CRET", sleep=lambda _: None)
    assert problem == "The ping to http://127.0.0.1/… failed: Connection refused."
