"""The warm pools that wait in an account and region, and which job takes which.

A job takes a pool whose job requested the same, whatever its family [D]. AWS does not document
which of several, so the behaviour decides [I].
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.job import JobSpec
from exporter.simulator.life import Life, can_use_pools

Match = tuple[object, ...]


def match_of(spec: JobSpec) -> Match:
    """Return what two jobs must have in common to share a pool [D]."""
    return (
        spec.role_arn,
        spec.instance_type,
        spec.instance_count,
        spec.volume_size_gb,
        spec.volume_kms_key_id,
        frozenset(spec.subnets),
        frozenset(spec.security_group_ids),
        spec.encrypt_traffic,
        spec.network_isolation,
    )


class Waiting(NamedTuple):
    """A pool that waits for a job.

    Attributes:
        expires: When it ends if no job takes it.
        life: The job that left it.
    """

    expires: datetime
    life: Life


class Pools:
    """The waiting pools of an account and region, by what a job must request to take one."""

    def __init__(self) -> None:
        self._waiting: dict[Match, list[Waiting]] = {}

    def put(self, life: Life) -> None:
        """Let the pool of a job wait until it ends."""
        if life.pool is not None:
            waiting = self._waiting.setdefault(match_of(life.spec), [])
            waiting.append(Waiting(life.pool.when, life))

    def take(
        self,
        spec: JobSpec,
        when: datetime,
        behaviour: Behaviour,
        is_there: Callable[[Life], bool],
    ) -> Life | None:
        """Remove the pool that a job takes and return the job that left it; None without one.

        Args:
            spec: What the new job requests.
            when: When it is created.
            behaviour: Which of several pools it takes.
            is_there: Whether a pool still waits; a test may have ended it by hand.
        """
        if not can_use_pools(spec):
            return None
        match = match_of(spec)
        waiting = self._still_waiting(match, when)
        waiting = [pool for pool in waiting if is_there(pool.life)]
        # A job that was created before the end of another does not take its pool.
        ready = [pool for pool in waiting if pool.life.ended <= when]
        if not ready:
            return None
        choose = max if behaviour.pool_taken == "expires last" else min
        taken = choose(ready, key=lambda pool: (pool.expires, pool.life.ended))
        self._waiting[match] = [pool for pool in waiting if pool is not taken]
        return taken.life

    def has_room(self, spec: JobSpec, when: datetime, behaviour: Behaviour) -> bool:
        """Return whether the quota allows one more pool at a moment [D]."""
        quota = behaviour.pool_quota(spec.instance_type)
        if quota is None:
            return True
        held = sum(
            pool.life.spec.instance_count or 0
            for match in list(self._waiting)
            for pool in self._still_waiting(match, when)
            if pool.life.spec.instance_type == spec.instance_type
        )
        return held + (spec.instance_count or 0) <= quota

    def _still_waiting(self, match: Match, when: datetime) -> list[Waiting]:
        waiting = [pool for pool in self._waiting.get(match, ()) if pool.expires >= when]
        self._waiting[match] = waiting
        return waiting
