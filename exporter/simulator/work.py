"""Runs the sessions of a scope: what each job becomes, and the warm pools that they hand on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import count
from random import Random
from typing import NamedTuple

from exporter.simulator.families import Naming
from exporter.simulator.job import JobSpec
from exporter.simulator.life import Life, PoolEnd, gets_pool, keeps_pool
from exporter.simulator.pools import Pools
from exporter.simulator.scope import Scope
from exporter.simulator.sessions import Session, after, never_starts


class Created(NamedTuple):
    """A job that a session creates.

    Attributes:
        life: The job. Whether it leaves a pool is decided when it ends.
        before: The job whose pool it takes, with the end of that pool; None at a cold start.
    """

    life: Life
    before: Life | None


class Work:
    """The sessions and the waiting pools of one scope.

    Args:
        scope: The scope.
        chance: The source of randomness, for names.
    """

    def __init__(self, scope: Scope, chance: Random) -> None:
        self._scope = scope
        self._chance = chance
        self._pools = Pools()
        self._specs: dict[tuple[int, int], tuple[JobSpec, JobSpec]] = {}

    def create(
        self,
        session: Session,
        number: int,
        when: datetime,
        is_taken: Callable[[str], bool],
        is_there: Callable[[Life], bool] = lambda _: True,
    ) -> Created:
        """Create a job of a session.

        Args:
            session: The session.
            number: The place of the job in it, from 0.
            when: When it is created.
            is_taken: Whether a name is in use.
            is_there: Whether the pool of a job still waits.
        """
        task, spec = session.tasks[number], self._spec(session)
        before = self._pools.take(spec, when, self._scope.behaviour, is_there)
        name = self._name(session, number, when, is_taken)
        started = None if never_starts(task) else after(when, task.warm if before else task.cold)
        life = Life(
            name,
            spec,
            session.family.tags,
            when,
            started,
            after(started or when, task.runs),
            task.status,
            task.failure_reason,
            task.billed,
            chain_began=before.chain_began if before else started,
        )
        if gets_pool(spec, self._scope.behaviour) and keeps_pool(
            life.status, life.started, life.failure_reason
        ):
            life = life._replace(pool=PoolEnd(life.expiry))
        if before is not None:
            before = before._replace(pool=PoolEnd(when, "Reused", name))
        return Created(life, before)

    def end(self, life: Life) -> Life:
        """Let the pool of a job wait if the quota has room when the job ends."""
        behaviour = self._scope.behaviour
        if life.pool is None or life.expiry <= life.ended:
            return life._replace(pool=None)
        if not self._pools.has_room(life.spec, life.ended, behaviour):
            shows = behaviour.pool_without_quota == "Terminated"
            return life._replace(pool=PoolEnd(life.ended, was_kept=False) if shows else None)
        self._pools.put(life)
        return life

    def leave(self, life: Life) -> None:
        """Let the pool of a job wait that has one already."""
        self._pools.put(life)

    def _spec(self, session: Session) -> JobSpec:
        """Return what the jobs of a session request now."""
        spec = session.spec
        seconds = self._scope.keep_alive.get(session.family.base)
        if seconds is None:
            return spec
        # Jobs share specifications, to save memory. The first one keeps the id in use.
        key = id(spec), seconds
        if key not in self._specs:
            self._specs[key] = spec, replace(spec, keep_alive_seconds=seconds or None)
        return self._specs[key][1]

    def _name(
        self, session: Session, number: int, when: datetime, is_taken: Callable[[str], bool]
    ) -> str:
        """Return the first free name: some have nothing but the time, in steps of 100 seconds."""
        family = session.family
        for later in count():
            at = after(when, 100 * later)
            name = family.named(Naming(family.base, at, session.key, number + 1, self._chance))
            if not is_taken(name):
                return name
        raise AssertionError("count() does not end")


def follower(session: Session, number: int) -> int | None:
    """Return the place of the job that follows a job of a session; None without one."""
    following = number + session.at_once
    return following if following < len(session.tasks) else None
