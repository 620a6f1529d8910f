"""HTTP/1.1 over sockets: requests in, responses out, connections kept alive.

The standard library's handler parses headers as mail and writes a response in pieces;
at hundreds of pages a second both show. This one reads what AWS clients send, writes each
response in one call with TCP_NODELAY, and lets a response misbehave when told to.
"""

import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Self

MAX_BODY = 1 << 20
"""The largest request body in bytes; the largest real one is some 30 kB (a Search)."""

_MAX_LINE = 1 << 16
_MAX_HEADERS = 200


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: ``headers`` by names in lower case, ``body`` whole."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What to send, and how badly.

    Attributes:
        status: The HTTP status.
        headers: The headers but for Content-Length, which is added.
        body: The whole body.
        send: How many bytes of the body to send before the connection is closed; None
            sends all of it and keeps the connection.
        reset: Send nothing and reset the connection.
        delay: Seconds to wait before anything is sent; a stop of the server ends it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    send: int | None = None
    reset: bool = False
    delay: float = 0.0


Handler = Callable[[Request], Response]


class Server:
    """Serves a handler on a thread of its own, a thread for each connection.

    Args:
        handler: Answers each request; called from many threads.
        host: The address to bind, the loopback unless told otherwise.
        port: The port, 0 for any free one.
    """

    def __init__(self, handler: Handler, host: str = "127.0.0.1", port: int = 0) -> None:
        """Bind, without answering yet.

        Raises:
            OSError: The address cannot be bound.
        """
        self._inner = _Inner(handler, host, port)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._inner.server_address[1])

    @property
    def url(self) -> str:
        """The base URL, ``http://host:port``."""
        host = str(self._inner.server_address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> Self:
        """Answer from now on, in the background."""
        self._thread = threading.Thread(
            target=self._inner.serve_forever, args=(0.02,), name="wire", daemon=True
        )
        self._thread.start()
        return self

    def stop(self, grace: float = 2.0) -> None:
        """Take no more connections, finish what is under way, then close.

        Args:
            grace: Seconds that requests under way get to finish.
        """
        self._inner.stopping.set()
        if self._thread is not None:
            self._inner.shutdown()
            self._thread.join()
            self._thread = None
        self._inner.drain(grace)
        self._inner.server_close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


class _Inner(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False  # drain() waits, and no longer than it was told to
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.answer = handler
        self.stopping = threading.Event()
        self._busy: dict[_Connection, bool] = {}
        self._changed = threading.Condition()
        super().__init__((host, port), _Connection)

    def note(self, connection: "_Connection", busy: bool | None) -> None:
        """Remember whether a connection is answering; None when it has ended."""
        with self._changed:
            if busy is None:
                self._busy.pop(connection, None)
            else:
                self._busy[connection] = busy
            self._changed.notify_all()

    def drain(self, grace: float) -> None:
        with self._changed:
            for connection in [each for each, busy in self._busy.items() if not busy]:
                connection.hang_up()
            self._changed.wait_for(lambda: not self._busy, grace)
            for connection in list(self._busy):
                connection.hang_up()
            self._changed.wait_for(lambda: not self._busy, 1.0)

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over a connection that its client broke off; others are bugs, and shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    server: _Inner
    rfile: BinaryIO  # type: ignore[assignment]

    def handle(self) -> None:
        inner = self.server
        try:
            keep = True
            while keep and not inner.stopping.is_set():
                inner.note(self, False)
                first = self.rfile.readline(_MAX_LINE)
                if first in (b"\r\n", b"\n"):
                    continue
                if not first:
                    return
                inner.note(self, True)
                keep = self._one(first)
        except _RefusedError as refused:
            self._send(
                Response(refused.status, {"Connection": "close"}, str(refused).encode()), False
            )
        finally:
            inner.note(self, None)

    def hang_up(self) -> None:
        """Wake a reader that waits for a request that will not come."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _one(self, first: bytes) -> bool:
        parts = first.decode("latin-1").split()
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _RefusedError(400, "not HTTP/1.1")
        headers = self._headers()
        body = self._body(headers)
        response = self.server.answer(Request(parts[0], parts[1], headers, body))
        keep = headers.get("connection", "").lower() != "close" and parts[2] != "HTTP/1.0"
        return self._send(response, keep)

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_MAX_HEADERS):
            line = self.rfile.readline(_MAX_LINE)
            if line in (b"\r\n", b"\n"):
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise _RefusedError(400, "malformed header")
            headers[name.strip().lower()] = value.strip()
        raise _RefusedError(431, "too many headers")

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            raise _RefusedError(501, "Transfer-Encoding is not served; send a Content-Length")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise _RefusedError(400, "malformed Content-Length")
        if int(length) > MAX_BODY:
            raise _RefusedError(413, f"a body holds at most {MAX_BODY} bytes")
        if headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionResetError("the client ended inside a body")
        return body

    def _send(self, response: Response, keep: bool) -> bool:
        if response.delay:
            self.server.stopping.wait(response.delay)
        if response.reset:
            # Lingering for zero seconds makes close() send RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return False
        keep = keep and response.send is None
        lines = [f"HTTP/1.1 {response.status} {_reason(response.status)}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines.append(f"Content-Length: {len(response.body)}")
        if not keep and "Connection" not in response.headers:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.connection.sendall(head + response.body[: response.send])
        return keep


class _RefusedError(Exception):
    """The peer does not speak what is spoken here; ends the connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
