"""How a world comes to have a history, and how its days go on."""

import gc
import heapq
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import NamedTuple

from exporter.simulator import lives
from exporter.simulator.behaviour import Behaviour
from exporter.simulator.families import Family, families
from exporter.simulator.job import FINAL_STATUSES, Job, JobState
from exporter.simulator.lives import Life, PoolFate
from exporter.simulator.scope import Scope
from exporter.simulator.sessions import after, gets_pool, length, session

_RECENT = timedelta(minutes=90)
_RECENT_SHARE = 100
_MOST_RECENT_JOBS = 60
_JOBS_PER_VARIANT = 20_000
_MOST_VARIANTS = 4
_HAND_MADE_MINUTES = 20.0


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking a growing history again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Event(NamedTuple):
    """Something that will happen: a birth, or a step of a life already begun.

    Attributes:
        when: When.
        number: Decides between equals, so that a life's steps stay in order.
        scope: Where.
        life: Whose.
        job: The job, None before its birth.
        expected: The state this life last gave the job; if it has another by then,
            somebody has taken it into their own hands.
    """

    when: datetime
    number: int
    scope: Scope
    life: Life
    job: Job | None
    expected: JobState | None


class Chronicle:
    """Makes history and lets it go on.

    Args:
        seed: Two chronicles of one seed tell the same story.

    Attributes:
        jobs_per_day: How many jobs are created a day by :meth:`live`, in all scopes
            together; set by :meth:`write` from the history it made.
    """

    def __init__(self, seed: int) -> None:
        """Start with nothing to tell."""
        self._chance = Random(seed)  # noqa: S311 - a story, not a secret
        self._events: list[Event] = []
        self._numbers = count()
        self._families: dict[Scope, list[Family]] = {}
        self.jobs_per_day = 0.0

    def write(
        self,
        scopes: list[Scope],
        jobs: int,
        since: datetime,
        until: datetime,
        behaviour: Behaviour,
    ) -> None:
        """Give scopes a history of exactly so many jobs, as it stands at its end.

        Args:
            scopes: Whose; the first gets the largest share.
            jobs: How many, in all scopes together.
            since: From when.
            until: Up to when; a few sessions are under way then.
            behaviour: How the service behaved all the while.
        """
        self.jobs_per_day = jobs / max((until - since) / timedelta(days=1), 1e-6)
        with _uncollected():
            for scope, share in zip(scopes, _shares(jobs, len(scopes)), strict=True):
                self._write_scope(scope, share, since, until, behaviour)

    def _write_scope(
        self, scope: Scope, jobs: int, since: datetime, until: datetime, behaviour: Behaviour
    ) -> None:
        variants = min(_MOST_VARIANTS, 1 + jobs // _JOBS_PER_VARIANT)
        self._families[scope] = families(scope.account_id, scope.region, variants)
        rows = []
        going_on: list[Life] = []
        for life in self._history(scope, jobs, since, until, behaviour):
            state = lives.state_at(life, until, behaviour)
            rows.append((life.name, life.created, life.spec, state))
            if life.over > until:
                going_on.append(life)
        scope.add_all(rows)
        for life in going_on:
            self._follow(scope, life, scope.job(life.name), until, behaviour)

    def live(
        self, scopes: Iterable[Scope], since: datetime, until: datetime, behaviour: Behaviour
    ) -> int:
        """Let time pass and give how many things happened.

        Args:
            scopes: Where new jobs may be created: those that have a history.
            since: From when; what happened by then has been told.
            until: Up to when.
            behaviour: How the service behaves.
        """
        for scope in scopes:
            for job in scope.taken_by_hand():
                life = self._adopted(job, since, behaviour)
                if life is not None:
                    self._follow(scope, life, job, since, behaviour)
        self._begin_sessions(since, until, behaviour)
        happened = 0
        while self._events and self._events[0].when <= until:
            happened += self._happen(heapq.heappop(self._events), behaviour)
        return happened

    def _history(
        self, scope: Scope, jobs: int, since: datetime, until: datetime, behaviour: Behaviour
    ) -> Iterable[Life]:
        taken = {job.name for job in scope.index.jobs}
        recent = min(_MOST_RECENT_JOBS, max(16, jobs // _RECENT_SHARE), jobs)
        told = 0
        while told < jobs:
            # The last sessions begin within hours of the end, so that some are under way.
            late = jobs - told <= recent
            begins = self._moment(max(since, until - _RECENT) if late else since, until, late)
            planned = list(self._session(scope, begins, behaviour))
            if not taken.isdisjoint(life.name for life in planned):
                continue
            past = [life for life in planned if life.created <= until]
            if told + len(past) > jobs:
                planned = past = _cut(past, jobs - told)
            taken.update(life.name for life in planned)
            told += len(past)
            yield from past
            for life in planned[len(past) :]:
                self._push(life.created, scope, life, None, None)

    def _session(self, scope: Scope, begins: datetime, behaviour: Behaviour) -> Iterable[Life]:
        known = self._families[scope]
        family = self._chance.choices(known, [each.weight for each in known])[0]
        return session(family, scope.arn_prefix, begins, self._chance, behaviour)

    def _moment(self, since: datetime, until: datetime, plain: bool) -> datetime:
        """Draw when a session begins: more in later months, in working hours, on weekdays."""
        whole = (until - since).total_seconds()
        while True:
            share = self._chance.random()
            when = after(since, whole * (share if plain else share**0.8))
            busy = 1.0 if 7 <= when.hour < 19 else 0.3
            busy *= 1.0 if when.weekday() < 5 else 0.35
            if plain or self._chance.random() < busy:
                return when

    def _begin_sessions(self, since: datetime, until: datetime, behaviour: Behaviour) -> None:
        scopes = list(self._families)
        if not scopes or not self.jobs_per_day:
            return
        shares = _shares(1000, len(scopes))
        owed = self.jobs_per_day * ((until - since) / timedelta(days=1))
        # The fraction of a job that is owed comes with that probability.
        owed = int(owed) + (self._chance.random() < owed % 1)
        while owed > 0:
            scope = self._chance.choices(scopes, shares)[0]
            begins = self._moment(since, until, True)
            for life in self._session(scope, begins, behaviour):
                self._push(life.created, scope, life, None, None)
                owed -= 1

    def _adopted(self, job: Job, now: datetime, behaviour: Behaviour) -> Life | None:
        """Plan the rest of the life of a job that somebody made or moved, None if it is over."""
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
        if gets_pool(spec, behaviour):
            settled = after(ended, spec.keep_alive_seconds or 0)
            pool = PoolFate(max(settled, now), "Terminated")
        return Life(job.name, spec, state.tags, created, started, ended, status, pool=pool)

    def _follow(
        self, scope: Scope, life: Life, job: Job, now: datetime, behaviour: Behaviour
    ) -> None:
        """Note the next step of a life."""
        coming = [step for step in lives.steps(life, behaviour) if step.when > now]
        if coming:
            self._push(coming[0].when, scope, life, job, job.state)

    def _happen(self, event: Event, behaviour: Behaviour) -> bool:
        scope, life, job = event.scope, event.life, event.job
        if job is None:
            if scope.find(life.name) is not None:
                return False
            state = lives.state_at(life, event.when, behaviour)
            job = scope.add(life.name, life.created, life.spec, state)
        else:
            if scope.find(life.name) is not job or job.state is not event.expected:
                return False
            scope.set_state(job, lives.state_at(life, event.when, behaviour), event.when)
        self._follow(scope, life, job, event.when, behaviour)
        return True

    def _push(
        self,
        when: datetime,
        scope: Scope,
        life: Life,
        job: Job | None,
        expected: JobState | None,
    ) -> None:
        heapq.heappush(self._events, Event(when, next(self._numbers), scope, life, job, expected))


def _cut(planned: list[Life], size: int) -> list[Life]:
    """Give the first lives of a session, the last of them reused by nobody."""
    kept = planned[:size]
    pool = kept[-1].pool
    if pool is not None and pool.reused_by is not None:
        expires = after(kept[-1].ended, kept[-1].spec.keep_alive_seconds or 0)
        kept[-1] = kept[-1]._replace(pool=PoolFate(expires, "Terminated"))
    return kept


def _shares(whole: int, parts: int) -> list[int]:
    """Divide jobs among scopes, each getting half as many again as the next."""
    weights = [1.5**-part for part in range(parts)]
    shares = [int(whole * weight / sum(weights)) for weight in weights]
    shares[0] += whole - sum(shares)
    return shares
