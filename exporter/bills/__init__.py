"""Compares a bill export with the database: what differs, and the jobs that explain it."""

from exporter.bills.comparing import Job, Line, Reconciliation, reconcile
from exporter.bills.exports import Export
from exporter.bills.rates import rates_csv

__all__ = ["Export", "Job", "Line", "Reconciliation", "rates_csv", "reconcile"]
