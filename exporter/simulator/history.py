"""The generated history of a world, and how it goes on."""

import gc
import heapq
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import NamedTuple

from exporter.simulator.families import Family, families
from exporter.simulator.job import FINAL_STATUSES, Job, JobState
from exporter.simulator.life import Life, PoolEnd, gets_pool, state_at, steps
from exporter.simulator.scope import Scope
from exporter.simulator.sessions import after, length, session

_DAY = timedelta(days=1)
_RECENT = timedelta(minutes=90)
_RECENT_SHARE = 100
_MOST_RECENT_JOBS = 60
_JOBS_PER_VARIANT = 20_000
_MOST_VARIANTS = 4
_HAND_MADE_MINUTES = 20.0


class Event(NamedTuple):
    """A future event: the creation of a job (None until then), or the next step of its life.

    Attributes:
        number: Decides ties, so that the steps of a life stay in order.
        expected: The state that this life gave the job last. If the job has another one by
            now, a test has moved it by hand.
    """

    when: datetime
    number: int
    scope: Scope
    life: Life
    job: Job | None
    expected: JobState | None


class History:
    """Generates past jobs and lets the world go on at the same rate.

    Args:
        seed: Two histories with the same seed are equal.

    Attributes:
        jobs_per_day: The jobs that `live` creates a day, in all scopes together; `write` sets
            it to the rate of the history that it made.
    """

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)  # noqa: S311 - a story, not a secret
        self._events: list[Event] = []
        self._numbers = count()
        self._families: dict[Scope, list[Family]] = {}
        self.jobs_per_day = 0.0

    def write(self, scopes: list[Scope], jobs: int, since: datetime, until: datetime) -> None:
        """Add a history of jobs to scopes, in their states at its end.

        Args:
            scopes: The scopes; the first gets the largest share.
            jobs: The exact number of jobs, in all scopes together.
            since: Begin of the history.
            until: End of the history; a few sessions are still running then.
        """
        self.jobs_per_day = jobs / max((until - since) / _DAY, 1e-6)
        with _no_garbage_collection():
            for scope, share in zip(scopes, _shares(jobs, len(scopes)), strict=True):
                self._write_scope(scope, share, since, until)

    def _write_scope(self, scope: Scope, jobs: int, since: datetime, until: datetime) -> None:
        variants = min(_MOST_VARIANTS, 1 + jobs // _JOBS_PER_VARIANT)
        self._families[scope] = families(scope.place, variants)
        rows = []
        going_on: list[Life] = []
        for life in self._past(scope, jobs, since, until):
            state = state_at(life, until, scope.behaviour)
            rows.append((life.name, life.created, life.spec, state))
            if life.over > until:
                going_on.append(life)
        scope.add_all(rows)
        for life in going_on:
            self._follow(scope, life, scope.job(life.name), until)

    def live(self, scopes: Iterable[Scope], since: datetime, until: datetime) -> int:
        """Let time pass and return the number of events.

        Args:
            scopes: The scopes whose hand-made jobs go on. New jobs appear where there is a
                generated history.
            since: The end of the previous call; everything until then has happened.
            until: The new time.
        """
        for scope in scopes:
            for job in scope.taken_by_hand():
                life = self._adopted(scope, job, since)
                if life is not None:
                    self._follow(scope, life, job, since)
        self._begin_sessions(since, until)
        happened = 0
        while self._events and self._events[0].when <= until:
            happened += self._happen(heapq.heappop(self._events))
        return happened

    def _past(self, scope: Scope, jobs: int, since: datetime, until: datetime) -> Iterator[Life]:
        taken = {job.name for job in scope.index.jobs}
        recent = min(_MOST_RECENT_JOBS, max(16, jobs // _RECENT_SHARE), jobs)
        made = 0
        while made < jobs:
            # The last sessions begin within hours of the end, so some are still running then.
            late = jobs - made <= recent
            begins = self._moment(max(since, until - _RECENT) if late else since, until, late)
            planned = list(self._session(scope, begins))
            if not taken.isdisjoint(life.name for life in planned):
                continue
            past = [life for life in planned if life.created <= until]
            if made + len(past) > jobs:
                planned = past = _cut(past, jobs - made)
            taken.update(life.name for life in planned)
            made += len(past)
            yield from past
            for life in planned[len(past) :]:
                self._push(life.created, scope, life, None)

    def _session(self, scope: Scope, begins: datetime) -> Iterator[Life]:
        known = self._families[scope]
        family = self._chance.choices(known, [each.habits.weight for each in known])[0]
        return session(family, scope.place, begins, self._chance, scope.behaviour)

    def _moment(self, since: datetime, until: datetime, evenly: bool) -> datetime:
        """Draw the begin of a session; unless evenly, more in working hours and later months."""
        whole = (until - since).total_seconds()
        while True:
            share = self._chance.random()
            when = after(since, whole * (share if evenly else share**0.8))
            busy = 1.0 if 7 <= when.hour < 19 else 0.3
            busy *= 1.0 if when.weekday() < 5 else 0.35
            if evenly or self._chance.random() < busy:
                return when

    def _begin_sessions(self, since: datetime, until: datetime) -> None:
        scopes = list(self._families)
        if not scopes or not self.jobs_per_day:
            return
        shares = _shares(1000, len(scopes))
        due = self.jobs_per_day * ((until - since) / _DAY)
        # The fraction of a job comes with that probability.
        due = int(due) + (self._chance.random() < due % 1)
        while due > 0:
            scope = self._chance.choices(scopes, shares)[0]
            for life in self._session(scope, self._moment(since, until, True)):
                self._push(life.created, scope, life, None)
                due -= 1

    def _adopted(self, scope: Scope, job: Job, now: datetime) -> Life | None:
        """Plan the rest of the life of a hand-made job; None if it is over."""
        state, spec = job.state, job.spec
        created, chance = job.creation_time, self._chance
        started, ended = state.training_start_time, state.training_end_time
        if ended is None and state.training_job_status not in FINAL_STATUSES:
            started = started or after(max(now, created), chance.uniform(130, 420))
            ended = after(max(now, started), length(_HAND_MADE_MINUTES, chance))
            status = "Completed"
        elif state.warm_pool_status == "Available" and ended is not None:
            status = state.training_job_status
        else:
            return None
        pool = None
        if gets_pool(spec, scope.behaviour):
            expires = after(ended, spec.keep_alive_seconds or 0)
            pool = PoolEnd(max(expires, now), "Terminated")
        return Life(
            job.name,
            spec,
            state.tags,
            created,
            started,
            ended,
            status,
            state.failure_reason,
            pool=pool,
        )

    def _follow(self, scope: Scope, life: Life, job: Job, now: datetime) -> None:
        """Queue the next step of a life."""
        moments = (step.when for step in steps(life, scope.behaviour))
        coming = next((when for when in moments if when > now), None)
        if coming is not None:
            self._push(coming, scope, life, job)

    def _happen(self, event: Event) -> bool:
        """Carry an event out and return whether it still applied."""
        scope, life, job = event.scope, event.life, event.job
        if scope.find(life.name) is not job or (job and job.state is not event.expected):
            return False
        state = state_at(life, event.when, scope.behaviour)
        if job is None:
            job = scope.add(life.name, life.created, life.spec, state)
        else:
            scope.set_state(job, state, event.when)
        self._follow(scope, life, job, event.when)
        return True

    def _push(self, when: datetime, scope: Scope, life: Life, job: Job | None) -> None:
        expected = None if job is None else job.state
        heapq.heappush(self._events, Event(when, next(self._numbers), scope, life, job, expected))


def _cut(planned: list[Life], size: int) -> list[Life]:
    """Return the first jobs of a session; nobody reuses the pool of the last of them."""
    kept = planned[:size]
    pool = kept[-1].pool
    if pool is not None and pool.reused_by is not None:
        expires = after(kept[-1].ended, kept[-1].spec.keep_alive_seconds or 0)
        kept[-1] = kept[-1]._replace(pool=PoolEnd(expires, "Terminated"))
    return kept


def _shares(whole: int, parts: int) -> list[int]:
    """Divide jobs among scopes; each gets one and a half times as many as the next."""
    weights = [1.5**-part for part in range(parts)]
    shares = [int(whole * weight / sum(weights)) for weight in weights]
    shares[0] += whole - sum(shares)
    return shares


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the garbage collector from scanning a growing history again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
