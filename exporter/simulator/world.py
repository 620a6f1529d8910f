"""The world behind the stand-in service: accounts, regions, their jobs, and time."""

import threading
from datetime import datetime, timedelta

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.clock import Clock
from exporter.simulator.scope import Scope


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
                scope.forget_fragments()

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

    def now(self) -> datetime:
        """Give the world's time."""
        return self.clock.now()
