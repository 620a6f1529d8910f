"""Serve requests over HTTP/1.1 on kept-alive connections, a thread for each.

The standard library parses the requests and writes the responses. Added here: a limit for
bodies, responses that misbehave on request, and a stop that lets running requests finish.
"""

import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Final, Self

MAX_BODY: Final = 1 << 20
"""The largest request body in bytes; the largest real one is some 30 kB (a Search)."""


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


class Server(ThreadingTCPServer):
    """An HTTP server on threads of its own; a context manager.

    Not a subclass of `http.server.HTTPServer`, which looks its host name up in the DNS.

    Args:
        handler: Answers each request; called from many threads.
        host: The address to bind.
        port: The port; 0 picks any free one.

    Attributes:
        handler: As passed in.
        stopping: Set once the server has begun to stop.

    Raises:
        OSError: The address cannot be bound.
    """

    daemon_threads = True
    block_on_close = False  # stop() waits, with a limit
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, handler: Handler, host: str = "127.0.0.1", port: int = 0) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.handler = handler
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
            if busy is None:
                self._busy.pop(connection, None)
            else:
                self._busy[connection] = busy
            self._changed.notify_all()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that clients broke off; print everything else, which is a bug."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # unused there


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # or refusals of garbage would have no status line
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    wbufsize = 1 << 18  # one write for a page of 100 rows
    error_content_type = "text/plain"
    error_message_format = "%(message)s\n"
    server: Server

    def handle(self) -> None:
        try:
            super().handle()
        finally:
            self.server.note(self, None)

    def handle_one_request(self) -> None:
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
        if self.headers.defects:
            self.send_error(400, "malformed header")
        elif "transfer-encoding" in headers:
            self.send_error(501, "Transfer-Encoding is not supported; send a Content-Length")
        elif not length.isdecimal():
            self.send_error(400, "malformed Content-Length")
        elif int(length) > MAX_BODY:
            self.send_error(413, f"the body is larger than {MAX_BODY} bytes")
        else:
            self.wfile.flush()  # "100 Continue", if the client waits for it
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                raise ConnectionResetError("the client closed the connection inside a body")
            return body
        return None

    def _send(self, response: Response) -> None:
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
