"""Draws a pool to scale: a lane per job with its training, and how long the pool was idle after it.

Pure: rows go in, lengths come out, and a template writes the SVG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

#: Jobs that are drawn; a chain can have hundreds.
MOST_LANES: Final = 40
#: Lengths in the units of the picture.
_LABEL: Final = 260.0
_WIDTH: Final = 620.0
_LANE: Final = 24.0
_HEAD: Final = 26.0
_LEAST: Final = 1.5
#: Seconds between two marks of the axis.
_STEPS: Final = (
    *(1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200),
    *(86_400 * days for days in (1, 2, 7, 14, 30, 90, 365)),
)
_MOST_TICKS: Final = 8


@dataclass(frozen=True)
class Bar:
    """A part of a lane: its kind, place and length, and what it says."""

    kind: str
    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Lane:
    """A job: its name, the middle of its lane, and its parts."""

    name: str
    is_this: bool
    y: float
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Timeline:
    """A picture: its size, its lanes, the marks of its axis, and how many jobs it leaves out."""

    width: float
    height: float
    lanes: Sequence[Lane]
    ticks: Sequence[tuple[float, str]]
    left_out: int

    @property
    def kinds(self) -> set[str]:
        """The kinds of bars in it."""
        return {bar.kind for lane in self.lanes for bar in lane.bars}


@dataclass(frozen=True)
class Step:
    """What a job did; a time that is not known is None.

    Attributes:
        name: The job.
        is_this: Whether the page is about it.
        created_at: When it was created.
        started_at: When its training began.
        ended_at: When its training ended.
        idle_seconds: How long its pool was idle afterwards.
        pool: The status of its pool.
    """

    name: str
    is_this: bool
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    idle_seconds: int | None
    pool: str | None


def steps(facts: Mapping[str, Any], chain: Sequence[Mapping[str, Any]]) -> list[Step]:
    """Return the steps of a pool in order, or of a job that ran on none.

    Args:
        facts: What is known of the job (`exporter.reports.job`).
        chain: The jobs on its pool, by column.
    """
    this = Step(
        facts["training_job_name"],
        True,
        facts["creation_time"],
        facts["training_start_time"],
        facts["training_end_time"],
        facts["warm_pool_retained_seconds"],
        facts["warm_pool_status"],
    )
    others = [
        this
        if row["is_this_job"]
        else Step(
            row["job"],
            False,
            None,
            row["started_at"],
            row["ended_at"],
            row["idle_seconds"],
            row["pool"],
        )
        for row in chain
    ]
    return others or [this]


def draw(found: Sequence[Step], now: datetime) -> Timeline:
    """Return the picture of a pool; a job that runs ends at `now`."""
    chosen = _around_this(found)
    parts = [_parts(step, now) for step in chosen]
    times = [time for part in parts for _, begin, end, _ in part for time in (begin, end)]
    first, last = min(times, default=now), max(times, default=now)
    seconds = max((last - first).total_seconds(), 1.0)

    def x(moment: datetime) -> float:
        return round(_LABEL + _WIDTH * (moment - first).total_seconds() / seconds, 2)

    lanes = [
        Lane(
            step.name,
            step.is_this,
            _HEAD + _LANE * place,
            [
                Bar(kind, x(begin), max(round(x(end) - x(begin), 2), _LEAST), text)
                for kind, begin, end, text in part
            ],
        )
        for place, (step, part) in enumerate(zip(chosen, parts, strict=True))
    ]
    return Timeline(
        _LABEL + _WIDTH + 20,
        _HEAD + _LANE * len(lanes) + 6,
        lanes,
        [(x(moment), text) for moment, text in _ticks(first, last)],
        len(found) - len(chosen),
    )


def _around_this(found: Sequence[Step]) -> Sequence[Step]:
    place = next((place for place, step in enumerate(found) if step.is_this), 0)
    first = max(0, min(place - MOST_LANES // 2, len(found) - MOST_LANES))
    return found[first : first + MOST_LANES]


def _parts(step: Step, now: datetime) -> list[tuple[str, datetime, datetime, str]]:
    """Return kind, begin, end and text of each part of a lane."""
    found: list[tuple[str, datetime, datetime, str]] = []
    begin = step.started_at or step.created_at
    if step.created_at and step.started_at and step.started_at > step.created_at:
        found.append(("waiting", step.created_at, step.started_at, "starting"))
    if begin is not None:
        end = step.ended_at or max(begin, now)
        text = "training" if step.ended_at else "training, still running"
        found.append(("training", begin, max(begin, end), text))
    if step.ended_at is not None and step.idle_seconds and step.idle_seconds > 0:
        kinds = {"Reused": "reused", "Terminated": "wasted"}
        kind = kinds.get(step.pool or "", "idle")
        until = step.ended_at + timedelta(seconds=min(step.idle_seconds, 10**9))
        texts = {"reused": "idle, then reused", "wasted": "idle, never reused"}
        found.append((kind, step.ended_at, until, texts.get(kind, "idle")))
    return found


def _ticks(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """Return round times between two times, with their texts."""
    found: list[tuple[datetime, str]] = []
    seconds = (last - first).total_seconds()
    step = next((each for each in _STEPS if seconds / each <= _MOST_TICKS), _STEPS[-1])
    begin = first.timestamp()
    number = -(-begin // step)
    while number * step <= last.timestamp() and len(found) <= 2 * _MOST_TICKS:
        moment = first + timedelta(seconds=number * step - begin)
        found.append((moment, _tick(moment, step, is_first=not found)))
        number += 1
    return found


def _tick(moment: datetime, step: int, *, is_first: bool) -> str:
    if step >= 86_400:
        return f"{moment:%Y-%m-%d}"
    clock = f"{moment:%H:%M:%S}" if step < 60 else f"{moment:%H:%M}"
    return f"{moment:%m-%d} {clock}" if is_first or clock.startswith("00:00") else clock
