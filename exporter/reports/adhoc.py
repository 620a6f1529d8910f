"""Runs ad-hoc SQL, guaranteed read-only.

The file is opened read-only. Before the user's SQL runs, access to files and to the network is
switched off and the configuration is locked. No statement can then write, read another file, load
an extension, attach a database or change a setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import sqlalchemy as sa
from sqlalchemy import exc

from exporter.errors import UsageError
from exporter.reports.result import Column, Result, Row
from exporter.store.connections import CLOSE_OFF, LOCK

_BATCH: Final = 10_000


def run(connection: sa.Connection, sql: str) -> Result:
    """Run one statement; the result reads its rows from the database on demand.

    Args:
        connection: A read-only connection. It keeps the locks, so it has no further use.
        sql: One statement.

    Raises:
        UsageError: `sql` is not one statement, or DuckDB refuses it. Reading the rows can also
            raise it.
    """
    _check_single(connection, sql)
    for statement in (CLOSE_OFF, LOCK):  # after LOCK, no setting can change
        connection.exec_driver_sql(statement)
    with _refusals():
        answer = connection.exec_driver_sql(sql)
        if not answer.returns_rows or answer.cursor is None:
            return Result((), ())
        described: Any = answer.cursor.description
        names = _distinct([str(column[0]) for column in described])
        kinds = [str(column[1]) for column in described]
        columns = tuple(map(Column, names, kinds))
    return Result(columns, _rows(answer))


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names, with a number after repeated ones: a JSON object has each key once."""
    found: list[str] = []
    for name in names:
        distinct, number = name, 0
        while distinct in found:
            number += 1
            distinct = f"{name}_{number}"
        found.append(distinct)
    return found


def _rows(answer: sa.CursorResult[Any]) -> Iterator[Row]:
    with _refusals():
        while batch := answer.fetchmany(_BATCH):
            yield from map(tuple, batch)


def _check_single(connection: sa.Connection, sql: str) -> None:
    raw: Any = connection.connection.driver_connection
    try:
        found = len(raw.extract_statements(sql))
    except duckdb.Error as error:
        raise _refused(error) from None
    except TypeError:  # half a surrogate pair, from bytes on the command line
        raise UsageError("The SQL is not valid UTF-8.") from None
    if found != 1:
        raise UsageError(f"Expected one SQL statement, found {found}.")


@contextmanager
def _refusals() -> Iterator[None]:
    """Translate what DuckDB raises for a statement."""
    try:
        yield
    except exc.DBAPIError as error:
        if isinstance(error.orig, duckdb.InterruptException):
            raise KeyboardInterrupt from None
        # The fault of the file, or of the lake's file system in Python; not of the statement.
        if type(error.orig) in (duckdb.IOException, duckdb.Error):
            raise
        raise _refused(error.orig or error) from None


def _refused(error: BaseException) -> UsageError:
    # DuckDB adds a blank line and a picture of the position. Its hints are useful.
    lines = [line.strip() for line in str(error).splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith(("^", "LINE ")))
    return UsageError(f"SQL: {text}")
