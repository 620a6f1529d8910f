"""Measures which past months cost something else after a change of prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from exporter.store.connections import Connection

#: Cost in USD by month, such as 2026-10.
MonthlyCosts = Mapping[str, Decimal]


@dataclass(frozen=True)
class ChangedMonth:
    """A past month whose cost changed.

    Attributes:
        month: The UTC month, such as 2026-10.
        before_usd: The cost before the change of prices.
        after_usd: The cost after it.
    """

    month: str
    before_usd: Decimal
    after_usd: Decimal

    @property
    def difference_usd(self) -> Decimal:
        """The increase; negative = the month costs less than before."""
        return self.after_usd - self.before_usd


def costs_of_past_months(connection: Connection, now: datetime) -> MonthlyCosts:
    """Return the cost of every UTC month before the current one."""
    found = connection.execute(_COSTS, {"until": now.date().replace(day=1)})
    return {row.month: row.cost_usd for row in found}


def changed_months(before: MonthlyCosts, after: MonthlyCosts) -> tuple[ChangedMonth, ...]:
    """Return the months whose cost differs, oldest first."""
    nothing = Decimal(0)
    pairs = (
        ChangedMonth(month, before.get(month, nothing), after.get(month, nothing))
        for month in sorted({*before, *after})
    )
    return tuple(pair for pair in pairs if pair.difference_usd)


def as_json(months: Iterable[ChangedMonth]) -> list[dict[str, Any]]:
    """Return past months whose cost changed, with the difference."""
    return [{**asdict(month), "difference_usd": month.difference_usd} for month in months]


_COSTS: Final = """
    SELECT strftime(usage_date, '%Y-%m') AS month, coalesce(sum(cost_usd), 0) AS cost_usd
    FROM daily_costs
    WHERE usage_date < :until
    GROUP BY month
"""
