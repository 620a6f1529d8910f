"""Copies your SageMaker training-job history into DuckDB and shows what your warm pools cost.

`from exporter import client, connect, report, sync` imports no library yet; the functions do.
"""

from exporter.api import client, connect, report, sync

__all__ = ["client", "connect", "report", "sync"]
