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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, NamedTuple

import tenacity

from exporter.sagemaker.answers import read_bodies
from exporter.sagemaker.failures import BrokenAnswer, Kind, explain, kind_of
from exporter.sagemaker.pacing import Pacers

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
#: An HTTP Date is cut to seconds, so a later one may seem to be this much earlier.
_DATE_PRECISION: Final = timedelta(seconds=1)
#: Years of a Date that the arithmetic of a sync can add to and subtract from.
_YEARS: Final = range(1970, 9999)


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

    @property
    def items(self) -> Sequence[object]:
        """The list that the operation promises; none of its records has been checked."""
        items: Sequence[object] = self.data[_PROMISED[self.operation]]
        return items

    @property
    def next_token(self) -> str | None:
        """The token of the next page; None at the end."""
        return self.data.get("NextToken") or None


Fate = Literal["skipped", "repaired"]


class Tally(NamedTuple):
    """What has been counted.

    Attributes:
        calls: Attempts by operation.
        throttles: Attempts that were throttled.
        odd: Records that are not as the API documents them, by what was done with them, operation
            and member.
    """

    calls: Counter[str]
    throttles: int
    odd: Counter[tuple[Fate, str, str]]

    def by_member(self) -> dict[Fate, dict[str, int]]:
        """Return the odd records as the ledger keeps them: `{"skipped": {"Search.X": 1}}`."""
        found: dict[Fate, dict[str, int]] = {}
        for (fate, operation, member), number in sorted(self.odd.items()):
            found.setdefault(fate, {})[f"{operation}.{member}"] = number
        return found

    @property
    def skipped(self) -> int:
        """Records of any operation that say not which job they are about."""
        return sum(number for (fate, *_), number in self.odd.items() if fate == "skipped")


class Counts:
    """Calls by operation, retries included, throttles and odd records; thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._throttles = 0
        self._odd: Counter[tuple[Fate, str, str]] = Counter()

    def call(self, operation: str) -> None:
        """Count an attempt."""
        with self._guard:
            self._calls[operation] += 1

    def throttle(self) -> None:
        """Count an attempt that was throttled."""
        with self._guard:
            self._throttles += 1

    def odd(self, fate: Fate, operation: str, members: Iterable[str]) -> None:
        """Count a record for each of its members that are not as the API documents them."""
        with self._guard:
            self._odd.update((fate, operation, member) for member in members)

    def snapshot(self) -> Tally:
        """Return the counts as they are now, for `since`."""
        with self._guard:
            return Tally(self._calls.copy(), self._throttles, self._odd.copy())

    def since(self, before: Tally) -> Tally:
        """Return what has been added to the counts since a snapshot."""
        now = self.snapshot()
        return Tally(
            now.calls - before.calls, now.throttles - before.throttles, now.odd - before.odd
        )


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
        now: The time of this machine, for a service that sends none.
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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        uniform: Callable[[float, float], float] = random.uniform,
        notify_wait: Callable[[str, float], None] = lambda *_: None,
        check: Callable[[], None] = lambda: None,
        counts: Counts | None = None,
    ) -> None:
        read_bodies(client)
        self._client = client
        self.account_id = account_id
        self.region = region
        self.scope = f"{account_id}/{region}"
        self.counts = counts or Counts()
        self._pacers = pacers
        self._retries = retries
        self._sleep = sleep
        self._monotonic = monotonic
        self._now = now
        self._uniform = uniform
        self._notify_wait = notify_wait
        self._check = check
        self._last_date: tuple[datetime, float] | None = None
        #: The `as_of` of the last answer of each operation. Calls of two operations may overlap.
        self._latest: dict[str, datetime] = {}

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
        _check_shape(operation, data)
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
        as_of = None
        if date is not None:
            self._last_date = (date, received)
            # The Date has whole seconds, but a later request is never from an earlier moment.
            as_of = date - timedelta(seconds=received - sent)
            latest = self._latest.get(operation)
            if latest is not None and as_of < latest <= as_of + _DATE_PRECISION:
                as_of = latest
            self._latest[operation] = as_of
        return Answer(operation, data, as_of, date)

    def seconds_between(self, operation: str) -> float:
        """Return the seconds between two calls of an operation at its present pace."""
        return self._pacers.of(self.account_id, self.region, operation).seconds_between

    def time(self) -> datetime:
        """Return the server's time now, by its last Date; without one, this machine's time."""
        if self._last_date is None:
            return self._now()
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


#: The list that each answer has. An empty or foreign body must not look like "no jobs", and
#: neither must another type in the place of the list.
_PROMISED: Final = {
    "ListTrainingJobs": "TrainingJobSummaries",
    "Search": "Results",
    "ListTags": "Tags",
    "ListServiceQuotas": "Quotas",
}


def _check_shape(operation: str, data: Mapping[str, Any]) -> None:
    """Refuse an answer that is not of its operation, such as a truncated or foreign body.

    Raises:
        BrokenAnswer: It has no list where it promises one, or a NextToken that is no text.
    """
    member = _PROMISED.get(operation)
    if member is None:
        if not data.keys() - {"ResponseMetadata"}:
            raise BrokenAnswer("members")
    elif not isinstance(data.get(member), list):
        raise BrokenAnswer(f"list {member}" if member in data else member)
    if not isinstance(data.get("NextToken"), str | None):
        raise BrokenAnswer("text NextToken")


def http_date(data: Mapping[str, Any]) -> datetime | None:
    """Return the HTTP Date of an answer in whole seconds; None if it has none, or no date."""
    headers = data.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        moment = parsedate_to_datetime(headers["date"])
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return None
    if moment.year not in _YEARS:
        return None
    # "-0000" is parsed without a zone; it means UTC, never the time of this machine.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
