"""The cells of the dashboard: sums by account, region, family, team, instance type and bucket.

A bucket is a day in the last months and a calendar month before, so that one set of cells gives
every figure for every choice of the page's filters. Amounts are whole numbers of 10^-12 USD, as
exact as the reports. `dashboard.js` adds the same cells up by the same rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from exporter.reports import notes, periods
from exporter.reports.periods import Period
from exporter.store.connections import Connection

#: Stands for the families that the page does not name. No name is a text with this character.
OTHERS: Final = "\0others"
#: Keys of the families that the page names, and of the others together.
FAMILY_KEYS: Final = 500
OTHER_KEYS: Final = 200
#: Cells that the page may hold: about 2 MB.
MOST_CELLS: Final = 20_000
#: Jobs whose costs one statement adds up. More would take more memory.
_JOBS_AT_ONCE: Final = 350_000
#: Days before today that a projection may look at (projection.WEEKS).
_DAYS: Final = timedelta(days=56)
#: The families that the page names: those whose pools were idle longest, as long as they have no
#: more than so many keys together. (A family has a key for each account, region and team.)
_FAMILIES: Final = """
SELECT family
FROM (
    SELECT
        coalesce(job_family, '') AS family,
        sum(warm_pool_retained_seconds) AS idle_seconds,
        count(*) AS jobs,
        count(DISTINCT hash(account_id, region, team)) AS keys
    FROM training_jobs
    GROUP BY family
)
QUALIFY sum(keys) OVER (
    ORDER BY idle_seconds DESC NULLS LAST, jobs DESC, family
    ROWS UNBOUNDED PRECEDING
) <= :most
"""
#: The teams that the page names: those whose pools were idle longest. The other families together
#: have a key for each of them, account, region and instance type: no more than so many.
_TEAMS: Final = """
WITH
scope AS (
    SELECT count(DISTINCT (job.account_id, job.region, detail.instance_type)) AS keys
    FROM training_jobs AS job
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
)

