"""Keeps what a bill charged as prices, so that the costs of its days add up to the bill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exporter.bills.net import NetRates
from exporter.errors import UsageError
from exporter.prices import rows
from exporter.prices.effects import ChangedMonth, changed_months, costs_of_past_months
from exporter.prices.imports import record_import
from exporter.store.connections import Connection


@dataclass(frozen=True)
class Kept:
    """The result of keeping a bill.

    Attributes:
        import_id: The ID for `prices remove`.
        net: The rates, what they explain, and what they do not.
        changed_months: The past months whose cost changed.
    """

    import_id: int
    net: NetRates
    changed_months: tuple[ChangedMonth, ...]


def keep(connection: Connection, net: NetRates, name: str, now: datetime) -> Kept:
    """Store the net rates of a bill. They beat all other prices on the days they cover.

    Args:
        connection: A connection in a transaction that the caller commits.
        net: The rates of the bill, computed with the same database.
        name: The name of the export, for the source of the prices.
        now: The time by this machine's clock.

    Raises:
        UsageError: The bill has no line of training to keep.
    """
    if not net.days + net.jobs:
        raise UsageError("The bill has no training with an amount, so there is nothing to keep.")
    before = costs_of_past_months(connection, now)
    import_id = record_import(connection, name, now)
    rows.write_kept(connection, net.prices, source=f"bill: {name}", import_id=import_id)
    return Kept(import_id, net, changed_months(before, costs_of_past_months(connection, now)))
