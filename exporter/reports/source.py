"""What runs the SQL of reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from exporter.store.connections import Rows


class Source(Protocol):
    """A read-only connection to DuckDB, or what stands for one (publish/spark/remote.py)."""

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None, /) -> Rows:
        """Return the rows of a SELECT with `:parameters`."""
