"""What the functions return: tables for Python, for notebooks, and for the libraries of both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Final

from exporter.extras import require
from exporter.reports.rendering import is_numeric, total_cells
from exporter.reports.result import Column, Note, Result, Row
from exporter.reports.values import heading, shown
from exporter.spelling import in_python

if TYPE_CHECKING:
    import pandas
    import polars
    from arro3.core import Table as ArrowTable

    from exporter.reports.job import JobReport
    from exporter.reports.periods import Period

#: Rows that `repr()` and a notebook show.
_SHOWN: Final = 50


class Table:
    """Rows with typed columns, perhaps a total, and notes on what the total leaves out.

    It is iterable, has a length, shows as a table in a notebook and in `print`, and gives its rows
    to every library that reads the Arrow C stream: `polars.DataFrame(table)`,
    `pyarrow.table(table)`, `SELECT * FROM table` in DuckDB.

    Args:
        result: The result of a command; its rows must be readable more than once.
    """

    def __init__(self, result: Result) -> None:
        rows = [tuple(_in_utc(value) for value in row) for row in result.rows]
        self._result = replace(result, rows=rows)
        self._rows: list[Row] = list(rows)

    @property
    def name(self) -> str:
        """The report or command, such as `warm-pool-cost`."""
        return self._result.report

    @property
    def title(self) -> str:
        """What the table shows, in words."""
        return self._result.title

    @property
    def period(self) -> Period | None:
        """The UTC days that it covers, from `since` to `until`, exclusive; None = no period."""
        return self._result.period

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns: `name`, DuckDB `type`, `unit`, and the `note` that explains it."""
        return self._result.columns

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows by column name.

        Money, hours and shares are `Decimal`, times are UTC `datetime`, days are `date`, lists are
        `list`. An unknown value is None.
        """
        return [self._by_name(row) for row in self._rows]

    @property
    def totals(self) -> dict[str, Any] | None:
        """The total by column name, with None where a column has none; None = no total."""
        return None if self._result.totals is None else self._by_name(self._result.totals)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a reader of the total must know; the `code` of a note never changes."""
        return self._result.notes

    @property
    def more(self) -> Mapping[str, Any]:
        """Further results: `kept` of reconcile, `next_token` of jobs."""
        return self._result.more

    def to_arrow(self) -> ArrowTable:
        """Return an Arrow table (arro3.core.Table) with the types of the columns.

        DECIMAL(38,12) stays decimal128(38, 12), times are timestamps in UTC, days are dates. What
        has no Arrow type here, such as JSON, is text.
        """
        from exporter.reports import arrow

        return arrow.table(self._result)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Give the rows to a library that reads the Arrow C stream."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def df(self) -> pandas.DataFrame:
        """Return a pandas DataFrame, in the types that DuckDB gives pandas.

        Decimals become float64, with which pandas can calculate and draw, but which is not exact;
        days become timestamps at midnight. `pandas.DataFrame(table.rows)` keeps each value exact,
        as an object.

        Raises:
            MissingExtra: pandas is not installed.
        """
        from exporter.reports import arrow

        require("pandas", "df()")
        with arrow.relation(self._result) as rows:
            return rows.df()

    def pl(self) -> polars.DataFrame:
        """Return a Polars DataFrame with exact decimals, UTC times and dates.

        Raises:
            MissingExtra: Polars is not installed.
        """
        require("polars", "pl()")
        import polars

        return polars.DataFrame(self.to_arrow())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self._rows)

    @in_python
    def __repr__(self) -> str:
        from exporter.reports import table

        first = replace(self._result, rows=self._shown(), notes=tuple(self._all_notes()))
        return table.render(first, width=shutil.get_terminal_size().columns).rstrip()

    def _repr_html_(self) -> str:
        """Return the first rows as an HTML table for a notebook, with total, period and notes."""
        result = self._result
        title = f"{result.title}, {result.period}" if result.period else result.title
        caption = f"<caption>{escape(title)}</caption>" if title else ""
        names = "".join(_heading(column) for column in result.columns)
        lines = [f"<tr>{''.join(map(_cell, row, result.columns))}</tr>" for row in self._shown()]
        total = ""
        if result.totals is not None:
            cells = zip(total_cells(result, result.totals), result.columns, strict=True)
            texts = "".join(_td(text, column, "th") for text, column in cells)
            total = f"<tfoot><tr>{texts}</tr></tfoot>"
        notes = "".join(f"<p>{escape(note.text)}</p>" for note in self._all_notes())
        return (
            f"<table>{caption}<thead><tr>{names}</tr></thead>"
            f"<tbody>{''.join(lines)}</tbody>{total}</table>{notes}"
        )

    def _shown(self) -> list[Row]:
        return self._rows[:_SHOWN]

    def _all_notes(self) -> Iterator[Note]:
        """Yield the notes, after one that says how many rows are not shown."""
        if (hidden := len(self._rows) - _SHOWN) > 0:
            yield Note("hidden", f"{hidden:,} more rows: see rows, df() or pl().")
        yield from self._result.notes

    def _by_name(self, row: Row) -> dict[str, Any]:
        return dict(zip((column.name for column in self.columns), row, strict=True))


class Job:
    """Everything that the database knows of one job.

    Args:
        found: What `job` reads.
    """

    def __init__(self, found: JobReport) -> None:
        self._found = found

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it is, by the names of the columns; None = not known."""
        return {name: _in_utc(value) for name, value in self._found.facts.items()}

    @cached_property
    def history(self) -> Table:
        """What happened to it, in order."""
        return Table(self._found.history)

    @cached_property
    def costs(self) -> Table:
        """One row per component, instance type, price and basis, with the total."""
        return Table(self._found.costs)

    @cached_property
    def chain(self) -> Table:
        """The jobs that ran on the same pool, in order; no rows if the job ran on none."""
        return Table(self._found.chain)

    @property
    def cost_usd(self) -> Decimal | None:
        """What it cost, as far as it is known; None = no part of it is."""
        totals = self.costs.totals
        return None if totals is None else totals["cost_usd"]

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is not known or not final, and why, in sentences."""
        return self._found.unknown

    def _repr_html_(self) -> str:
        """Return the sections for a notebook."""
        return "".join(Table(each)._repr_html_() for each in self._found.sections())

    def __repr__(self) -> str:
        return "\n\n".join(repr(Table(each)) for each in self._found.sections())


def _in_utc(value: Any) -> Any:  # noqa: ANN401 - whatever the database holds
    """Return a time in UTC of the standard library; every other value as it is."""
    is_aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if is_aware else value


def _heading(column: Column) -> str:
    note = f' title="{escape(column.note)}"' if column.note else ""
    return f"<th{note}>{escape(heading(column.name))}</th>"


def _cell(value: object, column: Column) -> str:
    return _td(shown(value, column.unit), column, "td")


def _td(text: str, column: Column, tag: str) -> str:
    side = "right" if is_numeric(column.type) else "left"
    return f'<{tag} style="text-align: {side}">{escape(text)}</{tag}>'
