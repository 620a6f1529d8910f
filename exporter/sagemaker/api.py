"""The calls of one scope: paced, retried, counted, each answer with the server's time.

The retries of boto3 are off (one attempt per call), because the pace has to hold for every attempt
and the ledger has to count each one.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import tenacity

from exporter.sagemaker.failures import BrokenAnswer, Kind, explain, kind_of
from exporter.sagemaker.pacing import Pacers
from exporter.sagemaker.rows import Record

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often one call is tried, and how long the waits between two attempts get.

    Attributes:
        throttled: Attempts if the service throttles; it deserves more patience than a failure.
        failed: Attempts if the service or the network fails.
        longest_backoff: Longest wait in seconds.
    """

    throttled: int = 12
    failed: int = 6
    longest_backoff: float = 20.0

    def attempts(self, error: BaseException) -> int:
        """Return how often a call that ends with this error is tried in all."""
        attempts = {Kind.THROTTLE: self.throttled, Kind.TRANSIENT: self.failed}
        return attempts.get(kind_of(error), 1)


DEFAULT_RETRIES: Final = Retries()


@dataclass(frozen=True)
class Answer:
    """An answer of an operation.

    Attributes:
        operation: The operation.
        data: The parsed answer.
        as_of: Earliest server time at which the request can have been sent: the HTTP Date minus
            the duration of the attempt. None if the server gave none.
        date: The HTTP Date itself.
    """

    operation: str
    data: Mapping[str, Any]
    as_of: datetime | None
    date: datetime | None

    def items(self, member: str) -> Sequence[object]:
        """Return the list in a member.

        Raises:
            ServiceError: The member is missing or no list.
        """
        items: Sequence[object] = Record(self.data, self.operation).require(member, list)
        return items


class Counts:
    """Calls by operation, retries included, and throttles; thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.throttles = 0

    def call(self, operation: str) -> None:
        """Count an attempt."""
        with self._guard:
            self.calls[operation] += 1

    def throttle(self) -> None:
        """Count an attempt that was throttled."""
        with self._guard:
            self.throttles += 1

    def snapshot(self) -> tuple[Counter[str], int]:
        """Return the counts as they are now, for `since`."""
        with self._guard:
            return self.calls.copy(), self.throttles

    def since(self, before: tuple[Counter[str], int]) -> tuple[dict[str, int], int]:
        """Return what has been added to the counts since a snapshot."""
        with self._guard:
            return dict(self.calls - before[0]), self.throttles - before[1]


class Api:
    """Calls of one account and region.

    Args:
        client: A boto3 client of SageMaker or Service Quotas, with one attempt per call.
        account_id: Account, for the pace and for messages.
        region: Region, likewise.
        pacers: The pacers of the run.
        retries: How often and how long a call is tried.
        sleep: Waits that many seconds.
        monotonic: Seconds on a clock that never goes back.
        uniform: Draws the jitter of a wait between two bounds.
        notify_wait: Called before each wait with its reason ("throttled" or "retry") and seconds.
        check: Called before each attempt; raises if the run has to stop.
        counts: Where to count; None = counts of its own.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - boto3 makes its clients at run time
        account_id: str,
        region: str,
        pacers: Pacers,
        *,
        retries: Retries = DEFAULT_RETRIES,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        notify_wait: Callable[[str, float], None] = lambda *_: None,
        check: Callable[[], None] = lambda: None,
        counts: Counts | None = None,
    ) -> None:
        self._client = client
        self.account_id = account_id
        self.region = region
        self.scope = f"{account_id}/{region}"
        self.counts = counts or Counts()
        self._pacers = pacers
        self._retries = retries
        self._sleep = sleep
        self._monotonic = monotonic
        self._uniform = uniform
        self._notify_wait = notify_wait
        self._check = check
        self._last_date: tuple[datetime, float] | None = None
        self._latest: datetime | None = None

    def call(self, operation: str, **parameters: Any) -> Answer:  # noqa: ANN401 - as boto3 takes
        """Call an operation until it answers or the attempts are used up.

        Raises:
            ExporterError: The class says what to do next (see `failures.explain`).
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: self._retries.attempts(error) > 1),
            stop=self._is_last_attempt,
            wait=self._backoff,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, operation, parameters)
        except Exception as error:
            raise explain(error, operation, self.scope) from error

    def _attempt(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        self._check()
        pacer = self._pacers.of(self.account_id, self.region, operation)
        pacer.wait()
        self.counts.call(operation)
        sent = self._monotonic()
        try:
            data = getattr(self._client, _METHODS[operation])(**parameters)
        except Exception as error:
            if kind_of(error) is Kind.THROTTLE:
                pacer.throttled()
                self.counts.throttle()
            raise
        if _PROMISED[operation] not in data:
            raise BrokenAnswer(_PROMISED[operation])
        pacer.answered()
        date = http_date(data)
        received = self._monotonic()
        _log.debug(
            "answer",
            extra={
                "scope": self.scope,
                "operation": operation,
                "seconds": round(received - sent, 3),
                "date": date,
                "request_id": data.get("ResponseMetadata", {}).get("RequestId"),
            },
        )
        if date is not None:
            self._last_date = (date, received)
            # The Date has whole seconds, but a later request is never from an earlier moment.
            as_of = date - timedelta(seconds=received - sent)
            self._latest = max(self._latest or as_of, as_of)
        return Answer(operation, data, None if date is None else self._latest, date)

    def server_time(self) -> datetime | None:
        """Return the server's time now, by its last answer; None if it never gave one."""
        if self._last_date is None:
            return None
        date, received = self._last_date
        return date + timedelta(seconds=self._monotonic() - received)

    def _backoff(self, state: tenacity.RetryCallState) -> float:
        ceiling = min(0.5 * 2 ** (state.attempt_number - 1), self._retries.longest_backoff)
        pause = self._uniform(ceiling / 2, ceiling)
        error = state.outcome.exception() if state.outcome else None
        throttled = error is not None and kind_of(error) is Kind.THROTTLE
        reason = "throttled" if throttled else "retry"
        self._notify_wait(reason, pause)
        _log.info(
            reason,
            extra={
                "scope": self.scope,
                "attempt": state.attempt_number,
                "pause": round(pause, 3),
                "error": error,
            },
        )
        return pause

    def _is_last_attempt(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return error is None or state.attempt_number >= self._retries.attempts(error)


_METHODS: Final = {
    "ListTrainingJobs": "list_training_jobs",
    "DescribeTrainingJob": "describe_training_job",
    "Search": "search",
    "ListTags": "list_tags",
    "ListServiceQuotas": "list_service_quotas",
}


#: A member that each answer has. botocore turns a body that it cannot parse (truncated, or the
#: page of a proxy) into an empty answer, and an empty answer must not look like "no jobs".
_PROMISED: Final = {
    "ListTrainingJobs": "TrainingJobSummaries",
    "DescribeTrainingJob": "TrainingJobArn",
    "Search": "Results",
    "ListTags": "Tags",
    "ListServiceQuotas": "Quotas",
}


def http_date(data: Mapping[str, Any]) -> datetime | None:
    """Return the HTTP Date of an answer in whole seconds; None if there is none."""
    headers = data.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        moment = parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError):
        return None
    # "-0000" is parsed without a zone; it means UTC, never the time of this machine.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
