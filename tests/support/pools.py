"""Jobs whose warm pools did what SageMaker does: one specification, served in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.support.cases import Record, job

COLD, WARM = 300, 20


@dataclass(frozen=True)
class Wish:
    """A job to run: when it is created, how long it trains, and how long its pool may wait."""

    family: str
    created: datetime
    train: int
    keep_alive: int


def served(wishes: Iterable[Wish], *, oldest_first: bool = False, **more: Any) -> list[Record]:
    """Return the jobs with their pools.

    Args:
        wishes: The jobs, all of one specification, none created at the end of another.
        oldest_first: Which of several waiting pools a job takes; else the newest.
        more: What all jobs have in common, see `cases.job`.
    """
    ordered = sorted(wishes, key=lambda wish: wish.created)
    names = [f"{wish.family}-{place:04}" for place, wish in enumerate(ordered)]
    ends: list[datetime] = []
    warm: list[bool] = []
    taken_by: dict[int, int] = {}
    for place, wish in enumerate(ordered):
        waiting = [
            before
            for before, end in enumerate(ends)
            if before not in taken_by
            and end <= wish.created <= end + timedelta(seconds=ordered[before].keep_alive)
            and ordered[before].keep_alive
        ]
        waiting.sort(key=lambda before: ends[before], reverse=not oldest_first)
        if waiting:
            taken_by[waiting[0]] = place
        warm.append(bool(waiting))
        wait = WARM if waiting else COLD
        ends.append(wish.created + timedelta(seconds=wait + wish.train))
    return [
        job(
            names[place],
            wish.created,
            wait=WARM if warm[place] else COLD,
            train=wish.train,
            keep_alive=wish.keep_alive or None,
            **_pool(place, wish, ordered, ends, names, taken_by),
            **more,
        )
        for place, wish in enumerate(ordered)
    ]


def _pool(
    place: int,
    wish: Wish,
    ordered: Sequence[Wish],
    ends: Sequence[datetime],
    names: Sequence[str],
    taken_by: dict[int, int],
) -> dict[str, Any]:
    if not wish.keep_alive:
        return {}
    if place not in taken_by:
        return {"pool": ("Terminated", wish.keep_alive)}
    taker = taken_by[place]
    idle = int((ordered[taker].created - ends[place]).total_seconds())
    return {"pool": ("Reused", idle), "taken_by": names[taker]}
