"""Ad-hoc SQL, read only in truth.

The file is opened read-only; before a word of the user's SQL runs, access to files and the
network is switched off and the configuration is locked. So no statement can write, read another
file, load an extension, attach a database or undo any of this (tests/reports/test_adhoc.py
tries).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from exporter.errors import UsageError
from exporter.reports.result import Column, Result, Row
from exporter.store.connections import CLOSE_OFF, LOCK

_BATCH: Final = 10_000


def run(connection: sa.Connection, sql: str) -> Result:
    """Run one statement over a read-only connection, which is good for nothing else after it.

    The rows come from the database as they are walked.

    Raises:
        UsageError: It is not one statement, or DuckDB refuses it; in one line.
    """
    _check_single(connection, sql)
    for statement in (CLOSE_OFF, LOCK):
        connection.exec_driver_sql(statement)
    with _in_one_line():
        answer = connection.exec_driver_sql(sql)
        if not answer.returns_rows or answer.cursor is None:
            return Result((), ())
        described: Any = answer.cursor.description
        names = _apart([str(column[0]) for column in described])
        kinds = [str(column[1]) for column in described]
        columns = tuple(map(Column, names, kinds))
    return Result(columns, _rows(answer))


def _apart(names: Sequence[str]) -> list[str]:
    """The names, a number after those that were there before: a JSON object has each key once."""
    found: list[str] = []
    for name in names:
        apart, number = name, 0
        while apart in found:
            number += 1
            apart = f"{name}_{number}"
        found.append(apart)
    return found


def _rows(answer: sa.CursorResult[Any]) -> Iterator[Row]:
    with _in_one_line():
        while batch := answer.fetchmany(_BATCH):
            yield from map(tuple, batch)


def _check_single(connection: sa.Connection, sql: str) -> None:
    raw: Any = connection.connection.driver_connection
    try:
        found = len(raw.extract_statements(sql))
    except Exception as error:  # a parser error of DuckDB's, whose classes SQLAlchemy hides
        raise _refused(error) from None
    if found != 1:
        raise UsageError(f"Expected one SQL statement, found {found}.")


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        kind = type(error.orig).__name__
        if kind == "InterruptException":
            raise KeyboardInterrupt from None
        if kind == "IOException":  # the file itself: not the user's doing
            raise
        raise _refused(error.orig or error) from None


def _refused(error: BaseException) -> UsageError:
    # DuckDB goes on with a blank line and a picture of the place; hints are worth keeping.
    lines = [line.strip() for line in str(error).splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith(("^", "LINE ")))
    return UsageError(f"SQL: {text}")
