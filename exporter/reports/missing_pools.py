"""The rows of warm-pool-missing: the warm pool quota that would have kept every pool.

SQL gives one row per account, region and instance type (queries/warm-pool-missing.sql). The module
is pure: rows in, rows out.
"""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Literal

Row = Mapping[str, Any]

#: Which of several waiting pools a job takes: the one that began to wait last or first, or the one
#: that expires first. No other choice leaves more instances waiting than the last of these. A pool
#: that waits longer can replace one that expires sooner, but not the other way round.
Choice = Literal["newest", "oldest", "first to expire"]


@dataclass(frozen=True, slots=True)
class Job:
    """A job of an instance type; times are seconds since 1970.

    Attributes:
        number: Identifies it.
        specification: What another job must match to take its pool.
        created: When it was created, and took a waiting pool if there was one.
        ended: When it ended and left a pool, or should have; None = it leaves none.
        keep_alive: How long its pool waits at most, in seconds.
        instances: Its number of instances.
        taken_by: The job that is known to have taken its pool; -1 = it had a pool, but no such job
            is known; None = it had no pool.
    """

    number: int
    specification: str
    created: float
    ended: float | None
    keep_alive: int
    instances: int
    taken_by: int | None


#: The time of an end (1) or a creation (2), the number of the job, and the job. At the same moment,
#: a pool begins to wait before a job can take it.
_Event = tuple[float, int, int, Job]


def _events(jobs: Iterable[Job]) -> list[_Event]:
    events: list[_Event] = []
    for job in jobs:
        events.append((job.created, 2, job.number, job))
        if job.ended is not None:
            events.append((job.ended, 1, job.number, job))
    events.sort()  # the number of a job is its own, so jobs are never compared
    return events


def _observed_choice(jobs: Sequence[Job], events: Iterable[_Event]) -> Choice:
    """Return which of several waiting pools jobs took, if all observed reuses agree."""
    takers = {job.taken_by: job for job in jobs if job.taken_by is not None and job.taken_by >= 0}
    created = {job.number: job.created for job in jobs}
    votes: Counter[Choice] = Counter()
    waiting: dict[str, list[Job]] = defaultdict(list)
    for at, kind, number, job in events:
        pools = waiting[job.specification]
        if kind == 1:
            if job.taken_by is not None:
                pools.append(job)
        elif number in takers:
            # Those that still waited, whoever took them later.
            pools[:] = [pool for pool in pools if _waits_at(pool, at, created)]
            votes.update(_votes(pools, takers[number]))
    return _agreed(votes)


def _agreed(votes: Mapping[Choice, int]) -> Choice:
    """Return the choice that all votes are for; every vote is for the last one."""
    choices: tuple[Choice, ...] = ("newest", "oldest")
    every = votes["first to expire"]
    return next((each for each in choices if votes[each] == every > 0), "first to expire")


def _votes(pools: list[Job], taken: Job) -> Iterator[Choice]:
    """Yield what a reuse speaks for, and remove its pool; one pool alone says nothing."""
    if taken not in pools:
        return
    if len(pools) > 1:
        yield "first to expire"
        if pools[-1] is taken:
            yield "newest"
        if pools[0] is taken:
            yield "oldest"
    pools.remove(taken)


def _waits_at(pool: Job, at: float, created: Mapping[int, float]) -> bool:
    if pool.ended is None:
        return False
    taken_at = created.get(-1 if pool.taken_by is None else pool.taken_by)
    return at <= pool.ended + pool.keep_alive and (taken_at is None or at <= taken_at)


class _Waiting:
    """The waiting pools of an instance type, by specification.

    Attributes:
        instances: Their instances.
    """

    def __init__(self, choice: Choice) -> None:
        self.instances = 0
        self._choice = choice
        self._pools: dict[str, list[tuple[tuple[float, int], Job]]] = defaultdict(list)
        self._expiries: list[tuple[float, int, Job]] = []
        self._alive: set[int] = set()

    def expire(self, at: float, *, also_now: bool) -> None:
        """Remove the pools that expired before a time, or at that time."""
        while self._expiries and (
            self._expiries[0][0] < at or (also_now and self._expiries[0][0] == at)
        ):
            self._remove(heappop(self._expiries)[2])

    def add(self, job: Job, at: float) -> None:
        """Add the pool of a job that ends."""
        expiry = at + job.keep_alive
        heappush(self._expiries, (expiry, job.number, job))
        heappush(self._pools[job.specification], (_rank(self._choice, at, expiry, job.number), job))
        self._alive.add(job.number)
        self.instances += job.instances

    def take(self, job: Job) -> None:
        """Remove the pool that a new job takes, if there is one."""
        pools = self._pools[job.specification]
        while pools:
            taken = heappop(pools)[1]
            if taken.number in self._alive:
                self._remove(taken)
                return

    def _remove(self, job: Job) -> None:
        if job.number in self._alive:
            self._alive.remove(job.number)
            self.instances -= job.instances


