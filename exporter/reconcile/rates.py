"""What a bill really charged: its effective rates, offered as prices to import.

A bill rounds quantities and amounts, so a day's amount over its quantity is a rate with noise.
Each day gives an interval in which its rate must lie; days in a row whose intervals meet share a
rate, and of all numbers in the common interval the shortest decimal is taken: 43.00 USD for
167.301 hours is 0.257 an hour, not 0.257021774…
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

import duckdb

from exporter.prices.rows import LIMIT, UNITS, Price


@dataclass
class _Run:
    """Days in a row with one rate between `low` and `high`; what was billed, to what rounding."""

    since: date
    low: Fraction
    high: Fraction
    quantity: Fraction
    usd: Fraction
    rounding: Fraction

    def rate(self) -> Decimal:
        """The shortest decimal that explains the money of all its days."""
        low = max(self.low, (self.usd - self.rounding) / self.quantity)
        high = min(self.high, (self.usd + self.rounding) / self.quantity)
        return shortest(low, high) if low <= high else shortest(self.low, self.high)


def effective_rates(workspace: duckdb.DuckDBPyConnection, name: str) -> Iterator[Price]:
    """The rates of the table `billed`, each from the first day on which it shows.

    Accounts are put together: a price has none. Where they pay different rates, an average of
    that day comes out.
    """
    result = workspace.execute("""
        SELECT
            region, component, instance_type, period, sum(quantity), sum(usd),
            sum(rounding), sum(usd_rounding)
        FROM billed
        WHERE region <> ''
        GROUP BY ALL
        HAVING sum(quantity) > 0 AND sum(usd) > 0
        ORDER BY ALL
    """).fetchall()
    for thing, days in groupby(result, key=lambda row: row[:3]):
        region, component, instance_type = thing
        for run in _runs(days):
            usd = run.rate()
            if 0 < usd < LIMIT:
                yield Price(
                    region,
                    component,
                    instance_type,
                    usd,
                    UNITS[component],
                    run.since,
                    f"bill: {name}",
                )


def rates_csv(rates: Iterable[Price]) -> str:
    """Rates as a CSV that `prices import` takes."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(Price._fields)
    for rate in rates:
        writer.writerow([f"{value:f}" if isinstance(value, Decimal) else value for value in rate])
    return written.getvalue()


def shortest(low: Fraction, high: Fraction) -> Decimal:
    """The middle of two numbers, written as short as it stays between them; 12 decimals at most."""
    middle = (low + high) / 2
    for places in range(13):
        number = round(middle * 10**places)
        if low <= Fraction(number, 10**places) <= high:
            break
    return Decimal(number).scaleb(-places)


def _runs(days: Iterable[tuple[Any, ...]]) -> Iterator[_Run]:
    run: _Run | None = None
    for *_, since, billed_quantity, billed_usd, rounding, usd_rounding in days:
        quantity, usd = Fraction(billed_quantity), Fraction(billed_usd)
        by, usd_by = Fraction(rounding), Fraction(usd_rounding)
        low = max(usd - usd_by, Fraction(0)) / (quantity + by)
        # So little that rounding hides it all bounds the rate from below only.
        high = (usd + usd_by) / (quantity - by) if quantity > by else Fraction(LIMIT)
        if run is not None and low <= run.high and high >= run.low:
            run.low, run.high = max(low, run.low), min(high, run.high)
            run.quantity += quantity
            run.usd += usd
            run.rounding += usd_by
            continue
        if run is not None:
            yield run
        run = _Run(since, low, high, quantity, usd, usd_by)
    if run is not None:
        yield run
