"""How every DuckDB connection of this program is configured, and how its statements run."""

from __future__ import annotations

import json
import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

import duckdb

Config = dict[str, str | bool | int | float | list[str]]

#: DuckDB installs and loads no extension, so no connection reaches the network.
OFFLINE: Final[Config] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
#: DuckDB loads its ICU extension after it reads the config, so the time zone is set here.
#: The progress bar would mix with results on stdout when Python runs no script (`python -c`).
SESSION: Final = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
#: After this statement SQL reaches no other file.
CLOSE_OFF: Final = "SET enable_external_access = false"
#: After this statement SQL changes no setting, so it cannot undo the one above.
LOCK: Final = "SET lock_configuration = true"

#: A bound parameter, as SQLAlchemy finds it; not a cast (`::INT`) and not a slice (`[1:n]`).
BOUND: Final = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_BATCH: Final = 10_000


def in_memory() -> duckdb.DuckDBPyConnection:
    """Open a new in-memory database."""
    connection = duckdb.connect(":memory:", config={**OFFLINE})
    connection.execute(SESSION)
    return connection


class Rows:
    """The rows that a statement returns; each is read once.

    Args:
        columns: Name and type of each column; empty = the statement returns no rows.
        batches: The rows, some at a time.

    Attributes:
        columns: Name and type of each column; empty = the statement returns no rows.
    """

    def __init__(
        self, columns: Sequence[tuple[str, str]], batches: Iterable[Sequence[tuple[Any, ...]]]
    ) -> None:
        self.columns = columns
        self._batches = iter(batches)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _ in self.columns]

    def __iter__(self) -> Iterator[Any]:
        """Yield each row as a tuple whose values also have the names of the columns."""
        return map(_row(tuple(self.names))._make, self.tuples())

    def tuples(self) -> Iterator[tuple[Any, ...]]:
        """Yield each row as a plain tuple."""
        return chain.from_iterable(self._batches)

    def all(self) -> list[Any]:
        """Return all rows."""
        return list(self)

    def one(self) -> Any:  # noqa: ANN401 - the columns are known at run time
        """Return the only row.

        Raises:
            ValueError: There are none, or several.
        """
        (row,) = self.all()
        return row

    def mappings(self) -> Iterator[dict[str, Any]]:
        """Yield each row as a dictionary."""
        names = self.names
        return (dict(zip(names, row, strict=True)) for row in self.tuples())

    def scalars(self) -> list[Any]:
        """Return the first value of each row."""
        return [row[0] for row in self.tuples()]

    def scalar(self) -> Any:  # noqa: ANN401 - the columns are known at run time
        """Return the first value of the first row; None if there are no rows."""
        return next(iter(self.scalars()), None)


class Connection:
    """An open database.

    Args:
        raw: DuckDB's own connection.
        database: The file, or `:memory:`.

    Attributes:
        raw: DuckDB's own connection.
        database: The file, or `:memory:`.
        rewrite: Applied to each statement before it runs.
    """

    def __init__(self, raw: duckdb.DuckDBPyConnection, database: str = ":memory:") -> None:
        self.raw = raw
        self.database = database
        self.rewrite: Callable[[str], str] = str

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Run a statement. Read its rows to their end before the next one runs.

        Values have the types of DuckDB's Python API, and a JSON column has parsed values.

        Args:
            statement: SQL. With `parameters`, `:name` stands for one of them.
            parameters: Values by name; those that the statement does not name are ignored.

        Raises:
            duckdb.Error: DuckDB refuses the statement, or fails.
        """
        sql = self.rewrite(statement)
        if parameters:
            used = set(BOUND.findall(sql))
            sql = BOUND.sub(r"$\1", sql)
            self.raw.execute(sql, {name: parameters[name] for name in used})
        else:
            self.raw.execute(sql)
        columns = [(str(each[0]), str(each[1])) for each in self.raw.description or ()]
        documents = [index for index, (_, kind) in enumerate(columns) if kind == "JSON"]
        return Rows(columns, self._batches(documents))

    def execute_each(self, statement: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run a statement once for each of a few rows of parameters."""
        for row in rows:
            self.execute(statement, row)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit after the block, or roll back if it raises."""
        self.raw.begin()
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        self.raw.commit()

    def close(self) -> None:
        """Close it. The last connection to a file that was written to writes a checkpoint."""
        self.raw.close()

    def _roll_back(self) -> None:
        try:
            self.raw.rollback()
        except duckdb.Error:
            # It is rolled back already, or the connection is lost: the error of the block counts.
            return

    def _batches(self, documents: Sequence[int]) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of the last statement, with the JSON of these columns as objects."""
        while rows := self.raw.fetchmany(_BATCH):
            yield [_parsed(row, documents) for row in rows] if documents else rows


def connect(
    database: Path | str = ":memory:",
    *,
    read_only: bool = False,
    config: Mapping[str, Any] = OFFLINE,
) -> Connection:
    """Open a database.

    Raises:
        duckdb.Error: It cannot be opened.
    """
    raw = duckdb.connect(str(database), read_only=read_only, config=dict(config))
    raw.execute(SESSION)
    return Connection(raw, str(database))


def _parsed(row: tuple[Any, ...], documents: Sequence[int]) -> tuple[Any, ...]:
    values = list(row)
    for index in documents:
        if values[index] is not None:
            values[index] = json.loads(values[index])
    return tuple(values)


@cache
def _row(names: tuple[str, ...]) -> Any:  # noqa: ANN401 - a class that is made at run time
    return namedtuple("Row", names, rename=True)
