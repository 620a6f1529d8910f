"""What a report or a query gives: typed columns, rows, perhaps a total, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.reports.periods import Period

Row = Sequence[Any]


@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        name: As in the SQL, or `tag:KEY`.
        type: DuckDB's name for its type, such as DECIMAL(38,12).
        unit: How a table shows it (catalogue.UNITS); empty = as it is.
        wide: Left out of tables that are too wide otherwise.
        note: What it means.
    """

    name: str
    type: str = "VARCHAR"
    unit: str = ""
    wide: bool = False
    note: str = ""


@dataclass(frozen=True)
class Note:
    """Something a reader of a total must know. Codes are for scripts, and stay.

    `reasons` are the cost bases behind the code `unpriced`.
    """

    code: str
    text: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """A result, of a report where `report` is not empty.

    `rows` can be walked once only, where they come straight from the database.
    """

    columns: tuple[Column, ...]
    rows: Iterable[Row]
    totals: Row | None = None
    notes: tuple[Note, ...] = ()
    report: str = ""
    title: str = ""
    period: Period | None = None
    bar: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
