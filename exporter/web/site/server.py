"""Serves the pages over HTTP: who may read, what a reader may take, and how it stops."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qs, quote

import anyio
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter import files
from exporter.errors import BusyError, DatabaseError, ExporterError, UsageError
from exporter.replica.server import is_loopback
from exporter.store.following import SHARE, FileSource, Follower, Source, State
from exporter.web.site import access
from exporter.web.site.access import COOKIE, SESSION, Access
from exporter.web.site.limits import Running
from exporter.web.site.pages import Pages, redirect
from exporter.web.site.shell import TYPES, NoSuchPage, Shell
from exporter.web.site.table import JobTable

#: Connections at once; more get a 503.
_CONNECTIONS: Final = 256
#: Answers at once: those that take milliseconds, and reports, SQL and downloads.
_LIGHT, _HEAVY = 16, 4
#: Seconds for a request to arrive, for a part of an answer to leave, and for a connection to idle.
_REQUEST, _PART, _IDLE = 30.0, 60.0, 30
#: Bytes of the line and headers of a request, and of the login form.
_HEAD, _FORM = 1 << 16, 1 << 12
#: Seconds after a wrong token, and how many wrong ones wait at once.
_WRONG_TOKEN, _WAITING = 1.0, 8
#: Seconds for the running answers when the server stops.
_GRACE: Final = 3
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_TITLES: Final = {
    400: "That cannot be shown",
    404: "There is no such page",
    500: "Something failed",
    503: "Too busy",
}
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_log = logging.getLogger(__name__)

Make = Callable[..., Response]


class Site:
    """Serves the pages of a database; a context manager.

    Args:
        source: What to show: the database file, or another source of its tables.
        host: The address to bind.
        port: 0 picks any free one.
        token: What readers must know. None lets everybody in, on the loopback only.
        share: The share of the time that reading new commits may take.
        now: Returns the current time, aware.

    Raises:
        UsageError: There is no token beyond the loopback, or the address cannot be bound.
        DatabaseError, BusyError, SchemaNewerError: The database cannot be read.
    """

    def __init__(
        self,
        source: Callable[[Path], Source],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        share: float = SHARE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if token is not None and not token.strip():
            raise UsageError("The token is empty.")
        if token is None and not is_loopback(host):
            raise UsageError(
                f"{host} is not the loopback: everybody who reaches it could read the pages.",
                "Set SAGEMAKER_EXPORTER_WEB_TOKEN or --token. Readers enter it once.",
            )
        with ExitStack() as stack:
            self._socket = stack.enter_context(_bound(host, port))
            folder = stack.enter_context(files.temporary())
            table = JobTable(folder / "jobs.duckdb")
            stack.callback(table.close)

            running = self._running = Running()

            def prepare(state: State) -> None:
                with state.reading() as connection, running.limited(connection, None):
                    table.refresh(connection)

            (folder / "copies").mkdir()
            follower = stack.enter_context(
                Follower(source(folder / "copies"), prepare, share=share)
            )
            (folder / "results").mkdir()
            shell = Shell(
                follower, running, folder / "results", needs_token=token is not None, now=now
            )
            pages = Pages(shell, table)
            config = uvicorn.Config(
                _application(pages, Access(token)),
                http=_Protocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_CONNECTIONS,
                timeout_keep_alive=_IDLE,
                timeout_graceful_shutdown=_GRACE,
                h11_max_incomplete_event_size=_HEAD,
            )
            self._server = uvicorn.Server(config)
            self._stack = stack.pop_all()
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL, `http://host:port`."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """Refuse new connections, finish running answers, then close."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._running.stop()
        self._stack.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def of_file(path: Path) -> Callable[[Path], Source]:
    """Return what makes the source of a database file, given a folder for its copies."""
    return lambda folder: FileSource(path, folder)


