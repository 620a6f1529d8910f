"""Sync Amazon SageMaker training jobs into DuckDB, and see what each warm pool cost.

`from exporter import client, connect, report, sync`: importing loads none of what they need.
"""

from exporter.api import client, connect, report, sync

__all__ = ["client", "connect", "report", "sync"]
