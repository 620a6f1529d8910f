"""Request rates: a bucket of tokens for each operation, account and region.

Two ListTrainingJobs calls a second for an account and region, shared with whoever else
calls there, is what users report; the service publishes no figure.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from exporter.simulator.behaviour import Behaviour
from exporter.wire.types import ApiError

Place = tuple[str, str, str]
"""Operation, account, region."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimits:
    """Counts calls against the behaviour's rates.

    Args:
        monotonic: Seconds by the wall, as ``time.monotonic`` gives them: a client waits
            in real time, whatever the world's clock does.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Start with full buckets."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: dict[Place, _Bucket] = {}

    def spend(self, place: Place, behaviour: Behaviour) -> None:
        """Let one call through.

        Raises:
            ApiError: ThrottlingException: too many.
        """
        rate = rate_of(place[0], behaviour)
        if rate is None:
            return
        size = max(1.0, rate * behaviour.burst_seconds)
        with self._lock:
            now = self._monotonic()
            bucket = self._buckets.setdefault(place, _Bucket(size, now))
            bucket.tokens = min(size, bucket.tokens + (now - bucket.filled_at) * rate)
            bucket.filled_at = now
            if bucket.tokens < 1:
                raise throttled()
            bucket.tokens -= 1


def rate_of(operation: str, behaviour: Behaviour) -> float | None:
    """Give the calls a second that an operation may have, None for no limit."""
    return {
        "ListTrainingJobs": behaviour.list_rps,
        "DescribeTrainingJob": behaviour.describe_rps,
        "Search": behaviour.search_rps,
        "ListTags": behaviour.list_tags_rps,
    }.get(operation)


def throttled() -> ApiError:
    """Give the error as it is on the wire."""
    return ApiError("ThrottlingException", "Rate exceeded")