def of_lake(uri: str) -> Callable[[Path], Source]:
    """Return what makes the source of a lake; it needs no copies.

    Raises:
        UsageError: The URI is of another kind, or the extra `lake` is missing.
    """
    from exporter.publish.following import LakeSource

    source = LakeSource(uri)
    return lambda _: source


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(where)
            found.listen(256)
        except BaseException:
            found.close()
            raise
    except (OSError, OverflowError) as error:
        raise UsageError(f"Cannot serve on {host} port {port}: {error}.") from error
    return found


class _Protocol(H11Protocol):
    """Closes a connection whose request does not arrive in time, which uvicorn waits for."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self._timer = self.loop.call_later(_REQUEST, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_waiting() and self._timer is None:
            self._timer = self.loop.call_later(_REQUEST, self._check)
        super().data_received(data)
        if not self._is_waiting() and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_waiting(self) -> bool:
        """Return whether no complete head of a request is here."""
        return self.cycle is None or self.cycle.response_complete

    def _check(self) -> None:
        self._timer = None
        if self._is_waiting():
            self.transport.close()


class _Guard:
    """Adds the headers to every answer, bounds how long a part takes, and logs without queries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "private, no-store")
                if _log.isEnabledFor(logging.INFO):
                    took = round(1000 * (time.perf_counter() - began))
                    # Without the query: SQL and names are in it.
                    fields = {"status": message["status"], "ms": took}
                    _log.info("%s %s", scope["method"], quote(scope["path"]), extra=fields)
            await asyncio.wait_for(send(message), _PART)

        await self._app(scope, receive, send_in_time)


