"""The server keeps connections, binds the loopback only, and stops cleanly."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from exporter.simulator import Behaviour, Scope, Simulator, World
from exporter.wire import Request, Response, Server

HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA111122223333/20261102/eu-west-1/sagemaker/"
    "aws4_request, SignedHeaders=host, Signature=0",
    "X-Amz-Target": "SageMaker.ListTrainingJobs",
}


def opened(url: str) -> http.client.HTTPConnection:
    where = urlsplit(url)
    return http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)


def raw(url: str, sent: bytes) -> bytes:
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_connection_serves_many_requests(simulator: Simulator, scope: Scope) -> None:
    scope.create_job("job")
    connection = opened(simulator.url)
    connection.connect()
    kept = connection.sock
    for _ in range(20):
        connection.request("POST", "/", "{}", HEADERS)
        response = connection.getresponse()
        assert json.loads(response.read())["TrainingJobSummaries"]
        assert connection.sock is kept
    connection.close()


def test_a_client_may_close_its_connection(simulator: Simulator) -> None:
    connection = opened(simulator.url)
    connection.request("POST", "/", "{}", {**HEADERS, "Connection": "close"})
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Connection"] == "close"
    response.read()
    connection.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"501"),
        (b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
    ],
)
def test_malformed_http_is_refused(simulator: Simulator, sent: bytes, status: bytes) -> None:
    assert raw(simulator.url, sent).split()[1] == status


def test_a_client_may_wait_for_100_continue(simulator: Simulator) -> None:
    where = urlsplit(simulator.url)
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert connection.recv(4096).startswith(b"HTTP/1.1 404 ")


def test_half_a_request_closes_its_connection(
    simulator: Simulator, capfd: pytest.CaptureFixture[str]
) -> None:
    assert raw(simulator.url, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n{}") == b""
    assert raw(simulator.url, b"") == b""
    simulator.stop()
    assert capfd.readouterr().err == ""


def test_many_clients_may_call_at_once(simulator: Simulator, scope: Scope) -> None:
    scope.create_job("job")
    statuses: list[int] = []

    def call() -> None:
        connection = opened(simulator.url)
        for _ in range(10):
            connection.request("POST", "/", "{}", HEADERS)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 120
    assert len(simulator.calls) == 120


def test_the_server_stops_despite_idle_connections(world: World) -> None:
    simulator = Simulator(world).start()
    connection = opened(simulator.url)
    connection.request("POST", "/", "{}", HEADERS)
    connection.getresponse().read()
    stopping = threading.Thread(target=simulator.stop, daemon=True)
    stopping.start()
    stopping.join(30)
    assert not stopping.is_alive()
    with pytest.raises(OSError, match="refused"):
        opened(simulator.url).connect()
    connection.close()


def test_a_running_request_is_finished_before_the_stop() -> None:
    entered = threading.Event()

    def slow(request: Request) -> Response:
        entered.set()
        assert server.stopping.wait(30)
        return Response(200, {}, request.body)

    server = Server(slow).start()
    connection = opened(server.url)
    connection.request("POST", "/", "all of it")
    entered.wait(30)
    server.stop(grace=30)
    assert connection.getresponse().read() == b"all of it"
    connection.close()


def test_a_server_can_be_stopped_before_it_was_started(world: World) -> None:
    Simulator(world).stop()


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.0.2.1", "example.com"])  # noqa: S104
def test_the_simulator_serves_the_loopback_only(world: World, host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Simulator(world, host=host)


def test_a_bug_behind_the_front_becomes_an_internal_failure(
    world: World,
    simulator: Simulator,
    post: Callable[..., tuple[int, Any, bytes]],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.behaviour = Behaviour(default_page_size="ten")  # type: ignore[arg-type]  # the bug
    status, _, content = post("ListTrainingJobs", {})
    assert (status, json.loads(content)["__type"]) == (500, "InternalFailure")
    assert "ValueError" in caplog.text
    assert "Traceback" not in capfd.readouterr().err
    assert simulator.calls[-1].error == "InternalFailure"


def test_the_simulator_runs_as_a_program(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "exporter.simulator", "--jobs", "50", "--seed", "1"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as alone:
        assert alone.stdout is not None
        url = alone.stdout.readline().strip()
        connection = opened(url)
        connection.request("POST", "/", '{"MaxResults": 100}', HEADERS)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        alone.send_signal(signal.SIGTERM)
        assert alone.wait(10) == 0
    assert len(answer["TrainingJobSummaries"]) == 50
