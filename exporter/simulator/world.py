"""The simulated world: accounts and regions, their jobs, and time."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.clock import Clock
from exporter.simulator.history import History
from exporter.simulator.job import Place
from exporter.simulator.scope import Scope, Shared
from exporter.simulator.sessions import Session

DEFAULT_SCOPE = Place("111122223333", "eu-west-1")
"""Gets a history when no scope is named and none exists."""


class World:
    """Everything that the simulated services know.

    Args:
        clock: The world's time.
        seed: Two worlds with the same seed get the same jobs.
        behaviour: How the services behave.

    Attributes:
        clock: As passed in.
        seed: As passed in.
        lock: Held by everyone who reads or changes jobs.
    """

    def __init__(self, clock: Clock, seed: int = 0, behaviour: Behaviour | None = None) -> None:
        self.clock = clock
        self.seed = seed
        self._shared = Shared(clock, behaviour or Behaviour())
        self.lock = self._shared.lock
        self._history = History(seed)
        self._lived_until: datetime | None = None
        self._scopes: dict[Place, Scope] = {}

    @property
    def behaviour(self) -> Behaviour:
        """How the services behave; a new one applies at once."""
        return self._shared.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        with self.lock:
            self._shared.behaviour = behaviour
            for scope in self._scopes.values():
                scope.clear_cache()

    def scope(self, account_id: str, region: str) -> Scope:
        """Return the jobs of an account in a region, at first none."""
        with self.lock:
            place = Place(account_id, region)
            if place not in self._scopes:
                self._scopes[place] = Scope(self._shared, place)
            return self._scopes[place]

    def scopes(self) -> list[Scope]:
        """Return all scopes that were ever requested."""
        with self.lock:
            return list(self._scopes.values())

    def generate(
        self,
        jobs: int = 5000,
        scopes: Sequence[Scope] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        """Add a realistic history to scopes and set the rate at which it goes on.

        Args:
            jobs: The exact number of jobs, in all scopes together.
            scopes: The first gets the largest share. None takes all scopes, or one of a
                default account.
            since: Begin of the history; None is a year before its end.
            until: End of the history; None is now. Some jobs are running and some pools are
                waiting then.
        """
        with self.lock:
            chosen = list(scopes or self.scopes()) or [self.scope(*DEFAULT_SCOPE)]
            end = until or self.clock.now()
            begin = since or end - timedelta(days=365)
            self._history.write(chosen, jobs, begin, end)
            self._lived_until = end

    def schedule(self, scope: Scope, sessions: Iterable[Session]) -> None:
        """Add sessions of work, which `advance` runs when their time comes."""
        with self.lock:
            self._history.schedule(scope, sessions)

    def advance(self, by: float | timedelta) -> int:
        """Move the clock, let the jobs live, and return the number of events.

        Running jobs end, pools are reused or expire, and new jobs appear at the rate of
        `jobs_per_day`. Jobs that were created or moved by hand go on, except those created
        with `lives=False`.

        Args:
            by: Seconds, or a timedelta.
        """
        with self.lock:
            before = self.clock.now()
            now = self.clock.advance(by)
            # Somebody may have moved the clock alone; what was due then happens now.
            since = before if self._lived_until is None else min(self._lived_until, before)
            happened = self._history.live(self.scopes(), since, now)
            self._lived_until = now
            return happened

    @property
    def jobs_per_day(self) -> float:
        """The number of jobs that `advance` creates a day, in all scopes together."""
        return self._history.jobs_per_day

    @jobs_per_day.setter
    def jobs_per_day(self, rate: float) -> None:
        self._history.jobs_per_day = rate
