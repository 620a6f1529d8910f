"""The projected range of a month holds in 80 ± 5 % of simulated months (short form)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from benchmarks.projection import PROMISED, TOLERANCE, share_held
from exporter.reports.projection import Range, project

TODAY = date(2026, 11, 16)
UNTIL = date(2026, 12, 1)


def test_it_holds_in_80_of_100_simulated_months() -> None:
    assert abs(share_held(months=60, seed=1) - PROMISED) <= TOLERANCE


def test_weekdays_repeat() -> None:
    # Only Sundays cost something, the same each week: 22 and 29 November are left.
    costs = {TODAY - timedelta(days=7 * week + 1): 70.0 for week in range(8)}
    assert project(costs, TODAY, UNTIL) == Range(140.0, 140.0, 140.0)


def test_three_weeks_are_needed_and_eight_are_used() -> None:
    def since(days: int, usd: float) -> dict[date, float]:
        return {TODAY - timedelta(days=number): usd for number in range(1, days + 1)}

    assert project({}, TODAY, UNTIL) is None
    assert project(since(20, 1.0), TODAY, UNTIL) is None
    assert project(since(21, 1.0), TODAY, UNTIL) == pytest.approx(Range(15, 15, 15))
    older = since(200, 50.0) | since(56, 1.0)
    assert project(older, TODAY, UNTIL) == pytest.approx(Range(15, 15, 15))


def test_the_range_is_the_prediction_interval_of_weekly_sums() -> None:
    # Weeks of 7, 14 and 21 USD: mean 14, standard deviation 7; two degrees of freedom.
    costs = {
        TODAY - timedelta(days=7 * week + day): 1.0 + week
        for week in range(3)
        for day in range(1, 8)
    }
    found = project(costs, TODAY, TODAY + timedelta(days=7))
    assert found is not None
    assert found.middle == pytest.approx(14)
    assert found.high - 14 == pytest.approx(7 * (1 + 1 / 3) ** 0.5 * 1.886)
    assert found.low == pytest.approx(max(0, 14 - 7 * (4 / 3) ** 0.5 * 1.886))
