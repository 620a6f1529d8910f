"""From an HTTP request to a typed call, and from its outcome to an HTTP response.

Sources: the AWS JSON 1.1 and query protocols; Signature Version 4, for where the region
and the access key id stand; answers of the real service, for the words of errors.
"""

import json
import re
import sys
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.wire import query
from exporter.wire.calls import Answer, ApiError, Backend, Body, Call, Outcome
from exporter.wire.model import checked, operation_model, request_params, service_model, to_json
from exporter.wire.server import Request, Response
from exporter.wire.times import http_date

_JSON = "application/x-amz-json-1.1"
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)/\d{8}/([^/,\s]+)/([^/,\s]+)/aws4_request"
)

Finish = Callable[[Call, Outcome, Response], Response]
"""The last look at a response before it is sent: for ledgers and for faults."""


@dataclass(frozen=True, slots=True)
class _Target:
    """Which operation a request asks for, and in which protocol."""

    service: str
    operation: str
    protocol: str
    form: dict[str, str]


class Front:
    """Understands requests, asks the back end, writes what it says.

    Args:
        backend: Who answers.
        now: The server's clock, for the ``Date`` header.
        finish: Sees each call that was understood, with its outcome and the response, and
            gives the response that is sent.
    """

    def __init__(
        self,
        backend: Backend,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        finish: Finish | None = None,
    ) -> None:
        """Learn the targets of the services that are served."""
        self._backend = backend
        self._now = now
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
        """Answer one request; never raises."""
        request_id = str(uuid.uuid4())
        protocol, service, call = "json", "", None
        try:
            target = self._target(request)
            protocol, service = target.protocol, target.service
            call = _call(target, request, request_id, {})
            self._refuse_unknown(target, request)
            call = _call(target, request, request_id, _params(target, request))
            answer = self._backend.answer(call)
            outcome: Outcome = answer
            response = self._written(call, protocol, answer)
        except ApiError as error:
            outcome = error
            response = self._refused(error, protocol, service, request_id)
        except Exception:  # a bug of the back end: told as the service tells of its own
            traceback.print_exc(file=sys.stderr)
            outcome = ApiError("InternalFailure", "The stand-in failed; see its stderr.", 500)
            response = self._refused(outcome, protocol, service, request_id)
        if call is None or self._finish is None:
            return response
        return self._finish(call, outcome, response)

    def _target(self, request: Request) -> _Target:
        named = request.headers.get("x-amz-target")
        if named is not None:
            prefix, _, operation = named.rpartition(".")
            service = self._prefixes.get(prefix)
            if service is None:
                raise _unknown(named, self._backend)
            return _Target(service, operation, "json", {})
        if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
            form = query.read_form(request.body)
            found = _CREDENTIAL.match(request.headers.get("authorization", ""))
            service = found[3] if found else ""
            if service in self._query_services:
                return _Target(service, form.get("Action", ""), "query", form)
            raise _unknown(f"{service}.{form.get('Action', '')}", self._backend)
        raise _unknown(f"{request.method} {request.target}", self._backend, 404)

    def _refuse_unknown(self, target: _Target, request: Request) -> None:
        if target.operation not in self._backend.operations[target.service]:
            named = request.headers.get("x-amz-target", f"{target.service}.{target.operation}")
            raise _unknown(named, self._backend)

    def _written(self, call: Call, protocol: str, answer: Answer) -> Response:
        if isinstance(answer, Body):
            return self._response(200, protocol, answer.content, call.request_id)
        checked(answer, call.service, call.operation, "output", open_enums=True)
        if protocol == "json":
            return self._response(200, protocol, to_json(answer), call.request_id)
        model = operation_model(call.service, call.operation)
        body = query.write_answer(
            call.operation,
            model.output_shape if model else None,
            answer,
            _namespace(call.service),
            call.request_id,
        )
        return self._response(200, protocol, body, call.request_id)

    def _refused(self, error: ApiError, protocol: str, service: str, request_id: str) -> Response:
        if protocol == "query":
            body = query.write_error(error, _namespace(service), request_id)
        else:
            body = to_json({"__type": error.code, "message": error.message})
        return self._response(error.status, protocol, body, request_id)

    def _response(self, status: int, protocol: str, body: bytes, request_id: str) -> Response:
        headers = {
            "x-amzn-RequestId": request_id,
            "Content-Type": "text/xml" if protocol == "query" else _JSON,
            "Date": http_date(self._now()),
        }
        return Response(status, headers, body)


def _call(target: _Target, request: Request, request_id: str, params: dict[str, Any]) -> Call:
    found = _CREDENTIAL.match(request.headers.get("authorization", ""))
    if found is None:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    return Call(
        service=target.service,
        operation=target.operation,
        params=params,
        access_key=found[1],
        region=found[2],
        session_token=request.headers.get("x-amz-security-token"),
        headers=request.headers,
        request_id=request_id,
    )


def _params(target: _Target, request: Request) -> dict[str, Any]:
    model = operation_model(target.service, target.operation)
    shape = model.input_shape if model else None
    if target.protocol == "query":
        raw = query.read_params(shape, target.form)
        return request_params(shape, raw, target.service)
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
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