def sufficient_quota(jobs: Sequence[Job], since: float, until: float) -> int:
    """Return the most instances that would have waited at a time, had every pool been kept.

    Args:
        jobs: The jobs of one account, region and instance type, in any order.
        since: Beginning of the period. Pools from before it count while they wait.
        until: End of the period.
    """
    events = _events(jobs)
    waiting = _Waiting(_observed_choice(jobs, events))
    most = 0
    for at, kind, _, job in events:
        if at >= until:
            break
        # A job that is created at the very moment of an expiry still takes the pool.
        waiting.expire(at, also_now=kind == 1)
        if kind == 2:
            waiting.take(job)
            continue
        waiting.add(job, at)
        if at >= since:
            most = max(most, waiting.instances)
    return most


def _rank(choice: Choice, at: float, expiry: float, number: int) -> tuple[float, int]:
    match choice:
        case "newest":
            return -at, -number
        case "oldest":
            return at, number
        case _:
            return expiry, number


def missing(rows: Iterable[Row], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of warm-pool-missing, most missing pools first, and the total.

    Args:
        rows: One row per account, region and instance type.
        values: `top`, and `jobs` (not None = one row per job).
    """
    types = [_type(row) for row in rows]
    types.sort(
        key=lambda row: (
            -row["missing_jobs"],
            -(row["held_seconds"] or 0),
            *(row[name] for name in ("account_id", "region", "instance_type")),
        )
    )
    found = types
    if values["jobs"] is not None:
        found = [shown for row in types for shown in _jobs(row)]
    return [*found[: values["top"]], _total(types)]


def _type(row: Row) -> dict[str, Any]:
    found = dict(row)
    # Each engine lists them in an order of its own.
    lost = sorted(_lost(row), key=lambda each: (each["ended_at"], each["job"]))
    quota, count = row["pool_quota"], None
    if lost:
        # Of several such moments the latest, whatever the order of the rows.
        worst = max(
            lost, key=lambda each: (each["running_then"] + each["waiting_then"], each["ended_at"])
        )
        found |= {name: worst[name] for name in ("ended_at", "running_then", "waiting_then")}
        found["sufficient_quota"] = sufficient_quota(
            _replayed(row), row["since_seconds"], row["until_seconds"]
        )
        found["request_command"] = _command(found)
        if quota is not None:
            count = sum(each["waiting_then"] + each["instances"] <= quota for each in lost)
    else:
        found["ended_at"] = None
    return found | {"unexplained_jobs": count, "lost": lost}


def _lost(row: Row) -> Iterator[dict[str, Any]]:
    """Yield the jobs of a type that got no pool."""
    columns = ("jobs", "ended_at", "running", "waiting", "instances")
    if not row["missing_jobs"]:
        return
    for values in zip(*(row[name] for name in columns), strict=True):
        job, ended_at, running, waiting, instances = values
        yield {
            "job": job,
            "ended_at": ended_at,
            "running_then": running,
            "waiting_then": waiting,
            "instances": instances or 0,
        }


def _replayed(row: Row) -> list[Job]:
    """Return the jobs of a type, numbered in an order that does not depend on the engine."""
    columns = ("ids", "specifications", "taken_from", "pool_from", "keep_alive", "counts")
    jobs = sorted(
        zip(*(row[name] for name in (*columns, "had_pool", "taken_by")), strict=True),
        key=lambda job: (job[2], job[1], job[3] or 0.0, job[4], job[5] or 0),
    )
    numbers = {job[0]: number for number, job in enumerate(jobs)}
    return [
        Job(
            number=numbers[key],
            specification=specification,
            created=created,
            ended=ended,
            keep_alive=keep_alive,
            instances=count or 0,
            taken_by=numbers.get(taker, -1) if had_pool else None,
        )
        for key, specification, created, ended, keep_alive, count, had_pool, taker in jobs
    ]


def _jobs(row: Row) -> Iterator[dict[str, Any]]:
    """Yield a row for each job of a type that got no pool, the latest first."""
    shared = {
        name: row[name]
        for name in (
            "account_id",
            "region",
            "instance_type",
            "training_quota",
            "pool_quota",
            "sufficient_quota",
            "quota_read_at",
        )
        if name in row
    }
    for lost in reversed(row["lost"]):
        quota = row["pool_quota"]
        had_room = None if quota is None else lost["waiting_then"] + lost["instances"] <= quota
        unexplained = None if had_room is None else int(had_room)
        yield {**shared, **lost, "missing_jobs": 1, "unexplained_jobs": unexplained}


def _command(row: Row) -> str | None:
    """Return the command that requests the quota; None = it is not known how, or is enough."""
    code, quota, wanted = row["quota_code"], row["pool_quota"], row["sufficient_quota"]
    if code is None or quota is None or wanted <= quota:
        return None
    return (
        f"aws service-quotas request-service-quota-increase --region {shlex.quote(row['region'])} "
        f"--service-code sagemaker --quota-code {shlex.quote(code)} --desired-value {wanted}"
    )


def _total(types: Sequence[Row]) -> dict[str, Any]:
    total: dict[str, Any] = {"is_total": True}
    for name in (
        "asked_jobs",
        "missing_jobs",
        "unexplained_jobs",
        "held_seconds",
        "delayed_jobs",
        "delayed_seconds",
    ):
        known = [row[name] for row in types if row[name] is not None]
        total[name] = sum(known) if known else None
    return total
