"""A deadline for each answer, headers and body, which no server can put off.

The timeouts of botocore count the seconds between two bytes, so a server that sends a byte every
minute holds a call for ever. Here each read from a connection gets what is left of the time.
Connecting, the TLS handshake and sending a request have deadlines of their own already: their
timeouts count the whole step.
"""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any, Final

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

#: Seconds for one answer. A page of 100 records takes about one.
ANSWER_SECONDS: Final = 120.0
#: Bytes of one answer, headers included; the largest real one is about 1 MB.
_MOST_BYTES: Final = 256 << 20


def bound_answers(client: Any, seconds: float = ANSWER_SECONDS) -> None:  # noqa: ANN401 - made at run time
    """Give each answer of a boto3 client a deadline."""
    # botocore has no public way to choose the connections of a client.
    pools = client._endpoint.http_session._pool_classes_by_scheme
    pools["http"] = _pool(AWSHTTPConnectionPool, AWSHTTPConnection, seconds)
    pools["https"] = _pool(AWSHTTPSConnectionPool, AWSHTTPSConnection, seconds)


def _pool(pool: Any, connection: Any, seconds: float) -> type:  # noqa: ANN401 - classes of botocore
    def response(sock: socket.socket, method: str | None = None) -> HTTPResponse:
        answer = HTTPResponse(sock, method=method)
        # The response has opened the socket for reading, and has not read from it yet.
        answer.fp.close()
        answer.fp = io.BufferedReader(_Reader(sock, time.monotonic() + seconds))
        return answer

    bounded = type("Connection", (connection,), {"response_class": staticmethod(response)})
    return type("Pool", (pool,), {"ConnectionCls": bounded})


class _Reader(io.RawIOBase):
    """Reads from a socket until a deadline.

    Args:
        sock: The socket; its timeout counts for each read as well.
        deadline: The last moment, on the monotonic clock.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._left = _MOST_BYTES
        # The socket stays open until this is closed, as with `makefile`.
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        """Read at most as many bytes as fit.

        Raises:
            TimeoutError: The deadline has passed, or the timeout of the socket.
            OSError: The answer is too large, or the connection broke.
        """
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the answer takes too long")
        usual = self._sock.gettimeout()
        self._sock.settimeout(seconds if usual is None else min(usual, seconds))
        try:
            number = self._sock.recv_into(buffer)
        finally:
            self._sock.settimeout(usual)
        self._left -= number
        if self._left < 0:
            raise OSError("the answer is too large")
        return number

    def close(self) -> None:
        """Close this side of the socket."""
        self._file.close()
        super().close()
