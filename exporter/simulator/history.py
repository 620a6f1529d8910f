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
from exporter.simulator.life import Life, PoolEnd, gets_pool, keeps_pool, state_at, steps
from exporter.simulator.scope import Scope
from exporter.simulator.sessions import Session, after, length, session
from exporter.simulator.work import Work, follower

_DAY = timedelta(days=1)
_RECENT = timedelta(minutes=90)
_RECENT_SHARE = 100
_MOST_RECENT_JOBS = 60
_JOBS_PER_VARIANT = 20_000
_MOST_VARIANTS = 4
_HAND_MADE_MINUTES = 20.0


class Creation(NamedTuple):
    """A job of a session that will be created.

    Attributes:
        order: Decides ties.
        number: The place of the job in the session.
    """

    when: datetime
    order: int
    scope: Scope
    session: Session
    number: int


class Step(NamedTuple):
    """The next step of a life.

    Attributes:
        order: Decides ties, so that the steps of a life stay in order.
        expected: The state that this life gave the job last. If the job has another one by
            now, a test has moved it by hand.
    """

    when: datetime
    order: int
    scope: Scope
    life: Life
    job: Job
    expected: JobState


class End(NamedTuple):
    """The end of a past job that keeps its pool if the quota has room; see `Creation`."""

    when: datetime
    order: int
    life: Life


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
        self._events: list[Creation | Step] = []
        self._orders = count()
        self._families: dict[Scope, list[Family]] = {}
        self._works: dict[Scope, Work] = {}
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
        lives = self._past(scope, jobs, since, until)
        rows = (
            (life.name, life.created, life.spec, state_at(life, until, scope.behaviour))
            for life in lives.values()
        )
        scope.add_all(rows)
        for life in lives.values():
            if life.over > until:
                self._follow(scope, life, scope.job(life.name), until)

    def schedule(self, scope: Scope, sessions: Iterable[Session]) -> None:
        """Add sessions, which `live` runs when their time comes."""
        for each in sessions:
            self._begin(scope, each)

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
            event = heapq.heappop(self._events)
            if isinstance(event, Creation):
                self._create(event)
                happened += 1
            else:
                happened += self._step(event)
        return happened

    def _past(self, scope: Scope, jobs: int, since: datetime, until: datetime) -> dict[str, Life]:
        """Return past jobs by name; what their sessions do later is scheduled."""
        taken = {job.name for job in scope.index.jobs}
        recent = min(_MOST_RECENT_JOBS, max(16, jobs // _RECENT_SHARE), jobs)
        planned = 0
        sessions: list[Session] = []
        while planned < jobs:
            # The last sessions begin within hours of the end, so some are still running then.
            late = jobs - planned <= recent
            made = self._session_between(scope, since, until, late, jobs - planned)
            sessions.append(made)
            planned += len(made.tasks)
        lives: dict[str, Life] = {}
        self._run(scope, sessions, until, lives, taken)
        while len(lives) < jobs:  # some jobs of late sessions are not created yet
            more = self._session_between(scope, since, until, True, jobs - len(lives))
            self._run(scope, [more], until, lives, taken)
        return lives

    def _session_between(
        self, scope: Scope, since: datetime, until: datetime, late: bool, most: int
    ) -> Session:
        """Draw a session of a limited number of jobs."""
        begins = self._moment(max(since, until - _RECENT) if late else since, until, late)
        made = self._session(scope, begins)
        return made._replace(tasks=made.tasks[:most])

    def _run(
        self,
        scope: Scope,
        sessions: Iterable[Session],
        until: datetime,
        lives: dict[str, Life],
        taken: set[str],
    ) -> None:
        """Let sessions work until a moment, and schedule the rest.

        Args:
            scope: Their scope.
            sessions: The sessions.
            until: The moment.
            lives: Receives the jobs by name.
            taken: Names in use; receives the new ones.
        """
        work = self._work(scope)
        events: list[Creation | End] = []
        for each in sessions:
            events.append(self._creation(scope, each, 0, each.begins))
        heapq.heapify(events)
        while events and events[0].when <= until:
            event = heapq.heappop(events)
            if isinstance(event, End):
                lives[event.life.name] = work.end(event.life)
                continue
            life, before = work.create(event.session, event.number, event.when, taken.__contains__)
            taken.add(life.name)
            lives[life.name] = life
            if before is not None:
                lives[before.name] = before
            if life.pool is not None:
                heapq.heappush(events, End(life.ended, next(self._orders), life))
            for following in self._next(event, life):
                heapq.heappush(events, following)
        self._events += [event for event in events if isinstance(event, Creation)]
        heapq.heapify(self._events)

    def _work(self, scope: Scope) -> Work:
        if scope not in self._works:
            self._works[scope] = Work(scope, self._chance)
        return self._works[scope]

    def _session(self, scope: Scope, begins: datetime) -> Session:
        known = self._families[scope]
        family = self._chance.choices(known, [each.habits.weight for each in known])[0]
        return session(family, scope.place, begins, self._chance)

    def _begin(self, scope: Scope, made: Session) -> None:
        heapq.heappush(self._events, self._creation(scope, made, 0, made.begins))

    def _creation(self, scope: Scope, made: Session, number: int, since: datetime) -> Creation:
        when = after(since, made.tasks[number].pause)
        return Creation(when, next(self._orders), scope, made, number)

    def _next(self, event: Creation, life: Life) -> Iterator[Creation]:
        """Yield the creations that are certain once a job is created."""
        scope, made, number = event.scope, event.session, event.number
        if number == 0:
            for other in range(1, min(made.at_once, len(made.tasks))):
                yield self._creation(scope, made, other, made.begins)
        following = follower(made, number)
        if following is not None:
            yield self._creation(scope, made, following, life.ended)

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
            made = self._session(scope, self._moment(since, until, True))
            self._begin(scope, made)
            due -= len(made.tasks)

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
        life = Life(
            job.name,
            spec,
            state.tags,
            created,
            started,
            ended,
            status,
            state.failure_reason,
            chain_began=started,
        )
        if gets_pool(spec, scope.behaviour) and keeps_pool(status, started, state.failure_reason):
            life = life._replace(pool=PoolEnd(max(life.expiry, now)))
        if state.warm_pool_status == "Available":
            self._work(scope).leave(life)
        return life

    def _follow(self, scope: Scope, life: Life, job: Job, now: datetime) -> None:
        """Queue the next step of a life."""
        moments = (step.when for step in steps(life, scope.behaviour))
        coming = next((when for when in moments if when > now), None)
        if coming is not None:
            step = Step(coming, next(self._orders), scope, life, job, job.state)
            heapq.heappush(self._events, step)

    def _create(self, event: Creation) -> None:
        scope = event.scope

        def is_taken(name: str) -> bool:
            return scope.find(name) is not None

        def is_there(life: Life) -> bool:
            job = scope.find(life.name)
            return job is not None and job.state.warm_pool_status == "Available"

        life, before = self._work(scope).create(
            event.session, event.number, event.when, is_taken, is_there
        )
        state = state_at(life, event.when, scope.behaviour)
        job = scope.add(life.name, life.created, life.spec, state)
        if before is not None:
            # The queued end of that pool no longer applies, because the state is another one.
            left = state_at(before, event.when, scope.behaviour)
            scope.set_state(scope.job(before.name), left, event.when)
        self._follow(scope, life, job, event.when)
        for following in self._next(event, life):
            heapq.heappush(self._events, following)

    def _step(self, event: Step) -> bool:
        """Carry a step out and return whether it still applied."""
        scope, life, job = event.scope, event.life, event.job
        if scope.find(life.name) is not job or job.state is not event.expected:
            return False
        if event.when == life.ended and life.pool is not None:
            life = self._work(scope).end(life)
        scope.set_state(job, state_at(life, event.when, scope.behaviour), event.when)
        self._follow(scope, life, job, event.when)
        return True


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