def _application(pages: Pages, admission: Access) -> ASGIApp:
    """Return the application with all its pages."""
    answers = _Answers(pages, admission)
    suffixes = ("", *(f".{style}" for style in TYPES))
    routes = []
    for suffix in suffixes:
        style = suffix[1:]
        is_heavy = bool(style)
        routes += [
            Route(f"/{suffix}", answers.to(pages.overview.page, style, heavy=True)),
            Route(f"/jobs{suffix}", answers.to(pages.jobs.page, style, heavy=is_heavy)),
            Route(f"/reports{suffix}", answers.to(pages.reports.index, style)),
            Route(f"/sql{suffix}", answers.to_sql(style)),
        ]
    for suffix in reversed(suffixes):  # `{name}` alone would match every suffix
        style = suffix[1:]
        routes += [
            Route(f"/reports/{{name}}{suffix}", answers.to(pages.reports.page, style, heavy=True)),
            Route(
                f"/jobs/{{account}}/{{region}}/{{name:path}}{suffix}",
                answers.to(pages.job.page, style, heavy=True),
            ),
        ]
    routes += [
        Route("/static/{digest}/{name}", answers.to_everybody(pages.file)),
        Route("/login", answers.login, methods=["GET", "POST"]),
        Route("/logout", answers.logout, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {404: answers.missing, 405: answers.missing}
    return _Guard(Starlette(routes=routes, exception_handlers=handlers))


Endpoint = Callable[[Request], Awaitable[Response]]


class _Answers:
    """Makes endpoints of pages: checks who asks, runs the page in a thread, and shows errors."""

    def __init__(self, pages: Pages, admission: Access) -> None:
        self._pages = pages
        self._access = admission
        self._light = anyio.CapacityLimiter(_LIGHT)
        self._heavy = anyio.CapacityLimiter(_HEAVY)
        self._wrong = asyncio.Semaphore(_WAITING)

    def to(self, make: Make, style: str = "", *, heavy: bool = False) -> Endpoint:
        """Return the endpoint of a page or of its data."""

        async def answer(request: Request) -> Response:
            refused = self._refused(request)
            if refused is not None:
                return refused
            arguments = (style,) if style else ()
            return await self._run(lambda: make(request, *arguments), style, heavy=heavy)

        return answer

    def to_sql(self, style: str) -> Endpoint:
        """Return the endpoint of SQL: a statement from another site is shown, and does not run."""

        async def answer(request: Request) -> Response:
            refused = self._refused(request)
            if refused is not None:
                return refused
            may_run = not access.is_from_elsewhere(request.headers)
            make = lambda: self._pages.sql.page(request, style, may_run=may_run)  # noqa: E731 - passed on
            return await self._run(make, style, heavy=True)

        return answer

    def to_everybody(self, make: Make) -> Endpoint:
        """Return the endpoint of what needs no token."""

        async def answer(request: Request) -> Response:
            return self._misdirected(request) or make(request)

        return answer

    async def login(self, request: Request) -> Response:
        """Show the form for the token, or check it."""
        misdirected = self._misdirected(request)
        if misdirected is not None:
            return misdirected
        if request.method == "GET" or not self._access.needs_token:
            return redirect("/")
        fields = parse_qs((await _form(request)).decode("utf-8", "replace"))
        target = access.path_after_login(fields.get("target", ["/"])[0])
        if not self._access.is_token(fields.get("token", [""])[0].strip()):
            _log.warning("a wrong token")
            if self._wrong.locked():
                return self._pages.message(429, "Too many wrong tokens", "Try again later.")
            async with self._wrong:
                await asyncio.sleep(_WRONG_TOKEN)
            return self._pages.login(target, failed=True)
        found = redirect(target)
        found.set_cookie(
            COOKIE,
            self._access.session(time.time()),
            max_age=SESSION,
            httponly=True,
            samesite="strict",
            # Set by a proxy that offers TLS. Who forges it only gets a stricter cookie.
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return found

    async def logout(self, request: Request) -> Response:
        """End the session in this browser."""
        found = self._misdirected(request) or redirect("/")
        found.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return found

    async def missing(self, request: Request, error: Exception) -> Response:
        """Answer a request for a page that does not exist, or by another method."""
        refused = self._refused(request)
        if refused is not None:
            return refused
        status = error.status_code if isinstance(error, HTTPException) else 404
        return self._pages.message(status, "There is no such page", "The menu has all pages.")

    def _misdirected(self, request: Request) -> Response | None:
        if not self._access.names_us(request.headers):
            return self._pages.message(
                403,
                "Wrong address",
                "Without a token, the address must name the loopback: localhost or its IP address.",
            )
        elsewhere = access.is_from_elsewhere(request.headers)
        if elsewhere and not access.may_come_from_elsewhere(request.headers):
            return self._pages.message(403, "Refused", "Another site sent this request.")
        return None

    def _refused(self, request: Request) -> Response | None:
        """Return why a request may not read; None = it may."""
        misdirected = self._misdirected(request)
        if misdirected is not None or self._access.admits(request.headers, time.time()):
            return misdirected
        if request.headers.get("authorization") or _style(request):
            text = "Send the token: Authorization: Bearer TOKEN.\n"
            headers = {"WWW-Authenticate": "Bearer"}
            return Response(text, 401, headers=headers, media_type="text/plain")
        query = f"?{request.url.query}" if request.url.query else ""
        return self._pages.login(f"{request.url.path}{query}")

    async def _run(self, make: Callable[[], Response], style: str, *, heavy: bool) -> Response:
        limiter = self._heavy if heavy else self._light
        try:
            return await anyio.to_thread.run_sync(make, limiter=limiter)
        except ExporterError as error:
            return self._failed(error, style)
        except Exception as error:
            _log.error("A bug: %r", error, exc_info=_log.isEnabledFor(logging.INFO))
            return self._failed(DatabaseError("A bug; the log of web has it."), style)

    def _failed(self, error: ExporterError, style: str) -> Response:
        status = 400 if isinstance(error, UsageError) else 500
        status = 503 if isinstance(error, BusyError) else status
        status = 404 if isinstance(error, NoSuchPage) else status
        if style:
            return JSONResponse({"version": 1, "error": str(error)}, status)
        return self._pages.message(status, _TITLES[status], str(error))


def _style(request: Request) -> bool:
    return request.url.path.rpartition(".")[2] in TYPES


async def _form(request: Request) -> bytes:
    """Return the body of a form.

    Raises:
        HTTPException: It is too large, or its sender has left.
    """
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > _FORM:
                raise HTTPException(413)
    except ClientDisconnect:
        raise HTTPException(400) from None
    return body
