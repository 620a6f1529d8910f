"""The rows of keep-alive-advice and keep-alive-curve, from a replay of each specification.

SQL gives one row per specification (views/parts/pool_histories.sql). The functions here take these
rows and the parameters of the report. They return rows by column name; the total is the last one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, Final, NamedTuple

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
from exporter.text import counted

Row = Mapping[str, Any]

#: Below this share of explained reuse, the replay knows too little for a suggestion.
EXPLAINED: Final = Decimal("0.9")
_MONTH_SECONDS: Final = 365.25 / 12 * 86400
#: USD a month that a table shows as less than 0.
_LOSS: Final = -0.005


@dataclass(frozen=True)
class _Family:
    """What was observed of one family in one specification.

    Attributes:
        team: Team of the jobs; several if they differ.
        jobs: Jobs that ended in the period.
        pools: Pools that these jobs left.
        reused: Pools of these that a next job took.
        denied: Jobs of these that asked for a pool and got none.
        ends: Jobs of these that could leave a pool.
        replayed_ends: Jobs of these in the replayed part of the period.
        keep_alive: Jobs of these by keep-alive period in seconds.
        usd: Known cost of the pools in the period, as in warm-pool-cost; None = none is known.
        wasted_usd: The part of it for pools that ended before a job took them.
        unpriced: Pools with a part of the cost unknown.
        is_priced: Whether some cost of each pool that was kept is known.
    """

    team: str | None
    jobs: int
    pools: int
    reused: int
    denied: int
    ends: int
    replayed_ends: int
    keep_alive: Mapping[int, int]
    usd: Decimal | None
    wasted_usd: Decimal | None
    unpriced: int
    is_priced: bool

    @classmethod
    def observed(cls, row: Row) -> _Family:
        """Read the entry of a family. A sum is NULL only if none of its parts is known."""
        teams = {each["team"] for each in row["keep_alive"] if each["team"] is not None}
        keep_alive = Counter[int]()
        for each in row["keep_alive"]:
            keep_alive[each["seconds"]] += each["jobs"]
        return cls(
            team=", ".join(sorted(teams)) or None,
            jobs=row["jobs"],
            pools=row["pools"],
            reused=row["reused"],
            denied=row["denied"],
            ends=row["ends"],
            replayed_ends=row["replayed_ends"],
            keep_alive=+keep_alive,
            usd=row["usd"] if row["kept"] else Decimal(),
            wasted_usd=row["wasted_usd"] if row["wasted"] else Decimal(),
            unpriced=row["unpriced"],
            is_priced=not row["unpriced_pools"],
        )

    @property
    def complete_usd(self) -> float | None:
        """The cost of the pools; None = the cost of a pool that was kept is unknown."""
        return None if self.usd is None or not self.is_priced else float(self.usd)


class _Effect(NamedTuple):
    """What a plan does to a family in the period: reuses, USD, minutes gained, and net worth."""

    reuses: float
    usd: float
    gained: float | None
    net: float | None


class _History:
    """One specification: what was observed, and its replay."""

    def __init__(self, row: Row, minute_usd: Decimal) -> None:
        """Keep a row of the SQL.

        Args:
            row: The row.
            minute_usd: What a minute without waiting is worth, in USD.
        """
        self.row = row
        self.periods = tuple(seconds for seconds in GRID if seconds <= row["longest"])
        self.months = _MONTH_SECONDS / max(1.0, row["until_seconds"] - row["since_seconds"])
        saved = row["saved_seconds"]
        self.saved_minutes: float | None = None if saved is None else max(0.0, saved) / 60
        self.minute_usd = float(minute_usd)
        self.families: Mapping[str, _Family] = {
            family["name"]: _Family.observed(family) for family in row["families"]
        }

    @cached_property
    def replayed(self) -> Specification:
        """The replay, in the order of pools that fits the observed reuse."""
        row = self.row
        columns = ("family", "created", "ended", "keep_alive", "usd_per_second", "counts")
        jobs = map(Job, *(row[column] or () for column in columns))
        # Each engine lists the jobs in an order of its own.
        events = events_of(sorted(jobs, key=in_order))
        window = Window(row["since_seconds"], row["until_seconds"])
        scales = {
            name: family.ends / family.replayed_ends
            for name, family in self.families.items()
            if family.replayed_ends
        }
        reused = {name: family.reused for name, family in self.families.items() if family.pools}
        return fitting(events, window, row["longest"], reused, scales)

    def has_ends(self, name: str) -> bool:
        """Return whether jobs of a family could leave a pool."""
        return name in self.families and self.families[name].ends > 0

    @cached_property
    def explained(self) -> Mapping[str, Decimal | None]:
        """How much of the observed reuse of each family the replay of the current settings gives.

        The figure is the smaller number of reuses divided by the larger one: a replay that
        predicts too many is as wrong as one that predicts too few. None = no pools.
        """
        return {name: self._explained(name) for name in self.families}

    def _explained(self, name: str) -> Decimal | None:
        observed = self.families[name]
        if not observed.pools:
            return None
        replayed = self.replayed.current.get(name, Outcome()).reuses
        most = max(observed.reused, replayed)
        return _decimal(min(observed.reused, replayed) / most) if most else Decimal(1)

    def _is_explained(self, name: str) -> bool:
        explained = self.explained[name]
        return explained is None or explained >= EXPLAINED

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        """Why a family gets no suggestion, by family; empty = it gets one."""
        return {name: self._reason(name) for name in self.families}

    def _reason(self, name: str) -> str:
        explained = self.explained[name]
        family = self.families[name]
        if self.row["is_other"]:
            return "many small families together: only the most expensive are modelled"
        if self.row["specification"] is None:
            return "the settings of these jobs are not known"
        if not self.row["is_priced"] or not family.is_priced:
            return "the cost of the pools is not known"
        if family.reused and not self._is_explained(name):
            return f"the replay explains only {explained:.0%} of the observed reuse"
        if self.saved_minutes is None and (family.reused or not family.pools):
            return "no cold start in the period: the minutes that a pool saves are not known"
        if family.ends and not family.replayed_ends:
            return "too few jobs among the many of the period"
        return ""

    @cached_property
    def plan(self) -> Mapping[str, int]:
        """The suggested keep-alive periods, in seconds, of the families that should change."""
        advised = [name for name in self.families if not self.reasons[name]]
        if not advised:
            return {}
        # No job took any of these pools, whatever the replay expects.
        useless = {name: 0 for name in advised if not self._is_explained(name)}
        reuse_usd = (self.saved_minutes or 0.0) * self.minute_usd
        best = self.replayed.best(self.periods, set(advised) - useless.keys(), reuse_usd)
        plan = {
            name: seconds
            for name, seconds in (best | useless).items()
            if self.families[name].keep_alive.keys() != {seconds}
        }
        # Reality can cost less than the replay of the current settings. Then nothing is promised.
        outcomes = self.replayed.outcomes(plan)
        gains = [self._effect(name, plan, outcomes).net for name in self.families]
        total = sum(_decimal(gain * self.months) for gain in gains if gain is not None)
        return plan if total >= 0 else {}

    def advice(self) -> Iterator[dict[str, Any]]:
        """Yield a row of keep-alive-advice for each family."""
        outcomes = self.replayed.outcomes(self.plan)
        for name in self.families:
            yield self._advice(name, self.plan, self._effect(name, self.plan, outcomes))

    def _effect(
        self, name: str, plan: Mapping[str, int], outcomes: Mapping[str, Outcome]
    ) -> _Effect:
        """Return what a plan does to a family, given its outcomes."""
        family = self.families[name]
        reason = self.reasons[name]
        usd = None if family.usd is None else float(family.usd)
        now = self.replayed.current.get(name, Outcome())
        then = outcomes.get(name, Outcome())
        if name not in plan:  # its own setting stays, but those of other families can change
            then = Outcome(
                family.reused + then.reuses - now.reuses, (usd or 0.0) + then.usd - now.usd
            )
        then_usd = max(0.0, then.usd)
        gained = None
        net = None
        if not reason and usd is not None:
            net = usd - then_usd
            if self.saved_minutes is not None:
                gained = (then.reuses - family.reused) * self.saved_minutes
                net += gained * self.minute_usd
        return _Effect(then.reuses, then_usd, gained, net)

    def _advice(self, name: str, plan: Mapping[str, int], effect: _Effect) -> dict[str, Any]:
        family = self.families[name]
        reason = self.reasons[name]
        usd = None if family.usd is None else float(family.usd)
        seconds = plan.get(name, min(family.keep_alive, default=None))
        if reason or (name not in plan and len(family.keep_alive) > 1):
            seconds = None
        return {
            "family": name,
            "team": family.team,
            "specification": self.row["specification"],
            "account_id": self.row["account_id"],
            "region": self.row["region"],
            "instance_type": self.row["instance_type"],
            "jobs": family.jobs,
            "pools": family.pools,
            "current_keep_alive": _range(family.keep_alive),
            "current_min_seconds": min(family.keep_alive, default=None),
            "current_max_seconds": max(family.keep_alive, default=None),
            "idle_usd": family.usd,
            "wasted_usd": family.wasted_usd,
            "unpriced_jobs": family.unpriced,
            "current_idle_usd": self._monthly(usd),
            "current_wasted_usd": self._monthly(family.wasted_usd),
            "current_reuses": family.reused,
            "suggested_keep_alive_seconds": seconds,
            "suggested_idle_usd": None if reason else self._monthly(effect.usd),
            "suggested_reuses": None if reason else round(effect.reuses),
            "gained_minutes": self._monthly(effect.gained),
            "net_usd": self._monthly(effect.net),
            "current_net_usd": self._net(family.reused, family.complete_usd),
            "suggested_net_usd": None if reason else self._net(effect.reuses, effect.usd),
            "explained": self.explained[name],
            "sdk_argument": None if seconds is None else f"keep_alive_period_in_seconds={seconds}",
            "api_setting": None if seconds is None else f'"KeepAlivePeriodInSeconds": {seconds}',
            "reason": reason or self._remark(name, plan, effect.net),
        }

    def _remark(self, name: str, plan: Mapping[str, int], net: float | None) -> str | None:
        """Return what to know about a suggestion."""
        family = self.families[name]
        if name not in plan and not family.denied:
            return "the current setting is best"
        remarks = []
        loses = net is not None and net * self.months < _LOSS
        if loses and name in plan and len(self.families) > 1:
            remarks.append("worth it together with the families that share its pools")
        if family.denied:
            jobs = counted(family.denied, "job")
            remarks.append(f"{jobs} asked for a pool and got none: check the quota")
        elif plan.get(name) and not family.pools:
            remarks.append("needs a warm pool quota")
        if plan.get(name) and self.row["warm_starts"] == 0:
            remarks.append("no warm start was seen: one is assumed to take 30 seconds")
        return "; ".join(remarks) or None

    def _monthly(self, amount: float | Decimal | None) -> Decimal | None:
        return None if amount is None else _decimal(float(amount) * self.months)

    def _net(self, reuses: float, usd: float | None) -> Decimal | None:
        if usd is None or self.saved_minutes is None:
            return None
        return self._monthly(reuses * self.saved_minutes * self.minute_usd - usd)

    def curve(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield a row of keep-alive-curve for each period."""
        family = self.families[name]
        # Of two periods that as many jobs use, the shorter one.
        current = min(
            family.keep_alive, key=lambda used: (-family.keep_alive[used], used), default=0
        )
        suggested = None if self.reasons[name] else self.plan.get(name, current)
        shorter: dict[str, Any] | None = None
        current_net = self._curve_row(name, current)["net_usd"]
        shown = {*self.periods, self.plan.get(name, 0)}
        for seconds in sorted({*shown, current, *family.keep_alive}):
            row = self._curve_row(name, seconds)
            marks = ("current" * (seconds == current), "suggested" * (seconds == suggested))
            row["mark"] = ", ".join(filter(None, marks))
            if shorter and None not in (row["idle_usd"], row["saved_minutes"]):
                minutes = row["saved_minutes"] - shorter["saved_minutes"]
                usd = row["idle_usd"] - shorter["idle_usd"]
                row["usd_per_minute"] = _decimal(usd / minutes) if minutes else None
            if seconds == suggested and row["net_usd"] is not None:
                row["gain_usd"] = row["net_usd"] - current_net
            shorter = row
            yield row

    def _curve_row(self, name: str, seconds: int) -> dict[str, Any]:
        family = self.families[name]
        outcome = self.replayed.outcomes({name: seconds}).get(name, Outcome())
        usd = outcome.usd if self.row["is_priced"] else None
        minutes = None if self.saved_minutes is None else outcome.reuses * self.saved_minutes
        return {
            "family": name,
            "specification": self.row["specification"],
            "instance_type": self.row["instance_type"],
            "keep_alive_seconds": seconds,
            "ends": family.ends,
            "reuses": round(outcome.reuses),
            "idle_usd": self._monthly(usd),
            "saved_minutes": self._monthly(minutes),
            "net_usd": self._net(outcome.reuses, usd),
            "unpriced_jobs": family.unpriced if self.row["is_priced"] else family.ends,
        }


