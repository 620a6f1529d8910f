"""Counts how often the projected range of a month holds: `python -m benchmarks.projection`.

Each world is a year of daily costs with its own weekdays, noise, and days that move together. A
month of it is projected from its 5th, 10th, 15th, 20th and 25th day, as `report summary` does, and
compared with what the month cost in the end. The range promises to hold in 80 % of the months.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from benchmarks import MISSED
from exporter.reports.projection import project

PROMISED: Final = 0.80
TOLERANCE: Final = 0.05
FROM_DAYS: Final = (5, 10, 15, 20, 25)
_START: Final = date(2026, 1, 1)
_FIRST, _UNTIL = date(2026, 10, 1), date(2026, 11, 1)

World = Callable[[random.Random], Mapping[date, float]]


def _year(cost: Callable[[date], float]) -> dict[date, float]:
    days = (_START + timedelta(days=number) for number in range(365))
    return {day: cost(day) for day in days}


def steady(draw: random.Random) -> Mapping[date, float]:
    """Return days of one level with independent noise."""
    return _year(lambda _: 100 * draw.lognormvariate(0, 0.4))


def office(draw: random.Random) -> Mapping[date, float]:
    """Return working days that cost five times as much as a weekend."""
    return _year(lambda day: (100 if day.weekday() < 5 else 20) * draw.lognormvariate(0, 0.5))


def campaigns(draw: random.Random) -> Mapping[date, float]:
    """Return days that move together: a busy time fades within a few days."""
    state = 0.0

    def cost(_: date) -> float:
        nonlocal state
        state = 0.5 * state + draw.gauss(0, 0.3)
        return 100 * math.exp(state)

    return _year(cost)


def sweeps(draw: random.Random) -> Mapping[date, float]:
    """Return a low level, and a sweep that costs ten times as much on one day of six."""
    return _year(lambda _: 20 * draw.lognormvariate(0, 0.3) + 200 * (draw.random() < 1 / 6))


WORLDS: Final[Mapping[str, World]] = {
    each.__name__: each for each in (steady, office, campaigns, sweeps)
}


def held(world: World, months: int, seed: int) -> Mapping[int, float]:
    """Return the share of months whose cost was in the range, by the day of the projection."""
    found = dict.fromkeys(FROM_DAYS, 0)
    for number in range(months):
        costs = world(random.Random(f"{seed} {number}"))  # noqa: S311 - a simulation
        for day in FROM_DAYS:
            today = _FIRST.replace(day=day)
            known = {each: usd for each, usd in costs.items() if each < today}
            expected = project(known, today, _UNTIL)
            if expected is None:
                raise ValueError("the world has too few days")
            spent = sum(usd for each, usd in costs.items() if today <= each < _UNTIL)
            found[day] += expected.low <= spent <= expected.high
    return {day: count / months for day, count in found.items()}


def share_held(months: int, seed: int) -> float:
    """Return the share over all worlds and days."""
    shares = [share for world in WORLDS.values() for share in held(world, months, seed).values()]
    return sum(shares) / len(shares)


def main() -> int:
    """Print the share of each world and day; return 3 if the promise is missed over all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.projection", description=__doc__)
    parser.add_argument("--months", type=int, default=1_000, help="months of each world")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("range held, projected on day " + "".join(f"{day:>7}" for day in FROM_DAYS))
    for name, world in WORLDS.items():
        shares = held(world, options.months, options.seed)
        print(f"{name:29}" + "".join(f"{share:7.1%}" for share in shares.values()))
    share = share_held(options.months, options.seed)
    print(f"over all: {share:.1%}; goal: {PROMISED:.0%} ± {TOLERANCE:.0%}")
    return MISSED if abs(share - PROMISED) > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
