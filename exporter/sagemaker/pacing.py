"""The pace of calls: one limiter per account, region and operation.

ListTrainingJobs allows 2 calls a second for a whole account and region, shared with consoles,
pipelines and the dispatchers of other people (aws-solutions/deepracer-on-aws#87). So the pace
stays below that and gives way: a throttle halves it, an answer restores 5 % of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

_SLOWEST: Final = 1 / 16
_RECOVERY: Final = 1.05


class Pacer:
    """A limiter that spaces calls evenly, so that other callers fit in between.

    Args:
        per_second: Calls per second; 0 means no limit.
        sleep: Waits that many seconds.
        monotonic: Seconds on a clock that never goes back.
    """

    def __init__(
        self,
        per_second: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = 1 / per_second if per_second > 0 else 0.0
        self._share = 1.0
        self._next = 0.0
        self._sleep = sleep
        self._monotonic = monotonic
        self._guard = threading.Lock()

    def wait(self) -> None:
        """Wait until this call may go out."""
        if not self._interval:
            return
        with self._guard:
            now = self._monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval / self._share
        if turn > now:
            self._sleep(turn - now)

    def throttled(self) -> None:
        """Halve the pace, because the service throttled a call."""
        with self._guard:
            self._share = max(self._share / 2, _SLOWEST)

    def answered(self) -> None:
        """Restore a little of the pace, because the service answered."""
        with self._guard:
            self._share = min(self._share * _RECOVERY, 1.0)

    @property
    def seconds_between(self) -> float:
        """Seconds between two calls now; 0 = no limit."""
        return self._interval / self._share

    @property
    def share(self) -> float:
        """Current pace as a fraction of the full one, 1/16 to 1."""
        return self._share


class Pacers:
    """All pacers of a run; scopes of one account and region share theirs.

    `--max-rps` limits ListTrainingJobs. AWS publishes no limits for Search, Describe and ListTags
    and counts all operations separately, so each has its own pace, in proportion to `--max-rps`.
    """

    _PROPORTION: Final = {
        "ListTrainingJobs": 1.0,
        "Search": 1.0,
        "DescribeTrainingJob": 4.0,
        "ListTags": 4.0,
        # A whole listing is about thirty pages, once a day; AWS documents 10 calls a second.
        "ListServiceQuotas": 4.0,
    }

    def __init__(
        self,
        max_rps: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_rps = max_rps
        self._sleep = sleep
        self._monotonic = monotonic
        self._pacers: dict[tuple[str, str, str], Pacer] = {}
        self._guard = threading.Lock()

    def of(self, account_id: str, region: str, operation: str) -> Pacer:
        """Return the pacer of an operation in an account and region."""
        with self._guard:
            key = (account_id, region, operation)
            if key not in self._pacers:
                rate = self._max_rps * self._PROPORTION.get(operation, 1.0)
                self._pacers[key] = Pacer(rate, sleep=self._sleep, monotonic=self._monotonic)
            return self._pacers[key]
