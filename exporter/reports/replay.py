"""Replays the warm pools of one specification: what other keep-alive periods would have done.

The module is pure: jobs in, outcomes out. AWS documents what a job and a waiting pool must share,
but not which of several waiting pools a job takes. The replay takes the pool that would expire
last. No other choice leaves less time to the remaining pools, so none gives fewer reuses, and a
longer period never loses one. Where the other order explains the observed reuse better, the pool
that would expire first is taken. A job that comes exactly when a pool expires takes it. Real ends
and creations are replayed as they were: a job that starts earlier on a pool does not end earlier.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate, pairwise
from math import inf
from typing import Final, NamedTuple

#: Periods to try, in seconds.
GRID: Final = (0, 60, 180, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10800, 14400, 21600)
#: The longest life of a pool in seconds, from the start of its first job. (Developer guide,
#: "Managed Warm Pools")
LONGEST_CHAIN: Final = 28 * 86400
#: Most rounds of the joint search. A round tries every period for each family in turn.
_ROUNDS: Final = 4


class Job(NamedTuple):
    """A job of the specification; times are seconds since 1970.

    Attributes:
        family: Its family.
        created: When it was created, and took a waiting pool if there was one; None = that is
            outside the replayed part.
        ended: When it ended and could leave a pool; None = it could not, or see `created`.
        keep_alive: Its own keep-alive period in seconds; 0 = none.
        usd_per_second: What a second of its pool costs, instances and volumes together.
        counts: Whether its pool counts. Others only compete for the next jobs.
    """

    family: str
    created: float | None
    ended: float | None
    keep_alive: int
    usd_per_second: float
    counts: bool = True


def in_order(job: Job) -> tuple[object, ...]:
    """Return the key that orders jobs by what the replay reads of them."""
    times = (job.created or 0.0, job.ended or 0.0)
    return (*times, job.family, job.keep_alive, job.usd_per_second, job.counts)


class Pool(NamedTuple):
    """The pool of a job from the end of the job on.

    Attributes:
        started: When it begins to wait.
        job: The job before it.
        chain: When the first job of its chain was created.
    """

    started: float
    job: Job
    chain: float


@dataclass(slots=True)
class Outcome:
    """What the pools of a family did in the period.

    Attributes:
        reuses: Pools that a next job took; a fraction if it is estimated from a part.
        usd: Cost of the idle time in USD.
    """

    reuses: float = 0
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """The period. Only idle time inside it costs, and only ends inside it count as reused."""

    since: float
    until: float

    def usd(self, pool: Pool, until: float) -> float:
        """Return what a pool costs if it is idle until then."""
        # No min and max here: this runs a million times.
        end = until if until < self.until else self.until
        start = pool.started if pool.started > self.since else self.since
        return (end - start) * pool.job.usd_per_second if end > start and pool.job.counts else 0.0

    def reuses(self, pool: Pool) -> int:
        """Return 1 if a reuse of the pool counts, else 0."""
        return int(pool.job.counts and self.since <= pool.started < self.until)


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
        if job.created is not None:
            events.append((job.created, True, number, job))
        if job.ended is not None:
            events.append((job.ended, False, number, job))
    events.sort()
    return events


#: A waiting pool in a heap: the expiry or its negative, a tie-breaker, and the pool.
Waiting = tuple[float, int, Pool]


def replay(
    events: Iterable[Event], plan: Plan, window: Window, *, expires_first: bool = False
) -> Outcomes:
    """Return what the pools would have done; each belongs to the family of the job before it.

    Args:
        events: The ends and creations of one specification, in order.
        plan: The keep-alive periods.
        window: The period.
        expires_first: Take the pool that would expire first instead of last.
    """
    found: Outcomes = defaultdict(Outcome)
    # The pool to take comes first. Of two that expire together, the one that began to wait last.
    waiting: list[Waiting] = []
    chains: dict[int, float] = {}
    sign = 1 if expires_first else -1
    for place, (at, is_creation, number, job) in enumerate(events):
        if not is_creation:
            keep_alive = plan.get(job.family, job.keep_alive)
            chain = chains.pop(number, at if job.created is None else job.created)
            expiry = min(at + keep_alive, chain + LONGEST_CHAIN)
            if expiry > at:
                pool = Pool(at, job, chain)
                heappush(waiting, (sign * expiry, -place, pool))
                found[job.family].usd += window.usd(pool, expiry)
            continue
        _drop_expired(waiting, at, expires_first=expires_first)
        if waiting:
            key, _, pool = heappop(waiting)
            outcome = found[pool.job.family]
            outcome.usd += window.usd(pool, at) - window.usd(pool, sign * key)
            outcome.reuses += window.reuses(pool)
            chains[number] = pool.chain
    return found


def scaled(outcomes: Outcomes, scales: Mapping[str, float]) -> Outcomes:
    """Return outcomes multiplied by the scale of each family; without one, it is 1."""
    for family, scale in scales.items():
        if scale != 1 and family in outcomes:
            outcome = outcomes[family]
            outcomes[family] = Outcome(outcome.reuses * scale, outcome.usd * scale)
    return outcomes


def _drop_expired(waiting: list[Waiting], at: float, *, expires_first: bool) -> None:
    """Remove expired pools until the first one still waits."""
    if expires_first:
        while waiting and waiting[0][0] < at:
            heappop(waiting)
    elif waiting and -waiting[0][0] < at:
        waiting.clear()  # the last pool has expired, and so have all others


class Taking(NamedTuple):
    """A pool with the time at which a job takes it; None = never."""

    pool: Pool
    taken_at: float | None


class Cluster(NamedTuple):
    """Events that no waiting pool of another cluster can reach, whatever the periods.

    Attributes:
        events: The events in order.
        pools: Each pool with the time at which it is taken (None = never), if all families had
            one long period and the pool that expires last were taken.
        is_simple: Whether that holds for any period, because the pools belong to one family.
    """

    events: Sequence[Event]
    pools: Sequence[Taking]
    is_simple: bool


def clusters(
    events: Sequence[Event], longest: int, *, expires_first: bool = False
) -> Iterator[Cluster]:
    """Yield the clusters of a specification.

    Args:
        events: Its ends and creations, in order.
        longest: The longest keep-alive period that will be tried, in seconds.
        expires_first: The pool that would expire first is taken instead of the last.
    """
    groups = list(_groups(events, longest, expires_first=expires_first))
    every = [pool for _, pools in groups for pool in pools]
    if any(pool.started + longest - pool.chain > LONGEST_CHAIN for pool, _ in every):
        # A chain that lasts too long reaches across groups.
        yield Cluster(events, every, is_simple=False)
        return
    for members, pools in groups:
        if pools:
            families = {pool.job.family for pool, _ in pools}
            yield Cluster(members, pools, len(families) == 1 and not expires_first)


def _groups(
    events: Iterable[Event], longest: int, *, expires_first: bool
) -> Iterator[tuple[list[Event], list[Taking]]]:
    """Yield events and pools, as in `Cluster`; a group ends as soon as no pool can wait."""
    members: list[Event] = []
    pools: list[Taking] = []
    waiting: list[Pool] = []  # the newest last: with one period for all, it expires last
    newest = 0.0
    chains: dict[int, float] = {}
    for event in events:
        at, is_creation, number, job = event
        if expires_first:  # newer pools wait longer than they do here
            is_over = newest + longest < at
        else:
            is_over = not waiting or waiting[-1].started + longest < at
        if is_over and members:
            yield members, pools + [Taking(pool, None) for pool in waiting]
            members, pools, waiting = [], [], []
        members.append(event)
        if not is_creation:
            chain = chains.pop(number, at if job.created is None else job.created)
            waiting.append(Pool(at, job, chain))
            newest = at
        elif waiting:
            pool = waiting.pop()
            pools.append(Taking(pool, at))
            chains[number] = pool.chain
    yield members, pools + [Taking(pool, None) for pool in waiting]


class Gaps:
    """The pools of one family that no other one takes: what they do with any one period.

    A pool whose next job comes after a gap that is not longer than the period is idle for the gap
    and reused. Any other is idle for the period.
    """

    def __init__(self, pools: Iterable[Taking], window: Window, longest: int) -> None:
        """Sort the pools by their gaps, and add up their rates.

        Args:
            pools: Each pool with the time at which it is taken; None = never.
            window: The period.
            longest: The longest keep-alive period that will be tried, in seconds.
        """
        self._window = window
        #: Those that reach across an end of the period.
        self._crossing: list[Taking] = []
        inside: list[tuple[float, float]] = []
        for pool, taken_at in pools:
            if not window.since <= pool.started <= window.until - longest:
                self._crossing.append(Taking(pool, taken_at))
            elif pool.job.counts:
                gap = inf if taken_at is None else taken_at - pool.started
                inside.append((gap, pool.job.usd_per_second))
        inside.sort()
        self._gaps = [gap for gap, _ in inside]
        #: For the first n pools: what their gaps cost, and what a second of them costs.
        self._idle = [0.0, *accumulate(gap * rate for gap, rate in inside if gap < inf)]
        self._rates = [0.0, *accumulate(rate for _, rate in inside)]

    def outcome(self, keep_alive: int) -> Outcome:
        """Return what the pools do with a period."""
        outcome = Outcome()
        if keep_alive == 0:
            return outcome
        taken = bisect_right(self._gaps, keep_alive)
        outcome.reuses = taken
        outcome.usd = self._idle[taken] + (self._rates[-1] - self._rates[taken]) * keep_alive
        for pool, taken_at in self._crossing:
            expiry = pool.started + keep_alive
            if taken_at is not None and taken_at <= expiry:
                outcome.usd += self._window.usd(pool, taken_at)
                outcome.reuses += self._window.reuses(pool)
            else:
                outcome.usd += self._window.usd(pool, expiry)
        return outcome


def _as_now(alone: Iterable[Cluster], window: Window, longest: int) -> Outcomes:
    """Return what the pools of simple clusters do if each job keeps its own period."""
    found: Outcomes = defaultdict(Outcome)
    one_period: dict[tuple[str, int], list[Taking]] = defaultdict(list)
    for members, pools, _ in alone:
        first = pools[0].pool.job
        if all(pool.job.keep_alive == first.keep_alive for pool, _ in pools):
            one_period[first.family, first.keep_alive] += pools
        else:
            _add(found, replay(members, {}, window))
    for (family, keep_alive), pools in one_period.items():
        _add(found, {family: Gaps(pools, window, longest).outcome(keep_alive)})
    return found


class Specification:
    """The jobs of one specification, prepared to compare many plans.

    Attributes:
        families: The families whose jobs can leave a pool.
        current: What the pools do if each job keeps its own period.
    """

    def __init__(
        self,
        events: Sequence[Event],
        window: Window,
        longest: int,
        *,
        scales: Mapping[str, float] | None = None,
        expires_first: bool = False,
    ) -> None:
        """Prepare the jobs.

        Args:
            events: The ends and creations of all its jobs, or of a part of the period, in order.
            window: The period.
            longest: The longest keep-alive period that will be tried, in seconds.
            scales: The ends of the period for each end of the part, by family.
            expires_first: Take the pool that would expire first instead of last.
        """
        self._window = window
        self._scales = scales or {}
        self._expires_first = expires_first
        self._known_shared: dict[tuple[int, tuple[int | None, ...]], Outcomes] = {}
        found = list(clusters(events, longest, expires_first=expires_first))
        self._shared = [
            (members, tuple(sorted({pool.job.family for pool, _ in pools})))
            for members, pools, is_simple in found
            if not is_simple
        ]
        alone = [cluster for cluster in found if cluster.is_simple]
        self._alone_now = _as_now(alone, window, longest)
        by_family: dict[str, list[Taking]] = defaultdict(list)
        for _, pools, _ in alone:
            by_family[pools[0].pool.job.family] += pools
        self._gaps = {family: Gaps(pools, window, longest) for family, pools in by_family.items()}
        shared = {family for _, families in self._shared for family in families}
        self.families = tuple(sorted(shared | by_family.keys()))
        self.current = self.outcomes({})

    def outcomes(self, plan: Plan, stride: int = 1) -> Outcomes:
        """Return what the pools would have done.

        Args:
            plan: The keep-alive periods.
            stride: Look at each n-th cluster of shared pools, and count it n times.
        """
        found: Outcomes = defaultdict(Outcome)
        for place in range(0, len(self._shared), stride):
            _add(found, self._outcome_shared(place, plan))
        found = scaled(found, dict.fromkeys(found, stride))
        for family in self.families:
            _add(found, {family: self._outcome_alone(family, plan)})
        return scaled(found, self._scales)

    def _outcome_shared(self, place: int, plan: Plan) -> Outcomes:
        """Return the outcome of a cluster in which several families play a part."""
        events, families = self._shared[place]
        key = place, tuple(plan.get(family) for family in families)
        if key not in self._known_shared:
            self._known_shared[key] = replay(
                events, plan, self._window, expires_first=self._expires_first
            )
        return self._known_shared[key]

    def _outcome_alone(self, family: str, plan: Plan) -> Outcome:
        """Return the outcome in the clusters in which no other family plays a part."""
        if family not in plan or family not in self._gaps:
            return self._alone_now[family]
        return self._gaps[family].outcome(plan[family])

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
        # Each family tries each period on the events that it shares with others.
        events = sum(len(events) for events, _ in self._shared) * max(len(families), _MANY) // _MANY
        stride = 1 + events // _SEARCHED
        worth = Worth(self, reuse_usd, stride)
        starts: list[dict[str, int]] = [{}]
        if self._shared:
            starts += [dict.fromkeys(families, period) for period in periods]
        best = _improved(max(starts, key=worth.whole), families, lambda _: periods, worth)
        best = _shortest(best, families, periods, worth)
        if stride > 1:
            # All events, or for very many families a larger part of them.
            worth = Worth(self, reuse_usd, 1 + stride // _MANY)
            best = _improved(best, families, lambda now: _near(now, periods), worth)
        return _refined(best, families, periods, worth)

    def worth_alone(self, family: str, plan: Plan, reuse_usd: float) -> float:
        """Return what a plan is worth in the clusters of one family alone, in USD."""
        return self._worth({family: self._outcome_alone(family, plan)}, reuse_usd)

    def worth_shared(self, place: int, plan: Plan, reuse_usd: float) -> float:
        """Return what a plan is worth in a cluster that families share, in USD."""
        return self._worth(self._outcome_shared(place, plan), reuse_usd)

    def shared_by(self, stride: int) -> Iterator[tuple[int, Sequence[str]]]:
        """Yield each n-th cluster that families share, with these families."""
        for place in range(0, len(self._shared), stride):
            yield place, self._shared[place][1]

    def _worth(self, outcomes: Outcomes, reuse_usd: float) -> float:
        return sum(
            (outcome.reuses * reuse_usd - outcome.usd) * self._scales.get(family, 1)
            for family, outcome in outcomes.items()
        )


class Worth:
    """What plans are worth in USD: their reuses, minus the cost of their idle time.

    A change of one family is valued by what it plays a part in. So a search over many families does
    not add all of them up for each change.
    """

    def __init__(self, found: Specification, reuse_usd: float, stride: int) -> None:
        """Prepare the search.

        Args:
            found: The jobs.
            reuse_usd: What one reuse is worth in USD.
            stride: Look at each n-th cluster that families share, and count it n times.
        """
        self._found = found
        self._reuse_usd = reuse_usd
        self._stride = stride
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, families in found.shared_by(stride):
            for family in families:
                self._places[family].append(place)

    def whole(self, plan: Plan) -> float:
        """Return what a plan is worth."""
        places = {place for places in self._places.values() for place in places}
        return self._shared(sorted(places), plan) + sum(
            self._found.worth_alone(family, plan, self._reuse_usd)
            for family in self._found.families
        )

    def gain(self, plan: Plan, family: str, period: int) -> float:
        """Return how much more a plan is worth if one family gets another period."""
        if plan.get(family) == period:
            return 0.0
        tried = {**plan, family: period}
        return self._of(family, tried) - self._of(family, plan)

    def _of(self, family: str, plan: Plan) -> float:
        alone = self._found.worth_alone(family, plan, self._reuse_usd)
        return alone + self._shared(self._places.get(family, ()), plan)

    def _shared(self, places: Iterable[int], plan: Plan) -> float:
        worth = (self._found.worth_shared(place, plan, self._reuse_usd) for place in places)
        return sum(worth) * self._stride


def fitting(
    events: Sequence[Event],
    window: Window,
    longest: int,
    reused: Mapping[str, int],
    scales: Mapping[str, float] | None = None,
) -> Specification:
    """Return the specification in the order of pools that explains the observed reuse much better.

    Args:
        events: As for `Specification`.
        window: The period.
        longest: The longest keep-alive period that will be tried, in seconds.
        reused: Observed reuses of each family that left a pool.
        scales: As for `Specification`.
    """

    def unexplained(current: Outcomes) -> float:
        """Return the reuses that a replay of the current settings has too many or too few."""
        return sum(
            abs(number - current.get(family, Outcome()).reuses) for family, number in reused.items()
        )

    last = Specification(events, window, longest, scales=scales)
    missed = unexplained(last.current)
    if missed <= sum(reused.values()) * 0.02:
        return last
    first = scaled(replay(events, {}, window, expires_first=True), scales or {})
    if unexplained(first) >= missed / 2:
        return last
    return Specification(events, window, longest, scales=scales, expires_first=True)


#: Events of shared pools that the search looks at first, for up to `_MANY` families. It looks at
#: all of them for the periods next to what it finds.
_SEARCHED: Final = 10_000
_MANY: Final = 25
#: Smaller differences in USD come from the arithmetic.
_NOISE: Final = 1e-9
#: A period between two of the grid must be worth so much more, as a share of the plan's value.
_WORTH: Final = 0.01
#: A period of seconds between two of the grid is a multiple of this.
_STEP: Final = 30


def _refined(
    coarse: dict[str, int], families: Sequence[str], periods: Sequence[int], worth: Worth
) -> dict[str, int]:
    """Return a plan with periods between those of the grid, where that is worth much more."""
    best, total = coarse, worth.whole(coarse)
    for family in families:
        if family not in coarse:
            continue
        near = sorted({*periods, coarse[family]})
        place = near.index(coarse[family])
        between = {
            (one + (other - one) * quarter // 4) // _STEP * _STEP
            for one, other in pairwise(near[max(0, place - 1) : place + 2])
            for quarter in (1, 2, 3)
        }
        for period in sorted(between):
            gain = worth.gain(best, family, period)
            if gain > _WORTH * abs(total) + _NOISE:
                best, total = best | {family: period}, total + gain
    return best


def _shortest(
    best: dict[str, int], families: Sequence[str], periods: Sequence[int], worth: Worth
) -> dict[str, int]:
    """Return a plan that is worth as much, with the shortest periods."""
    slack = _NOISE
    for family in families:
        for period in periods:
            gain = worth.gain(best, family, period)
            if gain >= -slack:
                best, slack = best | {family: period}, slack + gain
                break
    return best


def _near(now: int | None, periods: Sequence[int]) -> Sequence[int]:
    """Return 0 and the periods next to one; all of them if there is none yet."""
    if now is None:
        return periods
    place = bisect_right(periods, now) - 1
    return sorted({0, *periods[max(0, place - 1) : place + 2]})


def _improved(
    start: dict[str, int],
    families: Sequence[str],
    periods: Callable[[int | None], Sequence[int]],
    worth: Worth,
) -> dict[str, int]:
    """Return the plan that changes of one family at a time lead to.

    Args:
        start: The first plan.
        families: The families that may change.
        periods: Returns the periods to try for a family that has one now, or None.
        worth: What plans are worth.
    """
    best = start
    for _ in range(_ROUNDS):
        before = best
        for family in families:
            for period in periods(best.get(family)):
                if worth.gain(best, family, period) > _NOISE:
                    best = best | {family: period}
        if best is before:
            break
    return best


def _add(total: Outcomes, more: Mapping[str, Outcome]) -> None:
    for family, outcome in more.items():
        total[family].reuses += outcome.reuses
        total[family].usd += outcome.usd
