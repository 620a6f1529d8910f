"""Runs ad-hoc SQL, guaranteed read-only.

The file is opened read-only. Before the user's SQL runs, access to files and to the network is
switched off and the configuration is locked. No statement can then write, read another file, load
an extension, attach a database or change a setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from exporter.errors import UsageError
from exporter.reports.result import Column, Result, Row
from exporter.store.connections import CLOSE_OFF, LOCK, Connection, Rows


def run(connection: Connection, sql: str) -> Result:
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
        connection.execute(statement)
    with _refusals():
        answer = connection.execute(sql)
        kinds = [kind for _, kind in answer.columns]
        columns = tuple(map(Column, _distinct(answer.names), kinds))
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


def _rows(answer: Rows) -> Iterator[Row]:
    with _refusals():
        yield from answer.tuples()


def _check_single(connection: Connection, sql: str) -> None:
    raw = connection.raw
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
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        # The fault of the file, or of the lake's file system in Python; not of the statement.
        if type(error) in (duckdb.IOException, duckdb.Error):
            raise
        raise _refused(error) from None


def _refused(error: BaseException) -> UsageError:
    # DuckDB adds a blank line and a picture of the position. Its hints are useful.
    lines = [line.strip() for line in str(error).splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith(("^", "LINE ")))
    return UsageError(f"SQL: {text}")
