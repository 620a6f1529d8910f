"""ListTrainingJobs over HTTP, in the service's own protocol, for any AWS SDK.

Who calls says with the access key id whose jobs are meant, where that is not clear: the account's
twelve digits. With a token, the secret access key must be that token; the signature proves it.
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
from exporter.wire.model import to_json
from exporter.wire.times import http_date

#: Pages read at once with one that a NextToken asks for: who asks for the second wants them all.
_AHEAD: Final = 9
_ACCOUNT: Final = re.compile(r"(?:AKIA|ASIA)?(\d{12})")
_log = logging.getLogger(__name__)


class Replica:
    """Serves the database file; a context manager.

    Args:
        path: The file.
        host: The address to bind.
        port: 0 for any free one.
        token: What callers must have as their secret access key; None lets everybody in, which
            is for the loopback only.
        lock_timeout: Seconds that an answer waits for a sync that is writing; after that it is a
            503, which SDKs try again.

    Raises:
        UsageError: No token, and not the loopback; or the address cannot be bound.
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
    ) -> None:
        if token is not None and not token.strip():
            raise UsageError("The token is empty.")
        if token is None and not is_loopback(host):
            raise UsageError(
                f"{host} is not the loopback: everybody who reaches it could list the jobs.",
                "Give --token, better as SAGEMAKER_EXPORTER_SERVE_TOKEN; callers use it as their "
                "secret access key.",
            )
        self._source = MirrorSource(path, lock_timeout=lock_timeout)
        self._source.refresh()
        front = Front(_Backend(self._source), finish=_logged)
        allow = _known_host if token is None else _signed_with(token)
        try:
            self._server = Server(_Door(allow, front.handle).handle, host, port)
        except (OSError, OverflowError) as error:
            self._source.close()
            raise UsageError(f"Cannot serve on {host} port {port}: {error}.") from error

    @property
    def url(self) -> str:
        """The endpoint, ``http://host:port``."""
        return self._server.url

    def stop(self, grace: float = 5.0) -> None:
        """Take no more connections, finish what is under way, then close."""
        self._server.stop(grace)
        self._source.close()

    def __enter__(self) -> Self:
        """Answer from now on, in the background."""
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Backend:
    """Answers from the copy in memory, and from pages made before."""

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
    """Whose jobs are asked for.

    Raises:
        ApiError: Nobody's that are here, or it is not clear whose: never an empty list, which
            would look like an account without jobs.
    """
    named = _ACCOUNT.fullmatch(call.access_key)
    account = named and named[1]
    found = matching(scopes, account, call.region)
    if len(found) == 1:
        return found[0]
    holds = f"it holds {names(scopes)}" if scopes else "nothing has been synced into it yet"
    if not found:
        asked = f"{account}/{call.region}" if account else call.region
        raise ApiError(
            "UnrecognizedClientException", f"This database holds no jobs of {asked}: {holds}."
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


class _Door:
    """Lets a request through, or refuses it."""

    def __init__(
        self, allow: Callable[[Request], None], inside: Callable[[Request], Response]
    ) -> None:
        self._allow = allow
        self._inside = inside

    def handle(self, request: Request) -> Response:
        try:
            self._allow(request)
        except ApiError as error:
            _log.info("refused: %s", error.code)
            headers = {
                "Content-Type": "application/x-amz-json-1.1",
                "Date": http_date(datetime.now(UTC)),
            }
            body = to_json({"__type": error.code, "message": error.message})
            return Response(error.status, headers, body)
        return self._inside(request)


def _signed_with(token: str) -> Callable[[Request], None]:
    return lambda request: verify(request, token, datetime.now(UTC))


def _known_host(request: Request) -> None:
    """Refuse what a browser sends for a page whose name was made to mean this machine.

    Raises:
        ApiError: The request is for another host (DNS rebinding).
    """
    host = request.headers.get("host", "").rpartition("@")[2]
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if not is_loopback(name.lower()):
        raise ApiError(
            "AccessDeniedException",
            "Without a token, requests must be for the loopback by name or number.",
            403,
        )
