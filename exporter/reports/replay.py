"""Replays the warm pools of one specification: what other keep-alive periods would have done.

The module is pure: jobs in, outcomes out. AWS documents what a job and a waiting pool must share,
but not which of several waiting pools a job takes. The replay takes the pool that would expire
last. No other choice leaves less time to the remaining pools, so none gives fewer reuses, and a
longer period never loses one. Real ends and creations are replayed as they were: a job that starts
earlier on a pool does not end earlier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, NamedTuple

#: Periods to try, in seconds.
GRID: Final = (0, 60, 180, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10800, 14400, 21600)
#: The longest period in AWS's developer guide. Only an account that used longer ones gets them.
LONGEST: Final = 3600
#: Most rounds of the joint search. A round tries every period for each family in turn.
_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the specification; times are seconds since 1970.

    Attributes:
        family: Its family.
        created: When it was created, and took a waiting pool if there was one.
        ended: When it ended and could leave a pool; None = it could not.
        keep_alive: Its own keep-alive period in seconds; 0 = none.
        usd_per_second: What a second of its pool costs, instances and volumes together.
    """

    family: str
    created: float
    ended: float | None
    keep_alive: int
    usd_per_second: float


class Pool(NamedTuple):
    """The pool of a job from the end of the job on."""

    started: float
    job: Job


@dataclass(slots=True)
class Outcome:
    """What the pools of a family did in the period.

    Attributes:
        reuses: Pools that a next job took.
        usd: Cost of the idle time in USD.
    """

    reuses: int = 0
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """The period. Only idle time inside it costs, and only ends inside it count as reused."""

    since: float
    until: float

    def usd(self, pool: Pool, until: float) -> float:
        """Return what a pool costs if it is idle until then."""
        seconds = min(until, self.until) - max(pool.started, self.since)
        return max(0.0, seconds) * pool.job.usd_per_second

    def reuses(self, pool: Pool) -> int:
        """Return 1 if a reuse of the pool counts, else 0."""
        return int(self.since <= pool.started < self.until)


#: The keep-alive period by family, in seconds. In a family without one, each job has its own.
Plan = Mapping[str, int]
Outcomes = dict[str, Outcome]
#: The time of an end (False) or a creation (True), and the job's number and the job itself. At the
#: same moment, an end comes first.
Event = tuple[float, bool, int, Job]


def events_of(jobs: Iterable[Job]) -> list[Event]:
    """Return the ends and creations of jobs in the order in which they happened."""
    events: list[Event] = []
    for number, job in enumerate(jobs):
        events.append((job.created, True, number, job))
        if job.ended is not None:
            events.append((job.ended, False, number, job))
    events.sort()
    return events


def replay(events: Iterable[Event], plan: Plan, window: Window) -> Outcomes:
    """Return what the pools would have done; each belongs to the family of the job before it.

    Args:
        events: The ends and creations of one specification, in order.
        plan: The keep-alive periods.
        window: The period.
    """
    found: Outcomes = defaultdict(Outcome)
    # The pool that expires last comes first; of two, the one that began to wait last.
    waiting: list[tuple[float, int, Pool]] = []
    for place, (at, is_creation, _, job) in enumerate(events):
        if not is_creation:
            keep_alive = plan.get(job.family, job.keep_alive)
            if keep_alive > 0:
                pool = Pool(at, job)
                heappush(waiting, (-(at + keep_alive), -place, pool))
                found[job.family].usd += window.usd(pool, at + keep_alive)
        elif waiting and -waiting[0][0] < at:
            waiting.clear()  # the last pool has expired, and so have all others
        elif waiting:
            expiry, _, pool = heappop(waiting)
            outcome = found[pool.job.family]
            outcome.usd += window.usd(pool, at) - window.usd(pool, -expiry)
            outcome.reuses += window.reuses(pool)
    return found


class Cluster(NamedTuple):
    """Events that no waiting pool of another cluster can reach, whatever the periods.

    Attributes:
        events: The events in order.
        pools: Each pool with the time at which it is taken (None = never), if all families had
            one long period.
        is_shared: Whether the pools belong to several families. If not, the period of the one
            family decides alone.
    """

    events: Sequence[Event]
    pools: Sequence[tuple[Pool, float | None]]
    is_shared: bool


def clusters(events: Sequence[Event], longest: int) -> Iterator[Cluster]:
    """Yield the clusters of a specification.

    Args:
        events: Its ends and creations, in order.
        longest: The longest keep-alive period that will be tried, in seconds.
    """
    for members, pools in _groups(events, longest):
        if pools:
            families = {pool.job.family for pool, _ in pools}
            yield Cluster(members, pools, is_shared=len(families) > 1)


def _groups(
    events: Iterable[Event], longest: int
) -> Iterator[tuple[list[Event], list[tuple[Pool, float | None]]]]:
    """Yield events and pools, as in `Cluster`; a group ends as soon as no pool waits."""
    members: list[Event] = []
    pools: list[tuple[Pool, float | None]] = []
    waiting: list[Pool] = []  # the newest last: with one period for all, it expires last
    for event in events:
        at, is_creation, _, job = event
        if waiting and waiting[-1].started + longest < at:
            pools += [(pool, None) for pool in waiting]
            waiting.clear()
        if not waiting and members:
            yield members, pools
            members, pools = [], []
        members.append(event)
        if not is_creation:
            waiting.append(Pool(at, job))
        elif waiting:
            pools.append((waiting.pop(), at))
    yield members, pools + [(pool, None) for pool in waiting]


