"""Serve requests over HTTP/1.1 on kept-alive connections, a thread for each.

The standard library parses the requests and writes the responses. Added here: limits for sizes,
times and connections, responses that misbehave on request, and a stop that lets running requests
finish.
"""

import io
import logging
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final, Self

_log = logging.getLogger(__name__)

MAX_BODY: Final = 1 << 20
"""The largest request body in bytes; the largest real one is some 30 kB (a Search)."""

_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 21\r\nConnection: close\r\n\r\ntoo many connections\n"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take of a server.

    Attributes:
        connections: Connections at once, each with a thread. Beyond it, the connection that has
            been idle longest is closed; if none is idle, the new one gets a 503, which SDKs retry.
        head: Bytes of a request line and headers. The buffer may read as much again.
        idle: Seconds that a connection may wait for its next request.
        request: Seconds in which a request must arrive, from its first byte.
        response: Seconds in which the client must take a response.
    """

    connections: int = 256
    head: int = 1 << 16
    idle: float = 75.0
    request: float = 30.0
    response: float = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received: `headers` by lower-case name, `body` complete."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A response, and how its transport misbehaves.

    Attributes:
        status: The HTTP status.
        headers: All headers except Content-Length, which the server adds.
        body: The complete body.
        send: Bytes of the body to send before the server closes the connection. None sends
            everything and keeps the connection.
        reset: Send nothing and reset the connection.
        delay: Seconds to wait before sending. Stopping the server ends the wait.
        pause: Seconds to wait before each byte of the body, likewise.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    send: int | None = None
    reset: bool = False
    delay: float = 0.0
    pause: float = 0.0


Handler = Callable[[Request], Response]
DEFAULT_LIMITS: Final = Limits()


class Server(ThreadingTCPServer):
    """An HTTP server on threads of its own; a context manager.

    Not a subclass of `http.server.HTTPServer`, which looks its host name up in the DNS.

    Args:
        handler: Answers each request; called from many threads.
        host: The address to bind.
        port: The port; 0 picks any free one.
        limits: What clients may take.

    Attributes:
        handler: As passed in.
        limits: As passed in.
        stopping: Set once the server has begun to stop.

    Raises:
        OSError: The address cannot be bound.
    """

    daemon_threads = True
    block_on_close = False  # stop() waits, with a limit
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(
        self,
        handler: Handler,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.handler = handler
        self.limits = limits
        self._accepted: set[object] = set()
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._busy: dict[_Connection, bool] = {}
        self._changed = threading.Condition()
        super().__init__((host, port), _Connection)

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The base URL, `http://host:port`."""
        host = str(self.server_address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> Self:
        """Answer requests in the background from now on."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self, grace: float = 2.0) -> None:
        """Refuse new connections, finish running requests, then close.

        Args:
            grace: Seconds that running requests get to finish.
        """
        self.stopping.set()
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        with self._changed:
            for connection in [each for each, busy in self._busy.items() if not busy]:
                connection.hang_up()
            self._changed.wait_for(lambda: not self._busy, grace)
            for connection in self._busy:
                connection.hang_up()
            self._changed.wait_for(lambda: not self._busy, 1.0)
        self.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def note(self, connection: "_Connection", busy: bool | None) -> None:
        """Record whether a connection has a running request; None when it has ended."""
        with self._changed:
            self._busy.pop(connection, None)
            if busy is not None:
                self._busy[connection] = busy  # at the end: the order is that of the last change
            self._changed.notify_all()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - theirs
        """Answer a connection in a thread of its own, if the limit allows one more."""
        with self._changed:
            is_full = len(self._accepted) >= self.limits.connections
            idle = next((each for each, busy in self._busy.items() if not busy), None)
            is_refused = is_full and idle is None
            if not is_refused:
                self._accepted.add(request)
            if is_full and idle is not None:
                del self._busy[idle]  # its thread needs a moment to end
                idle.hang_up()
        if is_refused:
            request.setblocking(False)
            with suppress(OSError):
                request.sendall(_BUSY)
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - theirs
        """Close a connection, and make room for another one."""
        with self._changed:
            self._accepted.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that clients broke off; log everything else, which is a bug."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            _log.error("a bug in the server: %r", error)


class _TooLarge(ConnectionError):
    """The head of a request is larger than the limit."""


class _Reader(io.RawIOBase):
    """Reads a socket within the limits.

    A timeout of the socket alone would not do: a client could send a byte a second for ever.
    """

    def __init__(
        self, connection: socket.socket, limits: Limits, monotonic: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._monotonic = monotonic
        self.expect_request()

    def expect_request(self) -> None:
        """Start to wait for the next request."""
        self._deadline: float | None = None
        self._head_left: float = self._limits.head

    def expect_body(self) -> None:
        """The head has been read; its sender's Content-Length limits the rest."""
        self._head_left = float("inf")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer has no type in 3.11
        """Read what is there.

        Raises:
            TimeoutError: The client is idle or slow.
            _TooLarge: The head of the request has no end.
        """
        now = self._monotonic()
        end = now + self._limits.idle if self._deadline is None else self._deadline
        if end <= now:
            raise TimeoutError("the request takes too long")
        if self._head_left <= 0:
            raise _TooLarge("the head of the request is too large")
        self._connection.settimeout(end - now)
        count = self._connection.recv_into(buffer)
        self._head_left -= count
        if self._deadline is None:
            self._deadline = self._monotonic() + self._limits.request
        return count


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # or refusals of garbage would have no status line
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    wbufsize = 1 << 18  # one write for a page of 100 rows
    error_content_type = "text/plain"
    error_message_format = "%(message)s\n"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._reader = _Reader(self.connection, self.server.limits, time.monotonic)
        self.rfile = io.BufferedReader(self._reader, self.rbufsize)

    def handle(self) -> None:
        try:
            super().handle()
        finally:
            self.server.note(self, None)

    def handle_one_request(self) -> None:
        self._reader.expect_request()
        self.server.note(self, False)
        # Checked after the note: stop() hangs up the connections that it finds idle.
        if self.server.stopping.is_set():
            self.close_connection = True
        else:
            super().handle_one_request()

    def parse_request(self) -> bool:
        self.server.note(self, True)
        return super().parse_request()

    def hang_up(self) -> None:
        """Wake the thread that waits for the next request."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def version_string(self) -> str:
        return "sagemaker-exporter"

    def log_message(self, *_: object) -> None:
        """Log nothing: the handlers do."""

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        if body is not None:
            self._send(self.server.handler(Request(self.command, self.path, headers, body)))

    do_DELETE = do_GET = do_OPTIONS = do_PATCH = do_POST = do_PUT = _answer  # noqa: N815 - theirs

    def _body(self, headers: Mapping[str, str]) -> bytes | None:
        """Return the request's body; None after a refusal.

        Raises:
            ConnectionResetError: The client closed the connection inside the body.
        """
        length = headers.get("content-length", "0")
        if self.headers.defects or len(set(self.headers.get_all("content-length", ()))) > 1:
            self.send_error(400, "malformed header")
        elif "transfer-encoding" in headers:
            self.send_error(501, "Transfer-Encoding is not supported; send a Content-Length")
        elif not (length.isascii() and length.isdecimal()):
            self.send_error(400, "malformed Content-Length")
        elif len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
            self.send_error(413, f"the body is larger than {MAX_BODY} bytes")
        else:
            self.wfile.flush()  # "100 Continue", if the client waits for it
            self._reader.expect_body()
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                raise ConnectionResetError("the client closed the connection inside a body")
            return body
        return None

    def _send(self, response: Response) -> None:
        self.connection.settimeout(self.server.limits.response)
        if response.delay:
            self.server.stopping.wait(response.delay)
        if response.reset:
            # Lingering for zero seconds makes close() send RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
            return
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection or response.send is not None:
            self.send_header("Connection", "close")
        self.end_headers()
        body = response.body[: response.send]
        if response.pause:
            body = self._trickle(body, response.pause)
        self.wfile.write(body)

    def _trickle(self, body: bytes, pause: float) -> bytes:
        """Send one byte after the other; return what is left once the server stops."""
        for position in range(len(body)):
            self.wfile.flush()
            if self.server.stopping.wait(pause):
                return body[position:]
            self.wfile.write(body[position : position + 1])
        return b""
