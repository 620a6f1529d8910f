"""One scope's calls: paced, retried, counted, and each answer with the server's time.

boto3's own retries are off (one attempt a call), because the pace has to hold for every attempt
and the ledger has to count each.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn

import tenacity

from exporter.sagemaker.failures import BrokenAnswer, Kind, explain, kind_of
from exporter.sagemaker.pacing import Pacers

_log = logging.getLogger(__name__)

#: Attempts of one call before it is given up; a throttle is worth more patience than a failure.
ATTEMPTS: Final = {Kind.THROTTLE: 12, Kind.PASSING: 6}
LONGEST_BACKOFF: Final = 20.0


@dataclass(frozen=True)
class Answer:
    """What an operation answered.

    Attributes:
        data: The parsed answer.
        as_of: The server's time at which the request was sent at the earliest: the HTTP Date
            less the duration of the attempt. None where the server gave none.
        date: The HTTP Date itself.
    """

    data: Mapping[str, Any]
    as_of: datetime | None
    date: datetime | None


class Counts:
    """Calls by operation, retries included, and throttles; safe for many threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.throttles = 0

    def call(self, operation: str) -> None:
        """An attempt went out."""
        with self._guard:
            self.calls[operation] += 1

    def throttle(self) -> None:
        """An attempt was throttled."""
        with self._guard:
            self.throttles += 1

    def snapshot(self) -> tuple[Counter[str], int]:
        """The counts as they are now, for `since`."""
        with self._guard:
            return self.calls.copy(), self.throttles

    def since(self, before: tuple[Counter[str], int]) -> tuple[dict[str, int], int]:
        """What has been added to the counts since a snapshot."""
        with self._guard:
            return dict(self.calls - before[0]), self.throttles - before[1]


class Api:
    """Calls of one account and region.

    Args:
        client: A boto3 client of SageMaker, with one attempt a call.
        account_id: Account, for the pace and for messages.
        region: Region, likewise.
        pacers: The run's pacers.
        sleep, monotonic, uniform: Waiting, time and jitter, so that tests need none of them.
        waiting: Told how long it waits and why ("throttled", "retry"), for the progress line.
        check: Called before each attempt; raises where the run was told to stop.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - boto3 makes its clients at run time
        account_id: str,
        region: str,
        pacers: Pacers,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        waiting: Callable[[str, float], None] = lambda *_: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self.account_id = account_id
        self.region = region
        self.scope = f"{account_id}/{region}"
        self.counts = Counts()
        self._pacers = pacers
        self._sleep = sleep
        self._monotonic = monotonic
        self._uniform = uniform
        self._waiting = waiting
        self._check = check
        self._last_date: tuple[datetime, float] | None = None
        self._latest: datetime | None = None

    def call(self, operation: str, **parameters: Any) -> Answer:  # noqa: ANN401 - as boto3 takes
        """Call an operation until it answers or the patience ends.

        Raises:
            ExporterError: By `failures.explain`, one class for each thing to do next.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: kind_of(error) in ATTEMPTS),
            stop=_patience_is_over,
            wait=self._backoff,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, operation, parameters)
        except Exception as error:
            self._raise(error, operation)

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
        self._tell(
            logging.DEBUG,
            "answer",
            operation=operation,
            seconds=round(received - sent, 3),
            date=date,
            request_id=data.get("ResponseMetadata", {}).get("RequestId"),
        )
        if date is not None:
            self._last_date = (date, received)
            # The Date has whole seconds; what was asked later is not from earlier all the same.
            as_of = date - timedelta(seconds=received - sent)
            self._latest = max(self._latest or as_of, as_of)
        return Answer(data, None if date is None else self._latest, date)

    def server_time(self) -> datetime | None:
        """The server's time now, by its last answer; None where it never gave one."""
        if self._last_date is None:
            return None
        date, received = self._last_date
        return date + timedelta(seconds=self._monotonic() - received)

    def _backoff(self, state: tenacity.RetryCallState) -> float:
        ceiling = min(0.5 * 2 ** (state.attempt_number - 1), LONGEST_BACKOFF)
        pause = self._uniform(ceiling / 2, ceiling)
        error = state.outcome.exception() if state.outcome else None
        throttled = error is not None and kind_of(error) is Kind.THROTTLE
        why = "throttled" if throttled else "retry"
        self._waiting(why, pause)
        self._tell(
            logging.INFO, why, attempt=state.attempt_number, pause=round(pause, 3), error=error
        )
        return pause

    def _tell(self, level: int, event: str, **figures: object) -> None:
        _log.log(level, event, extra={"scope": self.scope, **figures})

    def _raise(self, error: Exception, operation: str) -> NoReturn:
        raise explain(error, operation, self.scope) from error


_METHODS: Final = {
    "ListTrainingJobs": "list_training_jobs",
    "DescribeTrainingJob": "describe_training_job",
    "Search": "search",
    "ListTags": "list_tags",
}


#: A member that each answer has. botocore takes a body that it cannot parse (cut short, or a
#: proxy's page) for an empty answer, and an empty answer must not look like "no jobs".
_PROMISED: Final = {
    "ListTrainingJobs": "TrainingJobSummaries",
    "DescribeTrainingJob": "TrainingJobArn",
    "Search": "Results",
    "ListTags": "Tags",
}


def http_date(data: Mapping[str, Any]) -> datetime | None:
    """The server's clock as its answer gives it, whole seconds; None where there is none."""
    headers = data.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        moment = parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError):
        return None
    # "-0000" comes out without a zone; it is UTC all the same, never this machine's time.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _patience_is_over(state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return error is None or state.attempt_number >= ATTEMPTS.get(kind_of(error), 1)
