"""Serve ListTrainingJobs over HTTP in the protocol of the service, for any AWS SDK.

If the region has jobs of several accounts, the access key id names one by its twelve digits. With a
token, the caller's secret access key must be that token; the signature proves it.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from exporter.errors import BusyError, ExporterError, UsageError
from exporter.replica.lister import OPERATION, Lister, Params
from exporter.replica.pages import Pages
from exporter.replica.scopes import matching, names
from exporter.replica.signature import verify
from exporter.replica.sources import MirrorSource
from exporter.store.scopes import ScopeKey
from exporter.wire import Answer, ApiError, Call, Front, Outcome, Request, Response, Server

#: Further pages to read with a page that a NextToken asks for: a paginator will want them all.
_AHEAD: Final = 19
_ACCOUNT: Final = re.compile(r"(?:AKIA|ASIA)?(\d{12})")
_log = logging.getLogger(__name__)


class Replica:
    """Serves the database file; a context manager.

    Args:
        path: The file.
        host: The address to bind.
        port: 0 picks any free one.
        token: The secret access key that callers must have. None lets everybody in, and is
            allowed on the loopback only.
        lock_timeout: Seconds that an answer waits for a sync that is writing. After that it is a
            503, which SDKs retry.
        now: Returns the current time, aware.

    Raises:
        UsageError: There is no token beyond the loopback, or the address cannot be bound.
        DatabaseError, BusyError, SchemaNewerError: The file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        lock_timeout: float = 20.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if token is not None and not token.strip():
            raise UsageError("The token is empty.")
        if token is None and not is_loopback(host):
            raise UsageError(
                f"{host} is not the loopback: everybody who reaches it could list the jobs.",
                "Set SAGEMAKER_EXPORTER_SERVE_TOKEN or --token. Callers use it as their secret "
                "access key.",
            )
        self._source = MirrorSource(path, lock_timeout=lock_timeout)
        self._source.refresh()

        def admit(request: Request) -> None:
            try:
                if token is None:
                    _check_host(request)
                else:
                    verify(request, token, now())
            except ApiError as error:
                _log.info("refused: %s", error.code)
                raise

        front = Front(_Backend(self._source), now, admit, _logged)
        try:
            self._server = Server(front.handle, host, port)
        except (OSError, OverflowError) as error:
            self._source.close()
            raise UsageError(f"Cannot serve on {host} port {port}: {error}.") from error

    @property
    def url(self) -> str:
        """The endpoint, `http://host:port`."""
        return self._server.url

    def stop(self, grace: float = 5.0) -> None:
        """Refuse new connections, finish running requests, then close."""
        self._server.stop(grace)
        self._source.close()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server at that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Backend:
    """Answers from the copy in memory, and from kept pages."""

    operations: Mapping[str, frozenset[str]] = {"sagemaker": frozenset({OPERATION})}

    def __init__(self, source: MirrorSource) -> None:
        self._source = source
        self._lister = Lister(source)
        self._pages = Pages()

    def answer(self, call: Call) -> Answer:
        try:
            return self._answer(call)
        except BusyError as error:
            raise ApiError("ServiceUnavailable", str(error), 503) from error
        except ExporterError as error:
            raise ApiError("InternalFailure", str(error), 500) from error
        except ApiError:
            raise
        except Exception as error:
            _log.error("A bug: %r", error, exc_info=_log.isEnabledFor(logging.INFO))
            raise ApiError("InternalFailure", "A bug; the log of serve has it.", 500) from None

    def _answer(self, call: Call) -> Answer:
        version = self._source.refresh()
        scope = _scope(self._source.scopes(), call)
        kept = self._pages.get(version, _key(scope, call.params))
        if kept is not None:
            return kept
        ahead = _AHEAD if call.params.get("NextToken") else 0
        pages = list(self._lister.pages(scope, call.params, ahead))
        for params, body in pages:
            self._pages.put(version, _key(scope, params), body)
        return pages[0][1]


def _key(scope: ScopeKey, params: Params) -> Hashable:
    return scope, frozenset(params.items())


def _scope(scopes: list[ScopeKey], call: Call) -> ScopeKey:
    """Return the account and region that a call asks for.

    Raises:
        ApiError: The file does not hold them, or holds several accounts in that region. An empty
            list would look like an account without jobs.
    """
    named = _ACCOUNT.fullmatch(call.access_key)
    account = named and named[1]
    found = matching(scopes, account, call.region)
    if len(found) == 1:
        return found[0]
    if not found:
        wanted = f"{account}/{call.region}" if account else call.region
        holds = f"it holds {names(scopes)}" if scopes else "nothing has been synced into it yet"
        raise ApiError(
            "UnrecognizedClientException", f"This database holds no jobs of {wanted}: {holds}."
        )
    raise ApiError(
        "UnrecognizedClientException",
        f"Several accounts have jobs in {call.region} here ({names(found)}): "
        "set the access key id to the account's twelve digits.",
    )


def _logged(call: Call, outcome: Outcome, response: Response) -> Response:
    if isinstance(outcome, ApiError):
        _log.info("%s %s: %s", call.operation, call.region, outcome)
    else:
        _log.debug("%s %s: %d", call.operation, call.region, response.status)
    return response


def _check_host(request: Request) -> None:
    """Check that a request names the loopback, so that no page in a browser can send it.

    Raises:
        ApiError: The request names another host, as DNS rebinding does.
    """
    host = request.headers.get("host", "").rpartition("@")[2]
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if not is_loopback(name.lower()):
        raise ApiError(
            "AccessDeniedException",
            "Without a token, requests must name the loopback: localhost or its IP address.",
            403,
        )
