"""Request rates: a token bucket for each operation, account and region.

Users report two ListTrainingJobs calls a second for an account and region, shared by all
callers [R]. AWS publishes no figure.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.job import Place
from exporter.wire.calls import ApiError

_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimits:
    """Counts calls against the rates of the behaviour.

    Args:
        monotonic: Real seconds, as `time.monotonic` returns them: clients wait in real time,
            whatever the world's clock does.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: dict[_Key, _Bucket] = {}

    def spend(self, operation: str, place: Place, behaviour: Behaviour) -> None:
        """Count one call.

        Raises:
            ApiError: ThrottlingException: there were too many.
        """
        rate = rate_of(operation, behaviour)
        if rate is None:
            return
        size = max(1.0, rate)  # the calls of one second at once
        with self._lock:
            now = self._monotonic()
            bucket = self._buckets.setdefault((operation, *place), _Bucket(size, now))
            bucket.tokens = min(size, bucket.tokens + (now - bucket.filled_at) * rate)
            bucket.filled_at = now
            if bucket.tokens < 1:
                raise throttled()
            bucket.tokens -= 1


def rate_of(operation: str, behaviour: Behaviour) -> float | None:
    """Return the calls a second that an operation allows; None is no limit."""
    return {
        "ListTrainingJobs": behaviour.list_rps,
        "DescribeTrainingJob": behaviour.describe_rps,
        "Search": behaviour.search_rps,
        "ListTags": behaviour.list_tags_rps,
    }.get(operation)


def throttled() -> ApiError:
    """Return the error of the service for too many calls."""
    return ApiError("ThrottlingException", "Rate exceeded")
