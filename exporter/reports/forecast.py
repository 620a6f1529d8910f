"""The rows of running-now: what runs and waits costs by now, at most, and by the end of the month.

SQL gives one row per running job and waiting pool (queries/running-now.sql). The module is pure:
rows in, rows out. Periods are in seconds, and begin at the last observation unless said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from math import floor, inf, sqrt
from typing import Any, Final, NamedTuple

from exporter.reports.notes import PREFIX
from exporter.text import counted

Row = Mapping[str, Any]

#: AWS stops a job with SIGTERM, and 120 seconds later by force.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
STOP_SECONDS: Final = 120
#: The likely range leaves out 10 % on each side: that many standard deviations of a normal one.
_DEVIATIONS: Final = 1.2816
#: Where a time between two bounds lies if nothing else is known: anywhere.
_EVENLY: Final = tuple((number + 0.5) / 20 for number in range(20))
#: Bases without a cost that say more than a missing limit does.
_UNKNOWN: Final = ("no details", "no price", "other currency", "training plan", "serverless")


@dataclass(frozen=True, slots=True)
class Course:
    """How the cost of a running job or a waiting pool goes on after the last observation.

    Attributes:
        usd: Cost up to the last observation.
        training_usd: Cost of a second of training.
        pool_usd: Cost of a second of the pool.
        left: Seconds of training that are left at most; inf = not known. 0 for a pool.
        idle: Seconds for which the pool can wait after that; inf = not known.
    """

    usd: float
    training_usd: float
    pool_usd: float
    left: float
    idle: float

    def cost(self, trains: float, waits: float) -> float:
        """Return the cost if it trains, and its pool waits, for so many seconds."""
        return self.usd + trains * self.training_usd + waits * self.pool_usd

    def at_most(self, until: float) -> float:
        """Return the highest cost of that many seconds; inf = not known."""
        # Training for as long as possible, or just as long as leaves the pool its whole time:
        # whichever costs more.
        ends = (min(self.left, until), min(self.left, max(0.0, until - self.idle)))
        if inf in (*ends, min(self.idle, until)):
            return inf
        return max(self.cost(end, min(self.idle, until - end)) for end in ends)


class Moments(NamedTuple):
    """Mean, variance and third central moment of a cost."""

    mean: float = 0.0
    variance: float = 0.0
    third: float = 0.0

    @classmethod
    def of(cls, costs: Sequence[float]) -> Moments:
        """Return the moments of costs that are all equally likely."""
        mean = sum(costs) / len(costs)
        apart = [cost - mean for cost in costs]
        variance = sum(each**2 for each in apart) / len(costs)
        return cls(mean, variance, sum(each**3 for each in apart) / len(costs))

    def bound(self, deviations: float) -> float:
        """Return the cost that lies so many standard deviations from the mean, if skewed.

        The first term of the expansion of Cornish and Fisher: costs of jobs are skewed, their sums
        less so.
        """
        spread = sqrt(self.variance)
        if not spread:
            return self.mean
        skew = self.third / spread**3
        return self.mean + spread * (deviations + (deviations**2 - 1) * skew / 6)


class _Thing:
    """A running job or a waiting pool: one row of the SQL, and what follows from it."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.is_pool = row["kind"] == "pool"
        now: datetime = row["now"]
        seen: datetime = row["seen_at"]
        self.since: datetime | None = row["since"]
        # A start after now is a mistake of the clock.
        self.age = 0.0 if self.since is None else max(0.0, (now - self.since).total_seconds())
        self.gap = max(0.0, (now - seen).total_seconds())
        self.month_left = (_month_end(now) - seen).total_seconds()
        self.limit = self._limit()
        # AWS reports what spot training is billed for at its end, and a new pool a little later.
        # Then all of it counts, from its beginning.
        self.is_open_end = row["usd"] is None and row["cost_basis"] == "unknown seconds"
        seen_age = max(0.0, self.age - self.gap)
        # Whole seconds are billed, so a part of one is still to come.
        self.spent = 0 if self.is_open_end else floor(seen_age)
        self.month_left += seen_age - self.spent
        self.now = self._course("")
        self.most = self._course("most_")

    def _limit(self) -> float:
        """Return how long it can run or wait in all; inf = not known."""
        row = self.row
        if self.is_pool:
            return float(row["keep_alive"]) if row["ends_by"] is not None else inf
        limits = [row["max_runtime"], row["max_wait"] if row["is_spot"] else None]
        return min((limit + STOP_SECONDS for limit in limits if limit is not None), default=inf)

    def _course(self, prefix: str) -> Course | None:
        """Return the course at the prices of now or, with `most_`, at most; None = not known."""
        row = self.row
        usd = 0.0 if self.is_open_end else row["usd"]
        training_usd, pool_usd = row[f"{prefix}training_usd"], row[f"{prefix}pool_usd"]
        left = max(0.0, self.limit - self.spent)
        if self.is_pool:
            if usd is None or pool_usd is None:
                return None
            return Course(float(usd), 0.0, pool_usd, 0.0, left)
        keep_alive = float(row["keep_alive"])
        if usd is None or training_usd is None or (keep_alive and pool_usd is None):
            return None
        return Course(float(usd), training_usd, pool_usd or 0.0, left, keep_alive)

    @property
    def usd_by_now(self) -> float | None:
        """The cost up to now, as if nothing had changed since the last observation."""
        if self.now is None or self.is_open_end:
            return None
        if self.since is None:
            return self.now.usd
        gap = min(self.gap, self.month_left)
        trains = min(gap, self.now.left)
        return self.now.cost(trains, min(gap, self.now.idle) if self.is_pool else 0.0)

    def at_most(self, until: float = inf) -> float | None:
        """Return the cost at most, in all or of that many seconds; None = not known."""
        found = inf if self.most is None else self.most.at_most(until)
        return None if found == inf else found

    @property
    def at_most_basis(self) -> str:
        """What limits the cost, or why the limit is not known."""
        if self.at_most() is not None:
            if self.is_pool:
                return "keep-alive"
            return "StoppingCondition" + (" + keep-alive" if self.row["keep_alive"] else "")
        basis: str = self.row["cost_basis"] or "no details"
        if basis in _UNKNOWN:
            return basis
        return "no limit is known" if self.limit == inf else "no price"

    @property
    def is_unpriced(self) -> bool:
        """Whether a part of its cost is not known; a training plan is paid for."""
        if self.row["cost_basis"] == "training plan":
            return False
        return None in (self.usd_by_now, self.at_most()) or self.row["cost_basis"] == "no price"

    @property
    def ends_by(self) -> datetime | None:
        """When it has ended at the latest; None = not known."""
        if self.is_pool or self.since is None or self.limit == inf:
            found: datetime | None = self.row["ends_by"]
            return found
        return self.since + timedelta(seconds=self.limit + self.row["keep_alive"])

    @property
    def mark(self) -> str | None:
        """What to look at."""
        row = self.row
        if self.is_pool:
            return "not reported yet" if row["status"] is None else None
        if self.since is None:
            return "not started"
        if self.age > self.limit:
            return "past its time limit: run sync"
        if row["runs"] and self.age > row["longest_seconds"]:
            return "outlived all runs of its family"
        if row["runs"] and self.age > row["p99_seconds"]:
            return "longer than 99 % of its family's runs"
        return None

    @cached_property
    def likely_costs(self) -> list[float]:
        """Costs by the end of the month that are all equally likely; empty = not known."""
        if self.now is None or self.is_open_end:
            return []
        costs = self._costs_of_pool if self.is_pool else self._costs_of_job
        return list(costs(self.now))

    def _costs_of_pool(self, course: Course) -> Iterator[float]:
        idles = self.row["idle_seconds"] or ()
        waits = [each - self.spent for each in idles if each > self.spent]
        if not waits and course.idle < inf:
            waits = [share * course.idle for share in _EVENLY]
        for seconds in waits:
            yield course.cost(0.0, min(seconds, course.idle, self.month_left))

    def _costs_of_job(self, course: Course) -> Iterator[float]:
        ends = [seconds - self.spent for seconds in self._lengths()]
        if not ends and course.left < inf:
            ends = [share * course.left for share in _EVENLY]
        idles = self.row["idle_seconds"] or [share * course.idle for share in _EVENLY]
        for place, seconds in enumerate(ends):
            end = min(seconds, course.left, self.month_left)
            # How long a job runs says nothing of its pool: a step of 7 mixes the two.
            idle = min(idles[7 * place % len(idles)], course.idle)
            yield course.cost(end, min(idle, self.month_left - end))

    def _lengths(self) -> list[float]:
        """Return the lengths of the family's runs that were longer than this one when it was seen.

        What happened between the last observation and now is not known.
        """
        row = self.row
        if not row["runs"] or self.spent >= row["longest_seconds"]:
            return []
        longer = [each for each in row["run_seconds"] if each > self.spent]
        return longer or [row["longest_seconds"]]

    def shown(self) -> dict[str, Any]:
        """Return the row of the report."""
        row = self.row
        per_second = row["pool_usd" if self.is_pool else "training_usd"]
        if row["cost_basis"] in ("training plan", "serverless"):
            per_second = None  # not billed by the hour
        costs = sorted(self.likely_costs)
        return {
            "kind": row["kind"],
            "job": row["job"],
            "account_id": row["account_id"],
            "region": row["region"],
            "family": row["family"],
            "instance_type": row["instance_type"],
            "instances": row["instances"],
            "status": row["status"],
            "since": self.since,
            "seconds": None if self.since is None else round(self.age),
            "median_seconds": None if self.is_pool else _whole(row["median_seconds"]),
            "p99_seconds": None if self.is_pool else _whole(row["p99_seconds"]),
            "runs": None if self.is_pool else row["runs"] or 0,
            "mark": self.mark,
            "usd_per_hour": _decimal(None if per_second is None else per_second * 3600),
            "usd_by_now": _decimal(self.usd_by_now),
            "at_most_usd": _decimal(self.at_most()),
            "at_most_basis": self.at_most_basis,
            "month_end_usd": _decimal(self.at_most(self.month_left)),
            "likely_low_usd": _decimal(costs[len(costs) // 10] if costs else None),
            "likely_high_usd": _decimal(costs[-1 - len(costs) // 10] if costs else None),
            "cost_basis": row["cost_basis"] or "no details",
            "unpriced_jobs": int(self.is_unpriced),
            "ends_by": self.ends_by,
            "seen_at": row["seen_at"],
        }


def forecast(rows: Iterable[Row], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of running-now, most expensive first, then the accounts, then the total.

    Args:
        rows: One row per running job and waiting pool.
        values: `top`, the number of jobs and pools to show.
    """
    things = [_Thing(row) for row in rows]
    shown = [(thing, thing.shown()) for thing in things]
    shown.sort(
        key=lambda pair: (
            -(pair[1]["usd_per_hour"] or 0),
            *(pair[1][name] for name in ("account_id", "region", "job", "kind")),
        )
    )
    by_account: dict[str, list[tuple[_Thing, dict[str, Any]]]] = defaultdict(list)
    for pair in shown:
        by_account[pair[1]["account_id"]].append(pair)
    accounts = [
        {**_sums(pairs), "kind": "account", "account_id": account}
        for account, pairs in sorted(by_account.items())
        if len(by_account) > 1  # the total says the same of one account
    ]
    jobs = [row for _, row in shown]
    # Why costs are not known, for the note below the table. A training plan is paid for.
    bases = Counter(
        row["cost_basis"] for row in jobs if row["usd_by_now"] is None and row["unpriced_jobs"]
    )
    figures = {PREFIX + basis.replace(" ", "_"): number for basis, number in bases.items()}
    return [*jobs[: values["top"]], *accounts, {**_sums(shown), **figures, "is_total": True}]


def _sums(pairs: Sequence[tuple[_Thing, Row]]) -> dict[str, Any]:
    """Return the sums of what is known, and the likely range of the sum."""
    rows = [row for _, row in pairs]
    pools = sum(row["kind"] == "pool" for row in rows)
    sums: dict[str, Any] = {
        "job": f"{counted(len(rows) - pools, 'job')}, {counted(pools, 'pool')}",
        "instances": sum(row["instances"] or 0 for row in rows),
        "unpriced_jobs": sum(row["unpriced_jobs"] for row in rows),
        "seen_at": min((row["seen_at"] for row in rows), default=None),
    }
    for name in ("usd_per_hour", "usd_by_now", "at_most_usd", "month_end_usd"):
        known = [row[name] for row in rows if row[name] is not None]
        sums[name] = sum(known) if known else None
    return sums | _likely_range([thing for thing, _ in pairs if thing.likely_costs])


def _likely_range(things: Sequence[_Thing]) -> dict[str, Decimal | None]:
    """Return the range of the cost by the end of the month; empty = nothing is known."""
    if not things:
        return {}
    moments = _moments(things)
    # The sum cannot leave what is certain.
    least = sum(thing.now.usd for thing in things if thing.now is not None)
    most = sum(thing.at_most(thing.month_left) or inf for thing in things)
    return {
        f"likely_{name}_usd": _decimal(min(max(moments.bound(deviations), least), most))
        for name, deviations in (("low", -_DEVIATIONS), ("high", _DEVIATIONS))
    }


def _moments(things: Iterable[_Thing]) -> Moments:
    """Return the moments of the sum of the costs by the end of the month.

    The jobs are taken as independent of each other. But all jobs of a family share what is not
    known of it: with few runs that were as long, the mean is uncertain.
    """
    mean = variance = third = 0.0
    shared: dict[tuple[str, str], float] = defaultdict(float)
    for thing in things:
        costs = thing.likely_costs
        found = Moments.of(costs)
        spread = found.variance
        if thing.row["runs"] and not thing.is_pool:
            # So many runs were as long. What n runs show of the next one is wider than they are:
            # Student's distribution with n - 1 degrees of freedom has (n - 1) / (n - 3) of the
            # variance of the sample, which is n / (n - 1) of that of its points.
            longer = max(4.0, thing.row["runs"] * len(costs) / len(thing.row["run_seconds"]))
            spread *= longer / (longer - 3)
            family = thing.row["account_id"], thing.row["family"]
            shared[family] += sqrt(spread / longer)
        mean, variance, third = mean + found.mean, variance + spread, third + found.third
    variance += sum(spread**2 for spread in shared.values())
    return Moments(mean, variance, third)


def _month_end(now: datetime) -> datetime:
    """Return the beginning of the next UTC month."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _decimal(amount: float | None) -> Decimal | None:
    return None if amount is None else round(Decimal(amount), 6) + 0  # never -0
