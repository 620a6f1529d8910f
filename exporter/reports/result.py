"""The result of a report or query: typed columns, rows, an optional total, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.reports.periods import Period

Row = Sequence[Any]


@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        name: The name in the SQL, or `tag:KEY`.
        type: DuckDB's name of the type, such as DECIMAL(38,12).
        unit: The unit in which tables show it (catalogue.UNITS); empty = as it is.
        wide: Whether a table that is too wide hides the column.
        note: The meaning of the column.
        key: Whether it tells rows apart, so that no table hides it.
        aside: Whether a table that is too wide moves it out of the rows, to lines of its own.
    """

    name: str
    type: str = "VARCHAR"
    unit: str = ""
    wide: bool = False
    note: str = ""
    key: bool = False
    aside: bool = False


@dataclass(frozen=True)
class Note:
    """A fact that the reader of a total must know.

    Attributes:
        code: A name for scripts, which never changes.
        text: The fact, and what to do about it.
        reasons: The cost bases behind the code `unpriced`.
    """

    code: str
    text: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """A result.

    Attributes:
        columns: The columns.
        rows: The rows. If they come straight from the database, they can be read only once.
        totals: The total row; None = there is none.
        notes: What a reader must know about the total.
        report: The name of the report; empty = the result of a query.
        title: The title of a table.
        period: The days that the report covers; None = it has no period.
        bar: The column that tables draw as a bar; empty = none.
        prose: Whether each row is a sentence, in the columns `topic` and `text`, for people.
        more: Further keys of the JSON object.
    """

    columns: tuple[Column, ...]
    rows: Iterable[Row]
    totals: Row | None = None
    notes: tuple[Note, ...] = ()
    report: str = ""
    title: str = ""
    period: Period | None = None
    bar: str = ""
    prose: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
