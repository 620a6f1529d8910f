"""Faults on demand: what goes wrong, in which scope, and at which call.

A fault either replaces the answer by an error of the API, or damages the answer on its way
out, as a broken transport does.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from itertools import count
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
    "denied_by_policy",
    "skewed",
    "rejected_token",
    "not_found",
    "reset",
    "truncated",
    "foreign",
    "wrong_type",
    "missing_field",
    "no_list",
    "hang",
    "no_date",
    "wrong_date",
    "trickle",
    "edited",
]

_FOREIGN = b"<html><head><title>Sign in</title></head><body>Please sign in.</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at chosen calls.

    Attributes:
        kind: `throttle`, `internal` (500 InternalFailure), `unavailable` (503
            ServiceUnavailable), `expired` (ExpiredTokenException), `unrecognized`
            (UnrecognizedClientException), `denied` (AccessDeniedException),
            `denied_by_policy` (the same by a service control policy), `skewed`
            (InvalidSignatureException, as for a wrong clock), `rejected_token`
            (ValidationException, only for calls with a NextToken), `not_found` (although the
            job is there), `reset` (the connection, before any byte), `truncated` (half the
            body), `foreign` (HTML), `wrong_type` and `missing_field` (in a row of the answer),
            `hang`, `no_date`, `wrong_date`, `trickle` (a byte of the body at a time), `edited`
            (any other change of the body).
            `no_list` is an object in the place of the list, which boto3 reads as an empty list. It
            does not notice `truncated` and `foreign`: it returns an answer without members.
        operation: The only operation to hit; None is any.
        account_id: The only account to hit; None is any.
        region: The only region to hit; None is any.
        skip: The number of matching calls to let through first.
        times: The number of calls to hit after that; None is unlimited.
        seconds: The length of a hang, or of the pause before each byte, in real time; the error of
            a wrong date.
        chance: The share of the remaining calls to hit, drawn with a seed.
        field: The field to damage; None is the first of the row.
        row: The row to damage; negative numbers count from the end.
        status: The HTTP status of a foreign body.
        edit: Returns the body that takes the place of a body.
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
    edit: Callable[[bytes], bytes] = bytes

    def concerns(self, call: Call, account_id: str | None) -> bool:
        """Return whether this fault counts a call."""
        return (
            self.operation in (None, call.operation)
            and self.region in (None, call.region)
            and self.account_id in (None, account_id)
            and (self.kind != "rejected_token" or bool(call.params.get("NextToken")))
        )


class Faults:
    """The injected faults, and the number of calls that each has counted; thread-safe.

    Args:
        seed: Decides about faults that happen by chance.
    """

    def __init__(self, seed: int = 0) -> None:
        self._chance = Random(seed)  # noqa: S311 - a fault, not a secret
        self._lock = threading.Lock()
        self._counted: list[tuple[Fault, Iterator[int]]] = []

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._counted.append((fault, count()))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._counted.clear()

    def hit(self, call: Call, account_id: str | None) -> Fault | None:
        """Count a call and return the fault that hits it; of several, the one injected first."""
        found = None
        with self._lock:
            for fault, numbers in self._counted:
                if not fault.concerns(call, account_id):
                    continue
                number = next(numbers)
                ended = fault.times is not None and number >= fault.skip + fault.times
                if found is None and number >= fault.skip and not ended:
                    found = fault if self._chance.random() < fault.chance else None
        return found


def error_of(fault: Fault) -> ApiError | None:
    """Return the error that replaces the answer; None for a fault of the transport."""
    errors = {
        "throttle": throttled(),
        "internal": ApiError("InternalFailure", "The request processing has failed.", 500),
        "unavailable": ApiError("ServiceUnavailable", "The server is too busy.", 503),
        "expired": expired(),
        "unrecognized": unrecognized(),
        "denied": ApiError("AccessDeniedException", "User is not authorized to perform this."),
        "denied_by_policy": ApiError(
            "AccessDeniedException",
            "User is not authorized to perform this with an explicit deny in a service control "
            "policy",
        ),
        "skewed": ApiError(
            "InvalidSignatureException",
            "Signature expired: 20261101T120000Z is now earlier than 20261101T130000Z",
        ),
        "rejected_token": ApiError("ValidationException", "Invalid NextToken."),
        "not_found": ApiError("ValidationException", "Requested resource not found."),
    }
    return errors.get(fault.kind)


def damaged(fault: Fault, response: Response) -> Response:
    """Return the response as a fault of the transport leaves it; other faults change nothing."""
    if fault.kind == "reset":
        return replace(response, reset=True)
    if fault.kind == "truncated":
        return replace(response, send=len(response.body) // 2)
    if fault.kind == "foreign":
        headers = {**response.headers, "Content-Type": "text/html"}
        return replace(response, status=fault.status, headers=headers, body=_FOREIGN)
    if fault.kind == "hang":
        return replace(response, delay=fault.seconds)
    if fault.kind == "trickle":
        return replace(response, pause=fault.seconds)
    if fault.kind == "edited":
        return replace(response, body=fault.edit(response.body))
    if fault.kind == "no_date":
        kept = {name: value for name, value in response.headers.items() if name != "Date"}
        return replace(response, headers=kept)
    if fault.kind == "wrong_date":
        right = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
        wrong = http_date(right + timedelta(seconds=fault.seconds))
        return replace(response, headers={**response.headers, "Date": wrong})
    if fault.kind == "no_list":
        return replace(response, body=_with_objects_for_lists(response.body))
    if fault.kind in ("wrong_type", "missing_field"):
        return replace(response, body=_with_damaged_row(fault, response.body))
    return response


def _with_objects_for_lists(body: bytes) -> bytes:
    answer = json.loads(body)
    return to_json({name: {} if isinstance(each, list) else each for name, each in answer.items()})


def _with_damaged_row(fault: Fault, body: bytes) -> bytes:
    answer: dict[str, Any] = json.loads(body)
    lists = [value for value in answer.values() if isinstance(value, list)]
    # A description is itself a row, although it holds lists.
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