class Specification:
    """The jobs of one specification, prepared to compare many plans.

    Attributes:
        families: The families whose jobs can leave a pool.
        current: What the pools do if each job keeps its own period.
    """

    def __init__(self, jobs: Iterable[Job], window: Window, longest: int) -> None:
        """Prepare the jobs.

        Args:
            jobs: All jobs of the specification, in any order.
            window: The period.
            longest: The longest keep-alive period that will be tried, in seconds.
        """
        self._window = window
        self._shared: list[tuple[Sequence[Event], tuple[str, ...]]] = []
        self._alone: dict[str, list[tuple[Pool, float | None]]] = defaultdict(list)
        self._alone_now: Outcomes = defaultdict(Outcome)
        self._known_alone: dict[tuple[str, int], Outcome] = {}
        self._known_shared: dict[tuple[int, tuple[int | None, ...]], Outcomes] = {}
        for events, pools, is_shared in clusters(events_of(jobs), longest):
            if is_shared:
                families = tuple(sorted({pool.job.family for pool, _ in pools}))
                self._shared.append((events, families))
                continue
            family, keep_alive = pools[0][0].job.family, pools[0][0].job.keep_alive
            self._alone[family] += pools
            if all(pool.job.keep_alive == keep_alive for pool, _ in pools):
                _add(self._alone_now, {family: self._one_period(pools, keep_alive)})
            else:
                _add(self._alone_now, replay(events, {}, window))
        shared = {family for _, families in self._shared for family in families}
        self.families = tuple(sorted(shared | self._alone.keys()))
        self.current = self.outcomes({})

    def outcomes(self, plan: Plan) -> Outcomes:
        """Return what the pools would have done."""
        found: Outcomes = defaultdict(Outcome)
        for family in self.families:
            _add(found, {family: self._outcome_alone(family, plan)})
        for place, (events, families) in enumerate(self._shared):
            key = place, tuple(plan.get(family) for family in families)
            if key not in self._known_shared:
                self._known_shared[key] = replay(events, plan, self._window)
            _add(found, self._known_shared[key])
        return found

    def _outcome_alone(self, family: str, plan: Plan) -> Outcome:
        """Return the outcome in the clusters in which no other family plays a part."""
        if family not in plan:
            return self._alone_now[family]
        key = family, plan[family]
        if key not in self._known_alone:
            self._known_alone[key] = self._one_period(self._alone[family], plan[family])
        return self._known_alone[key]

    def _one_period(self, pools: Iterable[tuple[Pool, float | None]], keep_alive: int) -> Outcome:
        outcome = Outcome()
        if keep_alive == 0:
            return outcome
        for pool, taken_at in pools:
            expiry = pool.started + keep_alive
            if taken_at is not None and taken_at <= expiry:
                outcome.usd += self._window.usd(pool, taken_at)
                outcome.reuses += self._window.reuses(pool)
            else:
                outcome.usd += self._window.usd(pool, expiry)
        return outcome

    def best(self, periods: Sequence[int], free: Iterable[str], reuse_usd: float) -> dict[str, int]:
        """Return the plan of the highest net value that the joint search finds.

        The value of a plan is the value of its reuses minus the cost of its idle time. The search
        changes one family at a time until no change helps. It begins with what is set now or
        with the best period for all families, whichever is worth more. Of equal plans, the one
        with the shortest periods counts.

        Args:
            periods: The keep-alive periods to try, in seconds, ascending.
            free: The families that may change.
            reuse_usd: What one reuse is worth in USD.
        """
        families = sorted(set(free) & set(self.families))

        def value(plan: Plan) -> float:
            return sum(
                outcome.reuses * reuse_usd - outcome.usd for outcome in self.outcomes(plan).values()
            )

        starts: list[dict[str, int]] = [{}]
        if self._shared:
            starts += [dict.fromkeys(families, period) for period in periods]
        best = _improved(max(starts, key=value), families, periods, value)
        least = value(best) - _NOISE
        for family in families:
            equal = (best | {family: period} for period in periods)
            best = next((plan for plan in equal if value(plan) >= least), best)
        return best


#: Smaller differences in USD come from the arithmetic.
_NOISE: Final = 1e-9


def _improved(
    start: dict[str, int],
    families: Sequence[str],
    periods: Sequence[int],
    value: Callable[[Plan], float],
) -> dict[str, int]:
    """Return the plan that changes of one family at a time lead to."""
    best, best_value = start, value(start)
    for _ in range(_ROUNDS):
        before = best_value
        for family in families:
            for period in periods:
                tried = best | {family: period}
                tried_value = value(tried)
                if tried_value > best_value + _NOISE:
                    best, best_value = tried, tried_value
        if best_value == before:
            break
    return best


def _add(total: Outcomes, more: Mapping[str, Outcome]) -> None:
    for family, outcome in more.items():
        total[family].reuses += outcome.reuses
        total[family].usd += outcome.usd