SELECT team
FROM (
    SELECT team, sum(warm_pool_retained_seconds) AS idle_seconds, count(*) AS jobs
    FROM training_jobs
    WHERE team IS NOT NULL
    GROUP BY team
)
ORDER BY idle_seconds DESC NULLS LAST, jobs DESC, team
LIMIT (SELECT greatest(1, :most // greatest(1, keys)) FROM scope)
"""


class Key(NamedTuple):
    """What a cell is about; None = not known or none."""

    account: str
    region: str
    family: str | None
    team: str | None
    type: str | None


class Sums(NamedTuple):
    """What a cell adds up: amounts in 10^-12 USD, numbers of pools, and whether more is not known.

    Attributes:
        training: Known cost of training.
        reused: Known cost of pools that another job reused.
        wasted: Known cost of pools that ended before a reuse.
        idle: Known cost of pools that had not ended.
        pools: Pools that have ended.
        reused_pools: Pools of these that another job reused.
        carried: Pools of these that were idle in the bucket before, too.
        carried_reused: The same of `reused_pools`.
        unknown_training: Above 0 if a part of the cost of training is not known.
        unknown_pools: Above 0 if a part of the cost of pools is not known.
    """

    training: int = 0
    reused: int = 0
    wasted: int = 0
    idle: int = 0
    pools: int = 0
    reused_pools: int = 0
    carried: int = 0
    carried_reused: int = 0
    unknown_training: int = 0
    unknown_pools: int = 0

    def plus(self, other: Sums) -> Sums:
        """Return the sums of both."""
        return Sums(*(one + two for one, two in zip(self, other, strict=True)))

    def uncarried(self) -> Sums:
        """Return the sums without the pools that the bucket before has counted."""
        return self._replace(
            pools=self.pools - self.carried, reused_pools=self.reused_pools - self.carried_reused
        )


#: The sums by key and by the first day of the bucket.
Cells = Mapping[tuple[Key, date], Sums]


@dataclass(frozen=True)
class Read:
    """The cells, and the figures of the notes on all of them (notes.FIGURES)."""

    cells: Cells
    figures: Mapping[str, Any]


def read(connection: Connection, period: Period, today: date) -> Read:
    """Read the cells of a period.

    Args:
        connection: A read-only connection.
        period: The UTC days that the costs cover.
        today: The current UTC day.
    """
    jobs = connection.execute("SELECT count(*) FROM training_jobs").scalar()
    families = connection.execute(_FAMILIES, {"most": FAMILY_KEYS}).scalars()
    teams = connection.execute(_TEAMS, {"most": OTHER_KEYS}).scalars()
    cells: dict[tuple[Key, date], Sums] = {}
    figures: dict[str, Any] = {}
    chosen = {
        "days_since": days_since(today),
        "families": list(families),
        "teams": list(teams),
        "others": OTHERS,
    }
    for part in parts(period, 1 + jobs // _JOBS_AT_ONCE):
        values = {"since": part.since, "until": part.until, **chosen}
        for row in connection.execute(_sql(), values).mappings():
            key = Key(
                row["account_id"],
                row["region"],
                OTHERS if row["family"] is None else row["family"] or None,
                row["team"],
                row["instance_type"],
            )
            cells[key, row["bucket"]] = Sums(*(_whole(row[name]) for name in Sums._fields))
            figures = _added(figures, row)
    # In any one order, so that the same figures give the same page.
    ordered = sorted(
        cells.items(), key=lambda cell: (cell[0][1], *(each or "" for each in cell[0][0]))
    )
    return Read(folded(dict(ordered)), figures)


@cache
def _sql() -> str:
    text = resources.files(__package__).joinpath("cells.sql").read_text(encoding="utf-8")
    return text.replace(notes.MARK, notes.FIGURES)


def _whole(amount: Decimal | int | None) -> int:
    """Return a number as it is, and an amount of USD in 10^-12 USD."""
    return int(amount.scaleb(12)) if isinstance(amount, Decimal) else amount or 0


def _added(figures: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of the notes with those of a further part: sums, and the oldest price."""
    found = dict(figures)
    for name, value in row.items():
        if name.startswith(notes.PREFIX) and value is not None:
            before = found.get(name)
            if before is None:
                found[name] = value
            else:
                found[name] = min(before, value) if isinstance(value, str) else before + value
    return found


def days_since(today: date) -> date:
    """Return the first of the days that have cells of their own.

    It is the first day of a month, so that months never overlap with days. The days cover the month
    of yesterday, the month before it, and what a projection looks at.
    """
    before = periods.of_month((today - timedelta(days=1)).replace(day=1)).before.since
    return min(before, (today - _DAYS).replace(day=1))


def parts(period: Period, number: int) -> Iterator[Period]:
    """Yield up to so many periods of whole months that cover a period; none is empty."""
    starts = [period.since]
    while (following := periods.of_month(starts[-1].replace(day=1)).until) < period.until:
        starts.append(following)
    step = -(-len(starts) // number)
    firsts = starts[::step]
    for place, since in enumerate(firsts):
        yield Period(since, firsts[place + 1] if place + 1 < len(firsts) else period.until)


def folded(cells: Cells, most: int = MOST_CELLS) -> Cells:
    """Return at most so many cells: where there are more, the cheapest families become one.

    If that is not enough, the cheapest instance types, teams, regions and accounts do, too.
    """
    for field in ("family", "type", "team", "region", "account"):
        kept = len({getattr(key, field) for key, _ in cells})
        while len(cells) > most and kept:
            kept //= 2
            cells = _fold(cells, field, kept)
    return cells


def _fold(cells: Cells, field: str, kept: int) -> Cells:
    """Return the cells with all but the most expensive values of a field as one."""
    costs: dict[str | None, int] = defaultdict(int)
    for (key, _), sums in cells.items():
        costs[getattr(key, field)] += sums.reused + sums.wasted + sums.idle + sums.training
    costs.pop(OTHERS, None)
    ranked = sorted(costs, key=lambda name: (-costs[name], name or ""))
    named = set(ranked[:kept])
    found: dict[tuple[Key, date], Sums] = {}
    for (key, bucket), sums in cells.items():
        if getattr(key, field) not in named:
            key = key._replace(**{field: OTHERS})
        found[key, bucket] = found.get((key, bucket), Sums()).plus(sums)
    return found


def added(cells: Iterable[tuple[date, Sums]], since: date, until: date) -> Sums:
    """Return the sums of the buckets of a period, in which each pool counts once.

    Args:
        cells: Sums with the first day of their bucket.
        since: The first day; a bucket begins on it, or no bucket has days on both sides of it.
        until: The end day, exclusive.
    """
    total = Sums()
    for bucket, sums in cells:
        if since <= bucket < until:
            total = total.plus(sums if bucket == since else sums.uncarried())
    return total