def advise(rows: Iterable[Row], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of keep-alive-advice, most wasted money first.

    Args:
        rows: One row per specification.
        values: `minute_usd`, `top`, and `policy` (not None = with IAM statements).
    """
    found = advised(rows, values["minute_usd"])
    if values["policy"] is not None:
        for each in found:
            each.row["iam_statement"] = _statement(each.row, each.partition)
    every = [each.row for each in found]
    return [*every[: values["top"]], total(every)]


class Advised(NamedTuple):
    """A family in one specification.

    Attributes:
        row: Its row of keep-alive-advice.
        partition: The partition of its account, such as `aws`.
        curve: Makes its rows of keep-alive-curve; empty = its jobs can leave no pool.
    """

    row: dict[str, Any]
    partition: str
    curve: Callable[[], list[dict[str, Any]]]


def advised(rows: Iterable[Row], minute_usd: Decimal) -> list[Advised]:
    """Return each family in each specification, most wasted money first.

    Args:
        rows: One row per specification.
        minute_usd: What a minute without waiting is worth, in USD.
    """
    found = []
    for history in _histories(rows, minute_usd):
        for row in history.advice():
            curve = partial(_curve, history, row["family"])
            found.append(Advised(row, history.row["partition_name"], curve))
    found.sort(
        key=lambda each: (
            -(each.row["wasted_usd"] or 0),
            -(each.row["net_usd"] or 0),
            each.row["family"],
            each.row["account_id"],
            each.row["region"],
            each.row["specification"] or "",
        )
    )
    return found


def _curve(history: _History, name: str) -> list[dict[str, Any]]:
    return list(history.curve(name)) if history.has_ends(name) else []


def total(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the total row of keep-alive-advice; without a suggestion, a family goes on as now."""
    sums: dict[str, Any] = {"is_total": True}
    for name in ("jobs", "pools", "unpriced_jobs"):
        sums[name] = sum(row[name] for row in rows)
    for name in ("idle_usd", "wasted_usd", "current_wasted_usd", "gained_minutes", "net_usd"):
        sums[name] = _sum(row[name] for row in rows)
    for name in ("idle_usd", "reuses", "net_usd"):
        current, suggested = f"current_{name}", f"suggested_{name}"
        sums[current] = _sum(row[current] for row in rows)
        sums[suggested] = _sum(
            row[current] if row[suggested] is None else row[suggested] for row in rows
        )
    return sums


def _sum(values: Iterable[Any]) -> Any:  # noqa: ANN401 - int or Decimal, as the values
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def draw(rows: Iterable[Row], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of keep-alive-curve: the total is that of the current periods.

    Args:
        rows: One row per specification.
        values: `minute_usd`, `family`, and `top`, the number of specifications to show.
    """
    histories = _histories(rows, values["minute_usd"])
    # Several accounts and regions can have the same specification.
    histories.sort(key=lambda history: (history.row["account_id"], history.row["region"]))
    curves = [
        list(history.curve(values["family"]))
        for history in histories
        if history.has_ends(values["family"])
    ]
    curves.sort(key=lambda curve: (-curve[0]["ends"], curve[0]["specification"]))
    every = [row for curve in curves for row in curve]
    current = [row for row in every if "current" in row["mark"]]
    total: dict[str, Any] = {"is_total": True, "mark": "current"}
    for name in ("ends", "reuses", "idle_usd", "saved_minutes", "net_usd", "unpriced_jobs"):
        total[name] = _sum(row[name] for row in current)
    total["gain_usd"] = _sum(row.get("gain_usd") for row in every)
    return [*(row for curve in curves[: values["top"]] for row in curve), total]


def _histories(rows: Iterable[Row], minute_usd: Decimal) -> list[_History]:
    return [_History(row, minute_usd) for row in rows]


def _statement(row: Row, partition: str) -> str | None:
    """Return an IAM statement that caps the keep-alive period of a family's jobs by their names."""
    if row["suggested_keep_alive_seconds"] is None:
        return None
    name = f"training-job/{row['family']}*"
    return json.dumps(
        {
            "Effect": "Deny",
            "Action": "sagemaker:CreateTrainingJob",
            "Resource": f"arn:{partition}:sagemaker:{row['region']}:{row['account_id']}:{name}",
            "Condition": {
                "NumericGreaterThan": {
                    "sagemaker:KeepAlivePeriod": row["suggested_keep_alive_seconds"]
                }
            },
        }
    )


def _range(periods: Iterable[int]) -> str | None:
    """Return the periods of a family for a reader: `10 min`, or `none–1 h` if they are mixed."""
    texts = [period(seconds) for seconds in sorted(periods)]
    return "–".join(dict.fromkeys((texts[0], texts[-1]))) if texts else None


def _decimal(amount: float | Decimal) -> Decimal:
    return round(Decimal(amount), 6) + 0  # never -0
