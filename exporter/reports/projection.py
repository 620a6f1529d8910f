"""Projects the cost of a month from the days so far. Pure.

The rest of the month is a sum of future days. Its middle is the mean of each weekday over the last
weeks. Its spread comes from the sums of whole weeks, so that days that move together count: if the
n sums are independent draws with the standard deviation s, the sum of k more weeks differs from k
times their mean by s·√(k·(1 + k/n)) · t, where t has n − 1 degrees of freedom (the prediction
interval of a mean). `python -m benchmarks.projection` counts how often the range holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from math import sqrt
from statistics import fmean, stdev
from typing import Final, NamedTuple

#: Whole weeks to learn from: at most, and at least.
WEEKS: Final = 8
FEWEST_WEEKS: Final = 3
#: The 90 % point of Student's t by degrees of freedom: 80 % of the draws lie within ±t.
_T: Final = {2: 1.886, 3: 1.638, 4: 1.533, 5: 1.476, 6: 1.440, 7: 1.415}
_DAY: Final = timedelta(days=1)


class Range(NamedTuple):
    """A projected amount in USD: its middle, and the ends that hold it in 80 of 100 months."""

    middle: float
    low: float
    high: float


def project(costs: Mapping[date, float], today: date, until: date) -> Range | None:
    """Return the cost from today up to a day that is excluded.

    Args:
        costs: Cost in USD by day; a day without an entry after the first one cost nothing.
        today: The first day to project; the days before it are complete.
        until: The first day that is not projected.

    Returns:
        The range, or None if there are fewer than three whole weeks of history.
    """
    before = [day for day in costs if day < today]
    weeks = min(WEEKS, (today - min(before)).days // 7) if before else 0
    if weeks < FEWEST_WEEKS:
        return None
    # By weeks before today: the first list has the last seven days.
    known = [
        [costs.get(today - _DAY * (7 * week + day), 0.0) for day in range(1, 8)]
        for week in range(weeks)
    ]
    # A day that is d days ahead has the weekday of 7 − d % 7 days before today.
    ahead = range((until - today).days)
    middle = sum(fmean(week[6 - day % 7] for week in known) for day in ahead)
    share = len(ahead) / 7
    spread = stdev(map(sum, known)) * sqrt(share * (1 + share / weeks)) * _T[weeks - 1]
    return Range(middle, max(0.0, middle - spread), middle + spread)
