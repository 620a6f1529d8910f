"""A boto3 client whose requests never leave the process.

It is botocore's own client: its validation, its serializer, its parser, its paginator, its
exceptions. Only the sending is replaced: a handler of `before-send` hands the finished request to
the protocol front, and its response back to botocore. So what goes in and what comes out is what
boto3 takes and gives, by construction.
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

#: Nothing of the caller's AWS configuration has a say: no profile, no file, no variable.
_SESSION_VARIABLES: Final = {
    name: (None, None, *rest)
    for name, (_, _, *rest) in botocore.session.Session.SESSION_VARIABLES.items()
} | dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
#: Seconds to wait for a sync that is writing: as long as a sync waits for us.
_LOCK_TIMEOUT: Final = 60.0
#: Never looked up: RFC 2606 keeps .invalid for names that are nobody's.
_URL: Final = "http://sagemaker-exporter.invalid"


def client(
    path: str | os.PathLike[str], account: str | None, region: str | None, deleted: bool
) -> Any:  # noqa: ANN401 - botocore makes its clients at run time: they have no type to name
    """A client over a file; see `exporter.client`."""
    source = source_of(Database.parse(os.fspath(path)), lock_timeout=_LOCK_TIMEOUT)
    scope = choose(source.scopes(), account, region)
    front = Front(_Backend(Lister(source, deleted=deleted), scope), finish=_raise_cause)
    made = _session().create_client(
        "sagemaker",
        region_name=scope.region,
        endpoint_url=_URL,
        aws_access_key_id=scope.account_id,
        aws_secret_access_key="unused",  # noqa: S106 - signs what nobody sends
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
    """What went wrong here, on its way through the front to the caller."""

    def __init__(self, error: Exception) -> None:
        super().__init__("InternalFailure", str(error), 500)
        self.error = error


def _raise_cause(_: Call, outcome: Outcome, response: Response) -> Response:
    # To Python code, a file that is not there is our DatabaseError, not an error of the service.
    if isinstance(outcome, _Failed):
        raise outcome.error
    return response


def _send(front: Front, request: Any, **_: object) -> Any:  # noqa: ANN401 - see below
    """Answer an AWSPreparedRequest, whose body is bytes for this service (the stubs allow more)."""
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    answered = front.handle(Request(request.method, "/", headers, request.body))
    received: Any = {**answered.headers, "Content-Length": str(len(answered.body))}
    return AWSResponse(request.url, answered.status, received, _Raw(answered.body))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


class _Raw(BytesIO):
    """A body as urllib3 gives it."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


@cache
def _session() -> botocore.session.Session:
    """One session for all clients: reading the service's model takes longest."""
    return botocore.session.Session(session_vars=_SESSION_VARIABLES)
