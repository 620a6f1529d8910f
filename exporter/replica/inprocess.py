"""A boto3 client whose requests never leave the process.

It is botocore's own client, with its validation, serializer, parser, paginator and exceptions. Only
the sending differs: a handler of `before-send` passes the finished request to the protocol front
and the response back to botocore. So it takes and returns exactly what boto3 does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache, partial
from io import BytesIO
from typing import Any, Final

import botocore.session
from botocore.awsrequest import AWSResponse

from exporter.replica.lister import OPERATION, Lister
from exporter.replica.scopes import choose
from exporter.replica.sources import source_of
from exporter.store.database import Database
from exporter.store.scopes import ScopeKey
from exporter.wire import Answer, ApiError, Call, Front, Outcome, Request, Response

#: Ignores the caller's AWS configuration: every profile, file and variable.
_SESSION_VARIABLES: Final = {
    name: (None, None, *rest)
    for name, (_, _, *rest) in botocore.session.Session.SESSION_VARIABLES.items()
} | dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
#: Seconds to wait for a sync that is writing; a sync waits as long for readers.
_LOCK_TIMEOUT: Final = 60.0
#: Never looked up: RFC 2606 reserves .invalid for names that do not exist.
_URL: Final = "http://sagemaker-exporter.invalid"


def client(
    path: str | os.PathLike[str], account: str | None, region: str | None, deleted: bool
) -> Any:  # noqa: ANN401 - botocore makes its clients at run time, without a type
    """Return a client for a file; see `exporter.client`."""
    source = source_of(Database.parse(os.fspath(path)), lock_timeout=_LOCK_TIMEOUT)
    scope = choose(source.scopes(), account, region)
    front = Front(_Backend(Lister(source, deleted=deleted), scope), finish=_raise_cause)
    made = _session().create_client(
        "sagemaker",
        region_name=scope.region,
        endpoint_url=_URL,
        aws_access_key_id=scope.account_id,
        aws_secret_access_key="unused",  # noqa: S106 - nothing is sent
    )
    made.meta.events.register("before-send.sagemaker", partial(_send, front))
    return made


class _Backend:
    """Answers for one account and region."""

    operations: Mapping[str, frozenset[str]] = {"sagemaker": frozenset({OPERATION})}

    def __init__(self, lister: Lister, scope: ScopeKey) -> None:
        self._lister = lister
        self._scope = scope

    def answer(self, call: Call) -> Answer:
        try:
            return self._lister.page(self._scope, call.params)
        except ApiError:
            raise
        except Exception as error:
            raise _Failed(error) from error


class _Failed(ApiError):
    """Carries an exception through the front to the caller."""

    def __init__(self, error: Exception) -> None:
        super().__init__("InternalFailure", str(error), 500)
        self.error = error


def _raise_cause(_: Call, outcome: Outcome, response: Response) -> Response:
    # Python code gets DatabaseError for a missing file, not an error of the service.
    if isinstance(outcome, _Failed):
        raise outcome.error
    return response


def _send(front: Front, request: Any, **_: object) -> Any:  # noqa: ANN401 - see below
    """Answer an AWSPreparedRequest. Its body is bytes for this service; the stubs allow more."""
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    answered = front.handle(Request(request.method, "/", headers, request.body))
    received: Any = {**answered.headers, "Content-Length": str(len(answered.body))}
    return AWSResponse(request.url, answered.status, received, _Raw(answered.body))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


class _Raw(BytesIO):
    """A body with the method of urllib3 that botocore calls."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


@cache
def _session() -> botocore.session.Session:
    """Return one session for all clients, since loading the model takes longest."""
    return botocore.session.Session(session_vars=_SESSION_VARIABLES)
