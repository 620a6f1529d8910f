"""The Python API: the commands as functions, and what they return."""

from exporter.api.functions import (
    client,
    connect,
    dashboard,
    job,
    jobs,
    reconcile,
    report,
    status,
    sync,
)

__all__ = [
    "client",
    "connect",
    "dashboard",
    "job",
    "jobs",
    "reconcile",
    "report",
    "status",
    "sync",
]
