"""Computes the effective rates of a bill, as prices to import.

A bill rounds quantities and amounts, so the amount of a day divided by its quantity is a rate
with noise. Each day gives an interval that contains its rate. Successive days whose intervals
overlap share a rate: the shortest decimal in the common interval. 43.00 USD for 167.301 hours
is 0.257 an hour, not 0.257021774….
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

import duckdb

from exporter.prices.rows import COLUMNS, LIMIT, UNITS, Price


@dataclass
class _Run:
    """Successive days that share a rate between `low` and `high`, and the sums of their lines."""

    since: date
    low: Fraction
    high: Fraction
    quantity: Fraction
    usd: Fraction
    rounding: Fraction

    def rate(self) -> Decimal:
        """Return the shortest decimal that explains the amounts of all days."""
        low = max(self.low, (self.usd - self.rounding) / self.quantity)
        high = min(self.high, (self.usd + self.rounding) / self.quantity)
        return shortest(low, high) if low <= high else shortest(self.low, self.high)


def effective_rates(workspace: duckdb.DuckDBPyConnection, name: str) -> Iterator[Price]:
    """Yield the rates of the table `billed`, each from its first day on.

    A price has no account, so accounts are added up: different rates of a day become an average.

    Args:
        workspace: The connection that holds the table `billed`.
        name: The name of the export, for the source of the prices.
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
    for (region, component, instance_type), days in groupby(result, key=lambda row: row[:3]):
        unit, source = UNITS[component], f"bill: {name}"
        for run in _runs(days):
            usd = run.rate()
            if 0 < usd < LIMIT:
                yield Price(region, component, instance_type, usd, unit, run.since, source)


def rates_csv(rates: Iterable[Price]) -> str:
    """Return the rates as a CSV file for `prices import`."""
    written = io.StringIO()
    writer = csv.DictWriter(written, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for rate in rates:
        writer.writerow({**asdict(rate), "usd_per_unit": f"{rate.usd_per_unit:f}"})
    return written.getvalue()


def shortest(low: Fraction, high: Fraction) -> Decimal:
    """Return the middle of two numbers, rounded as far as it stays between them; 12 decimals."""
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
        # A quantity within its rounding error does not limit the rate from above.
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
