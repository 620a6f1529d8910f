"""The world behind the stand-in service: accounts, regions, their jobs, and time."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.chronicle import Chronicle
from exporter.simulator.clock import Clock
from exporter.simulator.scope import Scope

DEFAULT_SCOPE = ("111122223333", "eu-west-1")
"""Where a history is made when no scope is named and none exists."""


class World:
    """Everything that the stand-in service knows.

    Args:
        clock: The world's time.
        seed: Two worlds of one seed live the same lives.
        behaviour: How the service behaves; may be exchanged at any time.

    Attributes:
        clock: As given.
        seed: As given.
        lock: Held by whoever reads or changes jobs.
    """

    def __init__(self, clock: Clock, seed: int = 0, behaviour: Behaviour | None = None) -> None:
        """Start without jobs."""
        self.clock = clock
        self.seed = seed
        self.lock = threading.RLock()
        self._behaviour = behaviour or Behaviour()
        self._chronicle = Chronicle(seed)
        self._told: datetime | None = None
        self._scopes: dict[tuple[str, str], Scope] = {}

    @property
    def behaviour(self) -> Behaviour:
        """How the service behaves from now on."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        with self.lock:
            self._behaviour = behaviour
            for scope in self._scopes.values():
                scope.forget_shown()

    @property
    def search_lag(self) -> timedelta:
        """How old the Search index is."""
        return timedelta(seconds=self._behaviour.search_lag_seconds)

    def scope(self, account_id: str, region: str) -> Scope:
        """Give an account's jobs in a region, none at first."""
        with self.lock:
            key = (account_id, region)
            if key not in self._scopes:
                self._scopes[key] = Scope(self, account_id, region)
            return self._scopes[key]

    def scopes(self) -> list[Scope]:
        """Give all scopes that were ever asked for."""
        with self.lock:
            return list(self._scopes.values())

    def generate(
        self,
        jobs: int = 5000,
        scopes: Sequence[Scope] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        """Give scopes a realistic history, and the world a rate at which it goes on.

        Args:
            jobs: Exactly how many jobs, in all scopes together.
            scopes: Whose; all there are, or one of a default account, unless told
                otherwise. The first gets the largest share.
            since: From when; a year before the end unless told otherwise.
            until: Up to when, now unless told otherwise; some jobs still run and some
                pools still wait then.
        """
        with self.lock:
            chosen = list(scopes or self.scopes()) or [self.scope(*DEFAULT_SCOPE)]
            end = until or self.clock.now()
            begin = since or end - timedelta(days=365)
            self._chronicle.write(chosen, jobs, begin, end, self._behaviour)
            self._told = end

    def advance(self, by: float | timedelta) -> int:
        """Move the clock and let the jobs live; give how many things happened.

        Running jobs end, pools are reused or expire, new jobs are created at the rate of
        the history (:attr:`jobs_per_day`). Jobs made or moved by hand go on by themselves
        too, unless they were created with ``lives=False``.

        Args:
            by: Seconds, or a timedelta.
        """
        with self.lock:
            before = self.clock.now()
            now = self.clock.advance(by)
            # The clock may have been moved without anything happening; it happens now.
            since = before if self._told is None else min(self._told, before)
            happened = self._chronicle.live(self.scopes(), since, now, self._behaviour)
            self._told = now
            return happened

    @property
    def jobs_per_day(self) -> float:
        """How many jobs :meth:`advance` creates a day, in all scopes together."""
        return self._chronicle.jobs_per_day

    @jobs_per_day.setter
    def jobs_per_day(self, rate: float) -> None:
        self._chronicle.jobs_per_day = rate

    def now(self) -> datetime:
        """Give the world's time."""
        return self.clock.now()
