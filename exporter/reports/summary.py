"""The lines of the report `summary`: at most nine, each one sentence with its figures."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from exporter.reports.notes import UNKNOWN
from exporter.reports.projection import FEWEST_WEEKS, project
from exporter.reports.values import money, period
from exporter.text import counted

Row = Mapping[str, Any]

#: How many changes the summary names.
CHANGES: Final = 5
_DAY: Final = timedelta(days=1)


def summarise(
    rows: Iterable[Row], advice: Sequence[Row], values: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the lines by column name.

    Args:
        rows: The rows of queries/summary.sql.
        advice: The rows of keep-alive-advice.
        values: The parameters of the report and `now`.
    """
    rows = list(rows)
    now: datetime = values["now"]
    today = now.astimezone(UTC).date()
    costs = {row["usage_date"]: row["cost_usd"] for row in rows if row["kind"] == "day"}
    yield from _months(costs, today)
    yield from _changes(advice)
    yield _waste([row for row in rows if row["kind"] == "waste"])
    yield _unknown([row for row in rows if row["kind"] == "unknown"])


def _months(costs: Mapping[date, Decimal | None], today: date) -> Iterator[dict[str, Any]]:
    """Yield the cost of the month up to yesterday, and the projected cost of all of it."""
    yesterday = today - _DAY
    first = yesterday.replace(day=1)
    until = first + _DAY * monthrange(first.year, first.month)[1]
    before = (first - _DAY).replace(day=1)
    # The same days; a whole month is compared with a whole month.
    same = min(first, before + (first - before if today == until else today - first))
    now_usd, before_usd = _sum(costs, first, today), _sum(costs, before, same)
    days = f"1–{yesterday.day} {yesterday:%B %Y}" if yesterday.day > 1 else f"1 {first:%B %Y}"
    yield {
        "topic": "month to date",
        "usd": now_usd,
        "text": f"{_usd(now_usd)} for {days}, {_compared(now_usd, before_usd)}",
    }
    if today == until:  # the month is over
        return
    known = {day: float(usd or 0) for day, usd in costs.items()}
    found = project(known, today, until)
    if found is None or now_usd is None:
        text = f"not known: a projection needs {FEWEST_WEEKS} whole weeks of known costs"
        yield {"topic": "end of month", "text": text}
        return
    middle, low, high = (_cents(float(now_usd) + usd) for usd in found)
    yield {
        "topic": "end of month",
        "usd": middle,
        "low_usd": low,
        "high_usd": high,
        "text": f"about {money(middle)} USD for {first:%B}: between {money(low)} and "
        f"{money(high)} USD in 8 of 10 such months",
    }


def _changes(advice: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield the changes that are worth most, or one line that says why there are none."""
    worth = [
        row
        for row in advice
        if row["suggested_keep_alive_seconds"] is not None
        and (row["net_usd"] or 0) > 0
        # A family without a job that ended has no setting to change, and another family's change
        # can be worth something to one that keeps its setting.
        and row["current_min_seconds"] is not None
        and {row["current_min_seconds"], row["current_max_seconds"]}
        != {row["suggested_keep_alive_seconds"]}
    ]
    worth.sort(key=lambda row: (-row["net_usd"], row["family"], row["account_id"], row["region"]))
    for number, row in enumerate(worth[:CHANGES], 1):
        now, then = row["current_keep_alive"], period(row["suggested_keep_alive_seconds"])
        yield {
            "topic": f"change {number}",
            "usd": row["net_usd"],
            "setting": row["api_setting"],
            "text": f"{row['sdk_argument']} ({then} instead of {now}) for {row['family']} on "
            f"{row['specification']} in {row['account_id']}/{row['region']} is worth "
            f"{money(row['net_usd'])} USD a month",
        }
    if not worth:
        blocked = sum(row["net_usd"] is None for row in advice)
        why = f"; {counted(blocked, 'row')} of `keep-alive-advice` without a suggestion"
        yield {
            "topic": "changes",
            "text": "no change of a keep-alive period is worth money" + (why if blocked else ""),
        }


def _waste(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the line on the family whose pools wasted most this month."""
    if not rows:
        return {"topic": "waste", "text": "no known cost of a pool that no job reused"}
    most = min(rows, key=lambda row: (-row["cost_usd"], row["family"] or "", row["team"] or ""))
    total = sum(row["cost_usd"] for row in rows)
    team = f" of team {most['team']}" if most["team"] else ""
    return {
        "topic": "waste",
        "usd": most["cost_usd"],
        "text": f"{most['family']}{team} wastes most: {money(most['cost_usd'])} of "
        f"{money(total)} USD for pools that no job reused this month",
    }


def _unknown(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the line on the jobs of this month whose cost is not known, with the reasons."""
    # Training plans and serverless jobs have no price by the hour: nothing is missing.
    missing = sorted(
        (row for row in rows if row["cost_basis"] in UNKNOWN and row["cost_basis"] not in _PAID),
        key=lambda row: (-row["jobs"], row["cost_basis"]),
    )
    if not missing:
        return {"topic": "not known", "text": "the cost of every job of this month is known"}
    reasons = [f"{counted(row['jobs'], 'job')}: {UNKNOWN[row['cost_basis']]}" for row in missing]
    return {"topic": "not known", "text": "no cost for all or part of " + "; ".join(reasons)}


_PAID: Final = frozenset({"training plan", "serverless"})


def _sum(costs: Mapping[date, Decimal | None], since: date, until: date) -> Decimal | None:
    """Return the known cost of some days; None = they have jobs, and no cost is known."""
    found = [usd for day, usd in costs.items() if since <= day < until]
    known = [usd for usd in found if usd is not None]
    return sum(known, Decimal()) if known or not found else None


def _usd(amount: Decimal | None) -> str:
    return "no known cost" if amount is None else f"{money(amount)} USD"


def _compared(now: Decimal | None, before: Decimal | None) -> str:
    days = "the same days of the month before"
    change = 0 if now is None or not before else round((now - before) / before * 100)
    if not change:
        return f"compared with {_usd(before)} for {days}"
    return f"{abs(change)} % {'more' if change > 0 else 'less'} than {_usd(before)} for {days}"


def _cents(amount: float) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.01"))
