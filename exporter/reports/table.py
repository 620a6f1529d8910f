"""Results as tables for people, fitted to a width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from io import StringIO
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.printable import visible
from exporter.reports.rendering import is_numeric, total_cells
from exporter.reports.result import Column, Result, Row
from exporter.reports.values import shown

_BAR: Final = 12
_GAP: Final = 2
#: Texts are given this many columns while there is room, and the lesser number when not.
_TEXT: Final = 24
_INSTANCE_TYPE: Final = 17
_NARROW_TEXT: Final = 12
_UNBOUNDED: Final = 100_000
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
#: Above this, rich would take seconds to lay the rows out.
MOST_ROWS: Final = 10_000


def render(result: Result, *, width: int | None, colour: bool = False) -> str:
    """The table, its total and its notes.

    Where it is wider than `width` (None: no limit) the bars go first, then columns with nothing
    in them and those marked `wide`, then texts are folded; numbers are never cut. What does not
    fit at all is written as one block a row.
    """
    rows = list(result.rows)
    widths = _fitting(result, rows, width)
    lines: list[Text | Table] = [Text(heading, "bold") for heading in _headings(result)]
    notes: list[str] = []
    if not rows:
        lines.append(Text("No rows."))
    elif widths is None:
        lines.extend(_blocks(result, rows))
    else:
        hidden = [
            column.name
            for index, column in enumerate(result.columns)
            if index not in widths and any(row[index] is not None for row in rows)
        ]
        if hidden:
            notes.append(f"Too narrow for {', '.join(hidden)}: widen it, or use --format csv.")
        bar = _has_bar(result, rows, widths, width)
        lines.append(_table(result, rows, widths, bar=bar))
    notes = [visible(note.text) for note in result.notes] + notes
    return _print(lines, notes, width, colour=colour)


def _headings(result: Result) -> list[str]:
    if not result.title:
        return []
    return [f"{result.title}, {result.period}" if result.period else result.title]


def _print(
    lines: Sequence[Text | Table], notes: Sequence[str], width: int | None, *, colour: bool
) -> str:
    out = StringIO()
    console = Console(
        file=out,
        width=width or _UNBOUNDED,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for line in lines:
        console.print(line, overflow="fold")
    if notes:
        console.print()
    for note in notes:
        console.print(Text(note, "dim"), overflow="fold")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _heading(result: Result, column: Column) -> str:
    if not result.report or column.name.startswith("tag:"):
        return visible(column.name)  # somebody's own SQL: as they named it
    return column.name.replace("_", " ").replace("usd", "USD")


def _right(column: Column) -> bool:
    return is_numeric(column.type)


def _extent(result: Result, rows: Sequence[Row], index: int, text: int) -> tuple[int, int]:
    """Columns of the screen that a column needs at least and at most; texts fold at `text`."""
    column, totals = result.columns[index], result.totals
    texts = [shown(row[index], column.unit) for row in rows]
    if totals is not None:
        texts.append(total_cells(result, totals)[index])
    longest = max(map(cell_len, texts), default=1)
    heading = _heading(result, column)
    words = max(map(cell_len, heading.split()), default=1)
    whole = _right(column) or column.type.startswith(("DATE", "TIMESTAMP"))
    return max(words, longest if whole else min(longest, text)), max(longest, cell_len(heading))


def _dispensable(result: Result, rows: Sequence[Row]) -> list[int]:
    """Columns that go when room is short, in this order: those with nothing in them, wide ones."""
    every = range(len(result.columns))
    empty = [index for index in every if all(row[index] is None for row in rows)]
    wide = [index for index in reversed(every) if result.columns[index].wide]
    return empty + [index for index in wide if index not in empty]


def _fitting(result: Result, rows: Sequence[Row], width: int | None) -> dict[int, int] | None:
    """The columns that fit, and the width of each; None where not even the narrow ones do.

    Widths are worked out here and not by rich, which cuts numbers when it runs short.
    """
    shown_columns = list(range(len(result.columns)))
    steps = [(shown_columns, _TEXT)]
    for index in _dispensable(result, rows):
        shown_columns = [other for other in shown_columns if other != index]
        steps.append((shown_columns, _TEXT))
    steps += [(shown_columns, _INSTANCE_TYPE), (shown_columns, _NARROW_TEXT)]
    for indexes, text in steps:
        extents = {index: _extent(result, rows, index, text) for index in indexes}
        if width is None:
            return {index: most for index, (_, most) in extents.items()}
        room = width - sum(least for least, _ in extents.values()) - _GAP * (len(indexes) - 1)
        if room < 0:
            continue
        widths = {}
        # Texts are unfolded first, then headings.
        for index in sorted(indexes, key=lambda index: _right(result.columns[index])):
            least, most = extents[index]
            widths[index] = least + min(room, most - least)
            room -= widths[index] - least
        return {index: widths[index] for index in indexes}
    return None


def _has_bar(
    result: Result, rows: Sequence[Row], widths: Mapping[int, int], width: int | None
) -> bool:
    if not result.bar or len(rows) < 2 or len(widths) < len(result.columns):
        return False
    return width is None or sum(widths.values()) + _GAP * len(widths) + _BAR <= width


def _table(result: Result, rows: Sequence[Row], widths: Mapping[int, int], *, bar: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),  # with the divider: a gap of two
        header_style="bold",
    )
    for index, width in widths.items():
        column = result.columns[index]
        table.add_column(
            Text(_heading(result, column)),
            justify="right" if _right(column) else "left",
            overflow="fold",
            width=width,
        )
    if bar:
        table.add_column("", no_wrap=True, width=_BAR)
    bars = _bars(result, rows) if bar else []
    for number, row in enumerate(rows):
        cells = [shown(row[index], result.columns[index].unit) for index in widths]
        table.add_row(*map(Text, cells), *([Text(bars[number], "cyan")] if bar else []))
    if result.totals is not None:
        cells = total_cells(result, result.totals)
        table.add_section()
        table.add_row(*(Text(cells[index], "bold") for index in widths))
    return table


def _bars(result: Result, rows: Sequence[Row]) -> list[str]:
    index = [column.name for column in result.columns].index(result.bar)
    amounts = [Decimal(row[index] or 0) for row in rows]
    most = max(amounts)
    return [_bar_of(amount / most if most > 0 else Decimal()) for amount in amounts]


def _bar_of(share: Decimal) -> str:
    eighths = round(max(share, Decimal()) * _BAR * 8)
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")


def _blocks(result: Result, rows: Sequence[Row]) -> list[Text]:
    names = [_heading(result, column) for column in result.columns]
    longest = max(map(cell_len, names))
    lines = []
    for row in rows:
        for name, value, column in zip(names, row, result.columns, strict=True):
            lines.append(Text(f"{name:<{longest}}  {shown(value, column.unit)}"))
        lines.append(Text(""))
    if result.totals is not None:
        lines.append(Text("total", "bold"))
        for name, value in zip(names, total_cells(result, result.totals), strict=True):
            if value and value != "total":
                lines.append(Text(f"{name:<{longest}}  {value}", "bold"))
    return lines
