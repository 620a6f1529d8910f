"""Turn an HTTP request into a typed call, and its outcome into an HTTP response.

Sources: the AWS JSON 1.1 and query protocols; Signature Version 4 for the place of the region
and of the access key id; answers of the real service for the words of errors.
"""

import json
import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from exporter.wire import query
from exporter.wire.calls import Answer, ApiError, Backend, Body, Call, Outcome
from exporter.wire.model import checked, operation_model, request_params, service_model, to_json
from exporter.wire.server import Request, Response
from exporter.wire.times import http_date

_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)/\d{8}/([^/,\s]+)/([^/,\s]+)/aws4_request"
)

_log = logging.getLogger(__name__)

Finish = Callable[[Call, Outcome, Response], Response]
"""Sees each understood call with its outcome; returns the response to send."""


@dataclass(frozen=True, slots=True)
class _Target:
    """The operation of a request, and the form fields if the protocol is the query protocol."""

    service: str
    operation: str
    form: dict[str, str] | None = None


class Front:
    """Understands requests, calls the back end, and writes its answers.

    Args:
        backend: Answers the calls.
        now: Returns the current time, for the `Date` header.
        admit: Called with each request; raises ApiError to refuse it.
        finish: Called with each understood call before its response is sent.
    """

    def __init__(
        self,
        backend: Backend,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        admit: Callable[[Request], None] = lambda _request: None,
        finish: Finish = lambda _call, _outcome, response: response,
    ) -> None:
        self._backend = backend
        self._now = now
        self._admit = admit
        self._finish = finish
        metadata = {name: service_model(name).metadata for name in backend.operations}
        self._prefixes = {
            str(each["targetPrefix"]): name
            for name, each in metadata.items()
            if "targetPrefix" in each
        }
        self._query_services = {
            name for name, each in metadata.items() if each.get("protocol") == "query"
        }

    def handle(self, request: Request) -> Response:
        """Answer one request; never raises, except what `finish` raises."""
        request_id = str(uuid.uuid4())
        target, call = _Target("", ""), None
        outcome: Outcome
        try:
            self._admit(request)
            target = self._target(request)
            call = _call(target, request, request_id)
            self._refuse_unknown(target, request)
            call = replace(call, params=_params(target, request))
            outcome = self._backend.answer(call)
            response = self._written(call, target, outcome)
        except ApiError as error:
            outcome = error
            response = self._refused(error, target, request_id)
        except Exception as error:
            # A bug of the back end: answered as the service answers its own.
            _log.error("a bug behind the front: %r", error)
            outcome = ApiError("InternalFailure", "The server failed; see its log.", 500)
            response = self._refused(outcome, target, request_id)
        return response if call is None else self._finish(call, outcome, response)

    def _target(self, request: Request) -> _Target:
        named = request.headers.get("x-amz-target")
        if named is not None:
            prefix, _, operation = named.rpartition(".")
            service = self._prefixes.get(prefix)
            if service is None:
                raise _unknown(named, self._backend)
            return _Target(service, operation)
        if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
            form = query.read_form(request.body)
            found = _CREDENTIAL.match(request.headers.get("authorization", ""))
            service = found[3] if found else ""
            if service in self._query_services:
                return _Target(service, form.get("Action", ""), form)
            raise _unknown(f"{service}.{form.get('Action', '')}", self._backend)
        raise _unknown(f"{request.method} {request.target}", self._backend, 404)

    def _refuse_unknown(self, target: _Target, request: Request) -> None:
        if target.operation not in self._backend.operations[target.service]:
            named = request.headers.get("x-amz-target", f"{target.service}.{target.operation}")
            raise _unknown(named, self._backend)

    def _written(self, call: Call, target: _Target, answer: Answer) -> Response:
        if isinstance(answer, Body):
            return self._response(200, target, answer.content, call.request_id)
        checked(answer, call.service, call.operation, "output", open_enums=True)
        if target.form is None:
            return self._response(200, target, to_json(answer), call.request_id)
        model = operation_model(call.service, call.operation)
        shape = model.output_shape if model else None
        namespace = _namespace(call.service)
        body = query.write_answer(call.operation, shape, answer, namespace, call.request_id)
        return self._response(200, target, body, call.request_id)

    def _refused(self, error: ApiError, target: _Target, request_id: str) -> Response:
        if target.form is None:
            body = to_json({"__type": error.code, "message": error.message})
        else:
            body = query.write_error(error, _namespace(target.service), request_id)
        return self._response(error.status, target, body, request_id)

    def _response(self, status: int, target: _Target, body: bytes, request_id: str) -> Response:
        headers = {
            "x-amzn-RequestId": request_id,
            "Content-Type": "application/x-amz-json-1.1" if target.form is None else "text/xml",
            "Date": http_date(self._now()),
        }
        return Response(status, headers, body)


def _call(target: _Target, request: Request, request_id: str) -> Call:
    found = _CREDENTIAL.match(request.headers.get("authorization", ""))
    if found is None:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    return Call(
        service=target.service,
        operation=target.operation,
        params={},
        access_key=found[1],
        region=found[2],
        session_token=request.headers.get("x-amz-security-token"),
        headers=request.headers,
        request_id=request_id,
    )


def _params(target: _Target, request: Request) -> dict[str, Any]:
    model = operation_model(target.service, target.operation)
    shape = model.input_shape if model else None
    if target.form is not None:
        return request_params(shape, query.read_params(shape, target.form), target.service)
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):  # a thousand brackets, or a number of 5,000 digits
        body = None
    if not isinstance(body, dict):
        raise ApiError("SerializationException", "The body is not a JSON object")
    return request_params(shape, body, target.service)


def _unknown(named: str, backend: Backend, status: int = 400) -> ApiError:
    served = sorted(name for names in backend.operations.values() for name in names)
    return ApiError(
        "UnknownOperationException", f"{named} is not served here, only {', '.join(served)}", status
    )


def _namespace(service: str) -> str:
    return str(service_model(service).metadata.get("xmlNamespace", ""))
