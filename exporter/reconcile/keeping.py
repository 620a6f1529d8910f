"""Keeps what a bill charged as prices, so that the costs of its days add up to the bill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Final

from sqlalchemy import Connection

from exporter.errors import UsageError
from exporter.prices import rows
from exporter.prices.effects import ChangedMonth, changed_months, costs_of_past_months
from exporter.prices.imports import record_import
from exporter.prices.rows import LIMIT, UNITS, Price
from exporter.reconcile.classify import TRAINING_PLAN
from exporter.reconcile.comparing import Line, Reconciliation

#: Less money than this is rounding.
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True)
class Unexplained:
    """Money of a day (or month) of the bill or of the database that the kept rates do not match.

    Attributes:
        period: The UTC day, or the first day of the month.
        account_id, region, component, instance_type: What it paid for.
        billed_usd: The amount on the bill; 0 = the bill has no such line.
        explained_usd: The cost of our jobs at the kept rate; without a bill line, at other prices.
    """

    period: date
    account_id: str
    region: str
    component: str
    instance_type: str
    billed_usd: Decimal
    explained_usd: Decimal


@dataclass(frozen=True)
class Kept:
    """The result of keeping a bill.

    Attributes:
        import_id: The ID for `prices remove`.
        rates: The number of rates, one for each account, region, type, component and day.
        averaged: The number of days (or months) whose rate is the average of spot and on demand.
        billed_usd: The amount of the bill's training lines.
        explained_usd: The part that the costs of jobs add up to.
        unexplained: Lines that no job explains, and days that the bill does not know.
        changed_months: The past months whose cost changed.
    """

    import_id: int
    rates: int
    averaged: int
    billed_usd: Decimal
    explained_usd: Decimal
    unexplained: tuple[Unexplained, ...]
    changed_months: tuple[ChangedMonth, ...]


def keep(connection: Connection, found: Reconciliation, name: str, now: datetime) -> Kept:
    """Store the effective rates of a bill. They beat all other prices on the days they cover.

    Args:
        connection: A connection in a transaction that the caller commits.
        found: The comparison of the bill with the same database.
        name: The name of the export, for the source of the prices.
        now: The time by this machine's clock.

    Raises:
        UsageError: The bill has no line of training to keep.
    """
    totals = list(_totals(found.lines))
    rates = [
        price
        for total in totals
        if total.rate is not None
        for price in _prices(total, total.rate, f"bill: {name}")
    ]
    if not rates:
        raise UsageError("The bill has no training in USD, so there is nothing to keep.")
    before = costs_of_past_months(connection, now)
    import_id = record_import(connection, name, now)
    rows.write(connection, rates, import_id=import_id, one_day=True)
    return Kept(
        import_id,
        len(rates),
        averaged=sum(total.averages and total.rate is not None for total in totals),
        billed_usd=sum((total.billed_usd for total in totals), Decimal(0)),
        explained_usd=sum((total.at_rate for total in totals), Decimal(0)),
        unexplained=tuple(_unexplained(totals)),
        changed_months=changed_months(before, costs_of_past_months(connection, now)),
    )


@dataclass(frozen=True)
class _Total:
    """The lines of one period, account, region, component and instance type, added up."""

    key: tuple[date, str, str, str, str]
    monthly: bool
    averages: bool
    billed: Decimal
    ours: Decimal
    billed_usd: Decimal
    our_usd: Decimal
    agrees: bool

    @property
    def rate(self) -> Decimal | None:
        """What a unit cost; None = the bill has no amount for it.

        If the quantities agree, ours is the divisor: a bill rounds its quantities, and the costs
        must add up to its amount.
        """
        quantity = self.ours if self.agrees and self.ours > 0 else self.billed
        if quantity <= 0 or self.billed <= 0:
            return None
        usd = _to_12_places(Fraction(self.billed_usd) / Fraction(quantity))
        return usd if 0 <= usd < LIMIT else None

    @property
    def at_rate(self) -> Decimal:
        """The cost of our quantity at the rate; 0 without a rate."""
        return (self.rate or Decimal(0)) * self.ours


def _totals(lines: Iterable[Line]) -> Iterator[_Total]:
    def key(line: Line) -> tuple[date, str, str, str, str]:
        return line.period, line.account_id, line.region, line.component, line.instance_type

    for found, group in groupby(sorted(lines, key=key), key=key):
        same = [
            line
            for line in group
            # A training plan is paid for by itself: its hours have no price.
            if line.billed_usd is not None and line.purchase != TRAINING_PLAN
        ]
        if same:
            yield _Total(
                found,
                monthly=any(line.monthly for line in same),
                # A price does not say how the hours were bought.
                averages=len({line.purchase for line in same if line.billed > 0}) > 1,
                billed=sum((line.billed for line in same), Decimal(0)),
                ours=sum((line.ours for line in same), Decimal(0)),
                billed_usd=sum((line.billed_usd or Decimal(0) for line in same), Decimal(0)),
                our_usd=sum((line.our_usd for line in same), Decimal(0)),
                agrees=not any(line.differs for line in same),
            )


def _prices(total: _Total, usd: Decimal, source: str) -> Iterator[Price]:
    first, account, region, component, instance_type = total.key
    day = first
    while day == first or (total.monthly and day.month == first.month):
        unit = UNITS[component]
        yield Price(region, component, instance_type, usd, unit, day, source, account)
        day += timedelta(days=1)


def _unexplained(totals: Iterable[_Total]) -> Iterator[Unexplained]:
    for total in totals:
        explained = total.at_rate if total.rate is not None else total.our_usd
        if abs(total.billed_usd - explained) >= _CENT:
            yield Unexplained(*total.key, total.billed_usd, explained)


def _to_12_places(value: Fraction) -> Decimal:
    return Decimal(round(value * 10**12)).scaleb(-12)
