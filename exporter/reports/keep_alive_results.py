"""The rows of keep-alive-results: what changes of keep-alive periods did, from replays.

SQL gives one row per specification in which a family has several periods. The module is pure: rows
in, rows out. Times are seconds since 1970.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple

from exporter.reports.keep_alive import EXPLAINED
from exporter.reports.replay import (
    GRID,
    Job,
    Outcome,
    Specification,
    Window,
    events_of,
    fitting,
    in_order,
)
from exporter.reports.values import period

Row = Mapping[str, Any]

#: Jobs in a row with one period that make it the setting of a family, and not an exception.
_IN_A_ROW: Final = 3


class Ran(NamedTuple):
    """What was observed of one job.

    Attributes:
        job: Its times for the replay: when it can take and when it can leave a pool.
        created: When it was created.
        ended: When it ended; None = it runs.
        start_seconds: From its creation to its training; None = not known.
        pool_usd: Known cost of its pool in the period; None = no pool, or not known.
        is_unpriced: Whether a part of that cost is not known.
        had_pool: Whether it left a pool.
        was_reused: Whether a job took its pool.
    """

    job: Job
    created: float
    ended: float | None
    start_seconds: float | None
    pool_usd: Decimal | None
    is_unpriced: bool
    had_pool: bool
    was_reused: bool

    @classmethod
    def read(cls, entry: Row) -> Ran:
        """Read the entry of a job."""
        columns = ("family", "taken_from", "pool_from", "keep_alive", "usd_per_second")
        job = Job(*(entry[name] for name in columns))
        return cls(job, *(entry[name] for name in cls._fields[1:]))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a family's period: both periods, and when each began to be set."""

    family: str
    old: int
    new: int
    before: float
    at: float
    until: float


def changes_of(family: str, jobs: Iterable[Ran], since: float, until: float) -> Iterator[Change]:
    """Yield the changes of a family's period.

    Args:
        family: The family.
        jobs: Its jobs, in order of their creation.
        since: Beginning of the period of the report.
        until: End of the period of the report.
    """
    settings: list[tuple[int, float]] = []
    for keep_alive, group in groupby(jobs, key=lambda ran: ran.job.keep_alive):
        members = list(group)
        is_new = not settings or settings[-1][0] != keep_alive
        if is_new and len(members) >= _IN_A_ROW:
            settings.append((keep_alive, members[0].created))
    ends = [*(start for _, start in settings[2:]), until]
    for (before, after), end in zip(pairwise(settings), ends, strict=False):
        if since <= after[1] < until:
            yield Change(family, before[0], after[0], max(since, before[1]), after[1], end)


class _Side(NamedTuple):
    """What a family did before or after a change: observed and replayed."""

    ends: int
    usd: Decimal
    reuses: int
    is_priced: bool
    waited: list[float]

    def per_end(self) -> Decimal | None:
        return _decimal(self.usd / self.ends) if self.ends and self.is_priced else None

    def reuse(self) -> Decimal | None:
        return Decimal(self.reuses) / self.ends if self.ends else None

    def waited_minutes(self) -> Decimal | None:
        return _decimal(sum(self.waited) / len(self.waited) / 60) if self.waited else None


def _ended(jobs: Iterable[Ran], window: Window) -> list[Ran]:
    """Return the jobs that ended in a window."""
    return [
        ran for ran in jobs if ran.ended is not None and window.since <= ran.ended < window.until
    ]


def _observed(jobs: Sequence[Ran], window: Window) -> _Side:
    ended = _ended(jobs, window)
    created = [ran for ran in jobs if window.since <= ran.created < window.until]
    return _Side(
        len(ended),
        sum((ran.pool_usd for ran in ended if ran.pool_usd is not None), Decimal()),
        sum(ran.was_reused for ran in ended),
        not any(ran.is_unpriced for ran in ended),
        [ran.start_seconds for ran in created if ran.start_seconds is not None],
    )


