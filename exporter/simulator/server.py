"""The simulated services over HTTP, with a record of calls and with faults."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.simulator.access import access_key_of
from exporter.simulator.faults import Fault, Faults, damaged, error_of
from exporter.simulator.oddities import asked, shown
from exporter.simulator.scope import Scope
from exporter.simulator.service import OPERATIONS, Service
from exporter.simulator.world import DEFAULT_SCOPE, World
from exporter.wire import Answer, ApiError, Body, Call, Front, Outcome, Response, Server

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""The hosts that it may bind, because it trusts every caller."""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One answered call.

    Attributes:
        at: The world's time.
        service: Such as `sagemaker`.
        operation: Such as `ListTrainingJobs`; may be one that is not served.
        account_id: The account of the caller; None for unknown keys.
        region: The region of the call.
        params: The parameters, with datetimes; empty if they were not understood.
        status: The HTTP status of the response.
        error: The code of the error; None for an answer.
        rows: The number of records in the answer.
        fault: The kind of the fault that hit the call, or None.
        next_token: Whether the answer has a NextToken.
    """

    at: datetime
    service: str
    operation: str
    account_id: str | None
    region: str
    params: Mapping[str, Any]
    status: int
    error: str | None
    rows: int
    fault: str | None
    next_token: bool


class Simulator(Server):
    """Serves a world to unmodified AWS SDKs; a context manager.

    Args:
        world: The jobs.
        port: 0 picks any free one.
        host: A loopback address.
        monotonic: The clock of the rate limits, in seconds.
        record: Keep a record of the calls.

    Attributes:
        world: As passed in.
        calls: The recorded calls, in the order of their answers.
        on_answer: Called with each answer before it is sent. If it changes the world, the
            change happens between this page and the next.

    Raises:
        ValueError: The host is not the loopback.
        OSError: The port is taken.
    """

    operations = OPERATIONS

    def __init__(
        self,
        world: World,
        port: int = 0,
        host: str = "127.0.0.1",
        monotonic: Callable[[], float] = time.monotonic,
        record: bool = True,
    ) -> None:
        if host not in LOOPBACK:
            raise ValueError(f"the simulator serves the loopback only, not {host}")
        self.world = world
        self.calls: list[RecordedCall] = []
        self.on_answer: Callable[[RecordedCall], object] | None = None
        self._record = record
        self._faults = Faults(world.seed)
        self._service = Service(world, monotonic)
        self._hits: dict[str, Fault] = {}
        self._lock = threading.Lock()
        super().__init__(Front(self, world.clock.now, finish=self._finish).handle, host, port)

    def environment(self, account: str | None = None, region: str | None = None) -> dict[str, str]:
        """Return the environment variables that lead any AWS SDK to this service.

        Args:
            account: The owner of the keys; None is the account of the first scope.
            region: The default region; None is the first region of the account.
        """
        scopes = [each.place for each in self.world.scopes()] or [DEFAULT_SCOPE]
        account = account or scopes[0].account_id
        regions = [each.region for each in scopes if each.account_id == account]
        region = region or next(iter(regions), DEFAULT_SCOPE.region)
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": access_key_of(account),
            "AWS_SECRET_ACCESS_KEY": "stand-in-secret",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        self._faults.inject(fault)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def answer(self, call: Call) -> Answer:
        """Answer a call, unless a fault replaces the answer."""
        fault = self._faults.hit(call, self._account(call))
        if fault is not None:
            with self._lock:
                self._hits[call.request_id] = fault
            error = error_of(fault)
            if error is not None:
                raise error
        if call.service == "sagemaker":
            call = asked(call, self._scope(call), self.world.behaviour)
        return self._service.answer(call)

    def _finish(self, call: Call, outcome: Outcome, response: Response) -> Response:
        with self._lock:
            fault = self._hits.pop(call.request_id, None)
        response = shown(call, response, self.world.behaviour)
        if fault is not None:
            response = damaged(fault, response)
        rows, next_token = _contents(outcome)
        recorded = RecordedCall(
            at=self.world.clock.now(),
            service=call.service,
            operation=call.operation,
            account_id=self._account(call),
            region=call.region,
            params=call.params,
            status=response.status,
            error=outcome.code if isinstance(outcome, ApiError) else None,
            rows=rows,
            fault=fault.kind if fault else None,
            next_token=next_token,
        )
        if self._record:
            self.calls.append(recorded)
        if self.on_answer is not None:
            self.on_answer(recorded)
        return response

    def _scope(self, call: Call) -> Scope:
        return self.world.scope(self._service.caller(call).account_id, call.region)

    def _account(self, call: Call) -> str | None:
        try:
            return self._service.caller(call).account_id
        except ApiError:
            return None


def _contents(outcome: Outcome) -> tuple[int, bool]:
    """Return the number of records in an answer, and whether it has a NextToken."""
    if isinstance(outcome, ApiError):
        return 0, False
    if isinstance(outcome, Body):
        return outcome.rows, b'"NextToken":' in outcome.content[-12_000:]
    lists = [value for value in outcome.values() if isinstance(value, list)]
    return len(lists[0]) if lists else 1, "NextToken" in outcome
