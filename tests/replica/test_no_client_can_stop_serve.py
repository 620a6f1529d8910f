"""Hostile and broken clients get an error or lose their connection; others are served."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from exporter.replica.server import Replica
from exporter.wire import Limits, Request, Response, Server

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIA111122223333/20261102/eu-west-1/sagemaker/aws4_request, "
    "SignedHeaders=host, Signature=0"
)
HEADERS = {"Authorization": AUTHORIZATION, "X-Amz-Target": "SageMaker.ListTrainingJobs"}
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
FAST = Limits(connections=3, head=8_192, idle=0.3, request=0.5, response=0.5)


def asked(body: bytes) -> bytes:
    """Return a whole request with a body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    return HEAD + lines.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


#: What is sent, and the status of the answer; None = no answer.
REQUESTS: dict[str, tuple[bytes, int | None]] = {
    "half a line": (b"POST / HT", None),
    "half a head": (HEAD + b"X-Amz-Tar", None),
    "half a body": (HEAD + b"Content-Length: 10\r\n\r\n{}", None),
    "a negative length": (HEAD + b"Content-Length: -1\r\n\r\n", 400),
    "a length of 5,000 digits": (HEAD + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n", 413),
    "a length in other digits": (HEAD + "Content-Length: ٣\r\n\r\n".encode(), 400),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n", 501),
    "a version of 5,000 digits": (b"POST / HTTP/1." + b"9" * 5_000 + b"\r\n\r\n", 400),
    "a target of 70,000 bytes": (b"POST /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", None),
    "300 headers": (HEAD + b"A: b\r\n" * 300 + b"\r\n", 431),
    "2 MB of headers": (HEAD + b"".join(b"A%d: %s\r\n" % (n, b"b" * 30_000) for n in range(70)),
                        None),
    "brackets": (asked(b"[" * 100_000), 400),
    "nested objects": (asked(b'{"a":' * 100_000), 400),
    "a number of 5,000 digits": (asked(b'{"MaxResults": ' + b"9" * 5_000 + b"}"), 400),
    "infinity": (asked(b'{"MaxResults": 1e400}'), 400),
    "half a surrogate pair": (asked(b'{"NameContains": "\\ud800"}'), 400),
    "no UTF-8": (asked(b'{"NameContains": "\xff\xfe"}'), 400),
    "a time of the year 99999": (asked(b'{"CreationTimeAfter": 9e99}'), 400),
    "a token of nonsense": (asked(b'{"NextToken": "\xc3\xa9"}'), 400),
    "NUL in a header": (HEAD + b"X-Amz-Target: \0\r\n\r\n", None),
}  # fmt: skip


def send(url: str, sent: bytes) -> bytes:
    """Send bytes, then hang up the sending half; return all of the answer."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        with suppress(OSError):  # the server may answer and close before it has read everything
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(OSError):
            while part := connection.recv(65_536):
                answer += part
        return answer


def served(url: str) -> int:
    """Return how many jobs an ordinary client gets."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    connection.request("POST", "/", '{"MaxResults": 100}', HEADERS)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return len(found["TrainingJobSummaries"])


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_broken_request_is_refused_in_silence(
    kind: str, replica: Replica, capfd: pytest.CaptureFixture[str]
) -> None:
    sent, status = REQUESTS[kind]
    answer = send(replica.url, sent)
    if status is not None:
        assert answer.split()[1:2] == [str(status).encode()], answer[:300]
    assert served(replica.url) > 0
    assert capfd.readouterr().err == ""


def test_random_bytes_are_refused_in_silence(
    replica: Replica, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(3)
    whole = asked(b'{"MaxResults": 5}')
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        send(replica.url, bytes(content[: chance.randint(1, len(content))]))
    assert served(replica.url) > 0
    assert capfd.readouterr().err == ""


def test_a_client_that_goes_away_is_no_error(
    replica: Replica, capfd: pytest.CaptureFixture[str]
) -> None:
    where = urlsplit(replica.url)
    for _ in range(20):
        with socket.create_connection((where.hostname, where.port)) as connection:
            # Closing with unread data sends a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(asked(b'{"MaxResults": 100}'))
    assert served(replica.url) > 0
    replica.stop()
    assert capfd.readouterr().err == ""


@pytest.fixture
def fast() -> Iterator[Server]:
    """A server with narrow limits, which answers with ten megabytes to GET."""

    def answer(request: Request) -> Response:
        return Response(200, {}, b"x" * (10 << 20 if request.method == "GET" else 1))

    with Server(answer, limits=FAST) as server:
        yield server


def test_a_slow_request_ends_however_slow_its_bytes_are(fast: Server) -> None:
    with socket.create_connection(("127.0.0.1", fast.port), timeout=20) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 1_000:  # a byte now and then, which no timeout of a socket would end
                connection.sendall(b"x")
                time.sleep(0.05)
                sent += 1
    assert sent < 1_000


@pytest.mark.parametrize("sent", [b"", HEAD])
def test_a_silent_connection_is_closed(fast: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", fast.port), timeout=20) as connection:
        connection.sendall(sent)
        assert connection.recv(1) == b""


def test_a_client_that_does_not_read_is_dropped(fast: Server) -> None:
    with socket.create_connection(("127.0.0.1", fast.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        time.sleep(FAST.response * 2)
        received = 0
        with suppress(OSError):
            while part := connection.recv(1 << 20):
                received += len(part)
    assert received < 10 << 20


def _busy_connection(address: tuple[str, int]) -> socket.socket:
    """Return a connection in the middle of a request.

    A connection that has just been answered is idle only when its thread says so, a moment later.
    """
    while True:
        connection = socket.create_connection(address, timeout=20)
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        if b" 100 " in connection.recv(4_096):
            return connection
        connection.close()


def test_an_idle_connection_makes_room_and_a_busy_one_does_not() -> None:
    patient = Limits(connections=2, idle=60, request=60, response=60)
    with Server(lambda _: Response(200, {}, b""), limits=patient) as server:
        address = ("127.0.0.1", server.port)
        idle = socket.create_connection(address, timeout=20)
        idle.sendall(HEAD + b"\r\n")
        assert b" 200 " in idle.recv(4_096)
        # One after the other: until its head comes, a connection is idle as well.
        busy = [_busy_connection(address) for _ in range(2)]
        assert idle.recv(1) == b""
        with socket.create_connection(address, timeout=20) as refused:
            assert b" 503 " in refused.recv(4_096)
        for each in busy:
            each.sendall(b"12345")
            assert b" 200 " in each.recv(4_096)
            each.close()
        idle.close()