class _History:
    """One specification: its jobs, and how they replay."""

    def __init__(self, row: Row, minute_usd: Decimal) -> None:
        self.row = row
        self.minute_usd = float(minute_usd)
        saved = row["saved_seconds"]
        self.saved_minutes = None if saved is None else max(0.0, saved) / 60
        # Each engine lists the jobs in an order of its own.
        self.jobs = sorted(
            map(Ran.read, row["jobs"]),
            key=lambda ran: (ran.created, ran.ended or 0.0, *in_order(ran.job)),
        )
        self.longest = max(GRID[-1], row["longest_keep_alive"])

    def changes(self) -> Iterator[Change]:
        """Yield the changes of all families."""
        for family in dict.fromkeys(ran.job.family for ran in self.jobs):
            jobs = [ran for ran in self.jobs if ran.job.family == family]
            yield from changes_of(
                family, jobs, self.row["since_seconds"], self.row["until_seconds"]
            )

    def _replay(self, window: Window) -> Specification:
        """Return the replay of the jobs that can leave or take a pool in a window."""
        near = (
            ran.job
            for ran in self.jobs
            if ran.created < window.until + self.longest
            and (ran.ended is None or ran.ended >= window.since - self.longest)
        )
        reused: Counter[str] = Counter()
        for ran in _ended(self.jobs, window):
            if ran.had_pool:
                reused[ran.job.family] += ran.was_reused
        return fitting(events_of(near), window, self.longest, reused)

    def result(self, change: Change) -> dict[str, Any]:
        """Return the row of a change."""
        mine = [ran for ran in self.jobs if ran.job.family == change.family]
        windows = Window(change.before, change.at), Window(change.at, change.until)
        before, after = (_observed(mine, window) for window in windows)
        replays = [self._replay(window) for window in windows]
        replayed = replays[1].current.get(change.family, Outcome()).reuses
        most = max(after.reuses, replayed)
        explained = _decimal(min(after.reuses, replayed) / most) if most else Decimal(1)
        # With the other setting on each side of the change.
        predicted = self._gain(
            _total(replays[0], {}), _total(replays[0], {change.family: change.new})
        )
        realised = self._gain(
            _total(replays[1], {change.family: change.old}), _total(replays[1], {})
        )
        scale = after.ends / before.ends if before.ends else 0.0
        reason = self._reason(before, after, explained)
        known = reason is None
        return {
            "family": change.family,
            "specification": self.row["specification"],
            "account_id": self.row["account_id"],
            "region": self.row["region"],
            "instance_type": self.row["instance_type"],
            "changed_at": datetime.fromtimestamp(change.at, UTC),
            "old_keep_alive": period(change.old),
            "new_keep_alive": period(change.new),
            "old_seconds": change.old,
            "new_seconds": change.new,
            "ends_before": before.ends,
            "ends_after": after.ends,
            "idle_usd_before": before.per_end(),
            "idle_usd_after": after.per_end(),
            "reuse_before": before.reuse(),
            "reuse_after": after.reuse(),
            "waited_minutes_before": before.waited_minutes(),
            "waited_minutes_after": after.waited_minutes(),
            "idle_usd": after.usd if after.is_priced else None,
            "saved_usd": _decimal(realised.usd) if known else None,
            "gained_minutes": _decimal(realised.minutes) if known else None,
            "net_usd": _decimal(realised.net(self.minute_usd)) if known else None,
            "predicted_saved_usd": _decimal(predicted.usd * scale) if known else None,
            "predicted_net_usd": (
                _decimal(predicted.net(self.minute_usd) * scale) if known else None
            ),
            "explained": explained,
            "reason": reason,
        }

    def _gain(self, old: Outcome, new: Outcome) -> _Gain:
        minutes = (new.reuses - old.reuses) * (self.saved_minutes or 0.0)
        return _Gain(old.usd - new.usd, minutes)

    def _reason(self, before: _Side, after: _Side, explained: Decimal) -> str | None:
        if not before.ends or not after.ends:
            return "no job has ended on one side of the change"
        if not (self.row["is_priced"] and before.is_priced and after.is_priced):
            return "the cost of the pools is not known"
        if explained < EXPLAINED:
            return f"the replay explains only {explained:.0%} of the observed reuse"
        if self.saved_minutes is None and before.reuses + after.reuses:
            return "no cold start in the period: the minutes that a pool saves are not known"
        return None


class _Gain(NamedTuple):
    """What one setting saves against another: USD of idle time, and minutes of starting."""

    usd: float
    minutes: float

    def net(self, minute_usd: float) -> float:
        return self.usd + self.minutes * minute_usd


def _total(replayed: Specification, plan: Mapping[str, int]) -> Outcome:
    """Return the outcome of all families, because they share the pools."""
    outcomes = replayed.outcomes(plan).values()
    return Outcome(sum(each.reuses for each in outcomes), sum(each.usd for each in outcomes))


def results(rows: Iterable[Row], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of keep-alive-results, the latest change first, and the total.

    Args:
        rows: One row per specification.
        values: `minute_usd`, and `top`, the number of changes to show.
    """
    found = [
        history.result(change)
        for history in (_History(row, values["minute_usd"]) for row in rows)
        for change in history.changes()
    ]
    found.sort(key=lambda row: (row["family"], row["account_id"], row["region"]))
    found.sort(key=lambda row: row["changed_at"], reverse=True)
    total: dict[str, Any] = {"is_total": True}
    for name in (
        "ends_after",
        "idle_usd",
        "saved_usd",
        "gained_minutes",
        "net_usd",
        "predicted_saved_usd",
        "predicted_net_usd",
    ):
        known = [row[name] for row in found if row[name] is not None]
        total[name] = sum(known) if known else None
    return [*found[: values["top"]], total]


def _decimal(amount: float | Decimal) -> Decimal:
    return round(Decimal(amount), 6) + 0  # never -0
