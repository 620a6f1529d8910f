"""What runs the SQL of reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import sqlalchemy as sa


class Source(Protocol):
    """A read-only connection to DuckDB, or what stands for one (publish/spark/remote.py)."""

    def execute(
        self, statement: sa.TextClause, parameters: Mapping[str, Any] | None = None, /
    ) -> sa.CursorResult[Any]:
        """Return the rows of a SELECT with `:parameters`."""
