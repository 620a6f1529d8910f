"""Faults on demand: what goes wrong, where, and at which call.

A fault either takes the place of the answer (an error of the API) or spoils the answer on
its way out (the transport).
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any, Literal

from exporter.simulator.access import expired, unrecognized
from exporter.simulator.limits import throttled
from exporter.wire import ApiError, Call, Response
from exporter.wire.model import to_json
from exporter.wire.times import http_date

Kind = Literal[
    "throttle",
    "internal",
    "unavailable",
    "expired",
    "unrecognized",
    "denied",
    "rejected_token",
    "reset",
    "truncated",
    "foreign",
    "wrong_type",
    "missing_field",
    "hang",
    "no_date",
    "wrong_date",
]

_FOREIGN = b"<html><head><title>Sign in</title></head><body>Please sign in.</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at chosen calls.

    Attributes:
        kind: What: ``throttle``, ``internal`` (500 InternalFailure), ``unavailable`` (503
            ServiceUnavailable), ``expired`` (ExpiredTokenException), ``unrecognized``
            (UnrecognizedClientException), ``denied`` (AccessDeniedException),
            ``rejected_token`` (ValidationException, only for calls with a NextToken),
            ``reset`` (the connection, before any byte), ``truncated`` (half the body),
            ``foreign`` (HTML), ``wrong_type`` and ``missing_field`` (in a row of the
            answer), ``hang``, ``no_date``, ``wrong_date``. Of ``truncated`` and ``foreign``
            boto3 notices nothing: it gives an answer without any members.
        operation: Only at this operation; None is any.
        account_id: Only for this account; None is any.
        region: Only in this region; None is any.
        skip: How many matching calls pass first.
        times: How many are hit after that; None is for ever.
        seconds: How long a hang lasts, by the wall clock; how far a wrong date is off.
        chance: The share of the calls to be hit that is hit, by a seeded draw.
        field: Which field is spoiled; None is the first of a row.
        row: Which row is spoiled; negative counts from the end.
        status: The HTTP status of a foreign body.
    """

    kind: Kind
    operation: str | None = None
    account_id: str | None = None
    region: str | None = None
    skip: int = 0
    times: int | None = 1
    seconds: float = 3600.0
    chance: float = 1.0
    field: str | None = None
    row: int = 0
    status: int = 200

    def concerns(self, call: Call, account_id: str | None) -> bool:
        """Say whether a call is of the kind that this fault counts and hits."""
        return (
            self.operation in (None, call.operation)
            and self.region in (None, call.region)
            and self.account_id in (None, account_id)
            and (self.kind != "rejected_token" or bool(call.params.get("NextToken")))
        )


class Faults:
    """The faults injected, and how many calls each has seen; thread-safe.

    Args:
        seed: For faults that happen by chance.
    """

    def __init__(self, seed: int = 0) -> None:
        """Start without faults."""
        self._chance = Random(seed)  # noqa: S311 - a fault, not a secret
        self._lock = threading.Lock()
        self._seen: dict[int, int] = {}
        self._faults: list[Fault] = []

    def inject(self, fault: Fault) -> None:
        """Let it go wrong from now on."""
        with self._lock:
            self._faults.append(fault)
            self._seen[len(self._faults) - 1] = 0

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults.clear()
            self._seen.clear()

    def hit(self, call: Call, account_id: str | None) -> Fault | None:
        """Count a call and give the fault that hits it, the first injected of several."""
        found = None
        with self._lock:
            for number, fault in enumerate(self._faults):
                if not fault.concerns(call, account_id):
                    continue
                seen = self._seen[number]
                self._seen[number] = seen + 1
                ended = fault.times is not None and seen >= fault.skip + fault.times
                if found is None and seen >= fault.skip and not ended:
                    found = fault if self._chance.random() < fault.chance else None
        return found


def error_of(fault: Fault) -> ApiError | None:
    """Give the error that takes the answer's place, None for a fault of the transport."""
    errors = {
        "throttle": throttled(),
        "internal": ApiError("InternalFailure", "The request processing has failed.", 500),
        "unavailable": ApiError("ServiceUnavailable", "The server is too busy.", 503),
        "expired": expired(),
        "unrecognized": unrecognized(),
        "denied": ApiError("AccessDeniedException", "User is not authorized to perform this."),
        "rejected_token": ApiError("ValidationException", "Invalid NextToken."),
    }
    return errors.get(fault.kind)


def spoiled(fault: Fault, response: Response) -> Response:
    """Give the response as a fault of the transport leaves it; others change nothing."""
    if fault.kind == "reset":
        return replace(response, reset=True)
    if fault.kind == "truncated":
        return replace(response, send=len(response.body) // 2)
    if fault.kind == "foreign":
        headers = {**response.headers, "Content-Type": "text/html"}
        return replace(response, status=fault.status, headers=headers, body=_FOREIGN)
    if fault.kind == "hang":
        return replace(response, delay=fault.seconds)
    if fault.kind == "no_date":
        kept = {name: value for name, value in response.headers.items() if name != "Date"}
        return replace(response, headers=kept)
    if fault.kind == "wrong_date":
        told = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
        wrong = http_date(told + timedelta(seconds=fault.seconds))
        return replace(response, headers={**response.headers, "Date": wrong})
    if fault.kind in ("wrong_type", "missing_field"):
        return replace(response, body=_spoiled_row(fault, response.body))
    return response


def _spoiled_row(fault: Fault, body: bytes) -> bytes:
    answer: dict[str, Any] = json.loads(body)
    lists = [value for value in answer.values() if isinstance(value, list)]
    # A description is a row itself, whatever lists it holds.
    rows: list[Any] = lists[0] if lists and "TrainingJobArn" not in answer else [answer]
    if not -len(rows) <= fault.row < len(rows):
        return body
    row = rows[fault.row]
    if isinstance(row, Mapping) and set(row) == {"TrainingJob"}:
        row = row["TrainingJob"]
    name = fault.field or next(iter(row))
    if fault.kind == "missing_field":
        row.pop(name, None)
    else:
        row[name] = {"unexpected": [row.get(name)]}
    return to_json(answer)
