"""A bill export beside our own hours and money: what differs, and which jobs explain it."""

from exporter.reconcile.comparing import Job, Line, Reconciliation, reconcile
from exporter.reconcile.exports import Export
from exporter.reconcile.rates import rates_csv

__all__ = ["Export", "Job", "Line", "Reconciliation", "rates_csv", "reconcile"]
