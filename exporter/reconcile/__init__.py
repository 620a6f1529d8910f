"""Compares a bill export with the database: what differs, and the jobs that explain it."""

from exporter.reconcile.comparing import Job, Line, Reconciliation, reconcile
from exporter.reconcile.exports import Export
from exporter.reconcile.rates import rates_csv

__all__ = ["Export", "Job", "Line", "Reconciliation", "rates_csv", "reconcile"]
