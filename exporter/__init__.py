"""Copies your SageMaker training-job history into DuckDB and shows what your warm pools cost.

`from exporter import sync, report` imports no library yet; the functions do.
"""

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
