"""SQLAlchemy over an open connection: for the upserts of jobs, and for Alembic.

Importing it takes longer than opening a database of a million jobs. So only what writes jobs or
migrates the schema imports this module, and only when it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import sqlalchemy as sa
from sqlalchemy import exc

from exporter.store.connections import Connection


@contextmanager
def attached(connection: Connection) -> Iterator[sa.Connection]:
    """Yield a connection of SQLAlchemy that works inside the transaction of the caller.

    Raises:
        duckdb.Error: DuckDB refuses a statement, or fails.
    """
    # The statements that SQLAlchemy sends a new engine take a millisecond, so none is kept.
    engine = sa.create_engine(
        "duckdb://", creator=lambda: _Attached(connection.raw), poolclass=sa.NullPool
    )
    try:
        with engine.connect() as found:
            yield found
    except exc.DBAPIError as error:
        if isinstance(error.orig, duckdb.Error):
            raise error.orig from error
        raise


class _Attached:
    """A connection as SQLAlchemy's driver sees it; the caller begins, ends and closes it."""

    def __init__(self, raw: duckdb.DuckDBPyConnection) -> None:
        self._raw = raw
        # The dialect derives from that of psycopg2, and reads these after each statement.
        self.notices: list[str] = []

    def cursor(self) -> _Cursor:
        """Return a cursor of this connection, and of its transaction."""
        return _Cursor(self, self._raw)

    def begin(self) -> None:
        """Do nothing: the transaction is the caller's."""

    commit = rollback = close = begin

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the driver's has
        return getattr(self._raw, name)


class _Cursor:
    """DuckDB's connection, which is its own cursor."""

    def __init__(self, connection: _Attached, raw: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._raw = raw

    def execute(self, statement: str, parameters: Any = None, _: object = None) -> None:  # noqa: ANN401 - as the driver takes
        """Run a statement."""
        self._raw.execute(statement, parameters or None)

    def executemany(self, statement: str, parameters: Any, _: object = None) -> None:  # noqa: ANN401 - likewise
        """Run a statement once for each row of parameters."""
        self._raw.executemany(statement, list(parameters))

    def close(self) -> None:
        """Do nothing: closing would end the connection."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the driver's has
        return getattr(self._raw, name)
