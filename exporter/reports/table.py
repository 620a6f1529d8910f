"""Renders results as tables for people, fitted to a width.

Rich measures and folds texts. Its own tables do not serve: they cut numbers if the width is too
small, and lay out a thousand rows a second at best.

No column that tells rows apart is hidden. Between words texts are folded; a name, a type or a
command is never broken inside. One that is longer than its column takes the rest of its line, and
the row goes on below it. If that is too short, it stands below the row.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from exporter.reports.rendering import is_numeric, total_cells
from exporter.reports.result import Column, Result
from exporter.reports.values import heading, shown
from exporter.spelling import is_python
from exporter.text import visible

#: Widths are in columns of the terminal: a wide character takes two.
_BAR: Final = 12
_GAP: Final = "  "
#: The width to which texts may be folded, from the first attempt to the last.
_TEXT: Final = 24
_NARROW_TEXT: Final = 17
_NARROWEST_TEXT: Final = 12
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_BOLD, _DIM, _CYAN, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m"


def render(result: Result, *, width: int | None, colour: bool = False) -> str:
    """Return the table with its title, total and notes.

    If the table is too wide, the bars are left out first, then empty columns. Columns marked
    `aside` leave the rows for a note if all rows have the same value. Then columns marked `wide`
    are hidden, from the right. Other columns marked `aside` follow: keys go to a line above the
    rows that share their value, others to a line below the row. At last texts are folded more.
    Numbers are never cut: if the rest does not fit, each row becomes a block of lines.

    Args:
        result: The result.
        width: The width of the terminal; None = no limit: each row is one line with every column.
        colour: Whether to add colours.
    """
    return _Table(result, width, colour=colour).render()


@dataclass(frozen=True)
class _Layout:
    """Where the columns stand, by their indexes.

    Attributes:
        widths: The width of each column in the row.
        above: The columns on lines above the rows that share their values.
        below: The columns on lines below the row.
        common: The columns whose value is the same in all rows; a note has it.
    """

    widths: Mapping[int, int]
    above: tuple[int, ...] = ()
    below: tuple[int, ...] = ()
    common: tuple[int, ...] = ()


class _Table:
    def __init__(self, result: Result, width: int | None, *, colour: bool) -> None:
        self._result = result
        self._width = width
        self._colour = colour
        units = [column.unit for column in result.columns]
        self._rows = list(result.rows)
        self._cells = [
            [shown(value, unit) for value, unit in zip(row, units, strict=True)]
            for row in self._rows
        ]
        self._totals = None if result.totals is None else total_cells(result, result.totals)
        # The columns of a query keep the names that the user gave them.
        self._names = [
            visible(heading(column.name, column.unit) if result.report else column.name)
            for column in result.columns
        ]
        self._every = range(len(self._names))
        self._empty = [i for i in self._every if all(row[i] is None for row in self._rows)]

    def render(self) -> str:
        """Return the text, which ends in a line break."""
        notes = [note.text for note in self._result.notes]
        lines = [self._styled(line, _BOLD) for line in self._wrapped(self._title())]
        if not self._rows:
            lines.append("No rows.")
        elif self._result.prose:
            lines.extend(self._sentences())
        elif (layout := self._layout()) is None:
            lines.extend(self._blocks())
        else:
            lines.extend(self._table(layout))
            notes.extend(self._left_out(layout))
        if notes:
            lines.append("")
        for note in notes:
            lines.extend(self._styled(line, _DIM) for line in self._wrapped(visible(note)))
        return "".join(f"{line}\n" for line in lines)

    def _sentences(self) -> Iterator[str]:
        """Yield the sentences of a result in prose, each after its topic."""
        names = [column.name for column in self._result.columns]
        rows = [(cells[names.index("topic")], cells[names.index("text")]) for cells in self._cells]
        indent = max(len(topic) for topic, _ in rows) + 2
        for topic, text in rows:
            folded = [text] if self._width is None else _fold(text, max(20, self._width - indent))
            yield f"{topic:{indent}}{folded[0]}"
            yield from (f"{'':{indent}}{line}" for line in folded[1:])

    def _left_out(self, layout: _Layout) -> Iterator[str]:
        """Yield notes on columns with values that no row shows."""
        if layout.common:
            pairs = (f"{self._names[i]} {self._cells[0][i]}" for i in layout.common)
            yield f"All rows: {', '.join(pairs)}."
        if hidden := self._hidden(layout):
            names = ", ".join(self._names[i] for i in hidden)
            see = "see rows" if is_python() else "a pipe into `less -S` shows all"
            yield f"Hidden: {names} (terminal too narrow; {see})."

    def _hidden(self, layout: _Layout) -> list[int]:
        aside = {*layout.above, *layout.below, *layout.common}
        placed = {*layout.widths, *aside, *self._empty}
        return [index for index in self._every if index not in placed]

    def _title(self) -> str:
        period = self._result.period
        return f"{self._result.title}, {period}" if period else self._result.title

    def _wrapped(self, text: str) -> list[str]:
        if not text:
            return []
        return [text] if self._width is None else _fold(text, self._width)

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._colour and text.strip() else text

    def _is_right(self, index: int) -> bool:
        """Return whether the column is aligned to the right, as numbers are."""
        return is_numeric(self._result.columns[index].type)

    def _texts(self, index: int) -> Iterator[str]:
        """Yield the cells of a column, and that of the total."""
        yield from (row[index] for row in self._cells)
        if self._totals is not None:
            yield self._totals[index]

    def _extent(self, index: int, text: int) -> tuple[int, int]:
        """Return the least and the greatest useful width of a column; texts fold at `text`."""
        longest = max(map(cell_len, self._texts(index)), default=1)
        name = self._names[index]
        least = max(map(cell_len, name.split()), default=1)
        kind = self._result.columns[index].type
        if self._is_right(index) or kind.startswith(("DATE", "TIMESTAMP")):
            least = max(least, longest)
        else:
            words = (cell_len(word) for cell in self._texts(index) for word in cell.split())
            # A longer word, such as the name of a job, takes the rest of its line.
            whole = max((length for length in words if length <= _TEXT), default=1)
            # What can leave the row is never folded in it.
            folded = longest if self._result.columns[index].aside else min(longest, text)
            least = max(least, whole, folded)
        return least, max(longest, cell_len(name))

    def _layout(self) -> _Layout | None:
        """Return where the columns stand; None = not even the fewest fit."""
        if self._width is None:
            return _Layout({index: self._extent(index, 0)[1] for index in self._every})
        for row, aside, common, text in self._attempts():
            widths = self._widths(row, text)
            if widths is not None:
                above = tuple(index for index in aside if self._result.columns[index].key)
                below = tuple(index for index in aside if index not in above)
                return self._telling_apart(_Layout(widths, above, below, tuple(common)))
        return None

    def _attempts(self) -> Iterator[tuple[list[int], list[int], list[int], int]]:
        """Yield columns in the row, beside it and in a note, and the width at which texts fold."""
        row = [i for i in self._every if self._result.columns[i].unit != "command"]
        aside = self._marked(lambda column: column.unit == "command")
        common: list[int] = []
        text = max(_TEXT, (self._width or 0) // 3)
        yield row, aside, common, text
        for index, target in self._steps(aside, common):
            row = [other for other in row if other != index]
            target.insert(0, index)
            yield row, aside, common, text
        yield row, aside, common, _TEXT
        yield row, aside, common, _NARROW_TEXT
        yield row, aside, common, _NARROWEST_TEXT

    def _steps(self, aside: list[int], common: list[int]) -> list[tuple[int, list[int]]]:
        """Return the columns that can leave the row, in this order, and where each goes."""
        movable = self._marked(lambda column: column.aside and column.unit != "command")
        same = [i for i in movable if len({cells[i] for cells in self._cells}) == 1]
        nowhere: list[int] = []
        return [
            *((index, nowhere) for index in self._empty),
            *((index, common) for index in same),
            *((index, nowhere) for index in self._marked(lambda column: column.wide)),
            *((index, aside) for index in movable if index not in same),
        ]

    def _marked(self, has_mark: Callable[[Column], bool]) -> list[int]:
        """Return the columns with values that have a mark, from the right."""
        shown = [index for index in reversed(self._every) if index not in self._empty]
        return [index for index in shown if has_mark(self._result.columns[index])]

    def _telling_apart(self, layout: _Layout) -> _Layout:
        """Return the layout with hidden columns below the rows that only these tell apart."""
        placed = [*layout.widths, *layout.above, *layout.below]
        added: list[int] = []
        found, every = self._different(placed), self._different(self._every)
        for index in self._hidden(layout):
            if found == every:
                break
            if (more := self._different([*placed, *added, index])) > found:
                added.append(index)
                found = more
        return replace(layout, below=(*layout.below, *added))

    def _different(self, indexes: Iterable[int]) -> int:
        """Return how many different rows these columns show."""
        chosen = tuple(indexes)
        return len({tuple(row[index] for index in chosen) for row in self._cells})

    def _widths(self, indexes: Sequence[int], text: int) -> dict[int, int] | None:
        """Return the widths of these columns; None = they do not fit.

        Columns of text receive spare room before the headings of numbers.
        """
        extents = {index: self._extent(index, text) for index in indexes}
        spare = (self._width or 0) - sum(least for least, _ in extents.values())
        spare -= len(_GAP) * (len(indexes) - 1)
        if spare < 0 or not indexes:
            return None
        widths = {}
        for index in sorted(indexes, key=self._is_right):
            least, most = extents[index]
            widths[index] = min(least + spare, most)
            spare -= widths[index] - least
        return {index: widths[index] for index in indexes}

    def _table(self, layout: _Layout) -> Iterator[str]:
        widths = layout.widths
        bars = self._bars() if self._has_bar(layout) else None
        names = [_fold(self._names[index], width) for index, width in widths.items()]
        most = max(map(len, names))
        # Short headings are aligned to the bottom.
        names = [[""] * (most - len(name)) + name for name in names]
        for line in self._joined(names, widths):
            yield self._styled(line, _BOLD)
        length = sum(widths.values()) + len(_GAP) * (len(widths) - 1)
        yield "─" * (length + (_BAR + len(_GAP) if bars else 0))
        head: list[str] = []
        for number, cells in enumerate(self._cells):
            before, head = head, list(self._facts(cells, layout.above, self._width or 0))
            if head != before:
                yield from (self._styled(line, _DIM) for line in head)
            lines = self._row(cells, widths)
            if bars:
                first = lines[0] + " " * (length - cell_len(lines[0])) + _GAP
                lines[0] = (first + self._styled(bars[number], _CYAN)).rstrip()
            yield from lines
            yield from self._below(number, layout.below)
        if self._totals is not None:
            yield ""
            totals = list(self._totals)
            first_shown = next(iter(widths))
            totals[first_shown] = totals[first_shown] or "total"
            yield from (self._styled(line, _BOLD) for line in self._row(totals, widths))

    def _row(self, cells: Sequence[str], widths: Mapping[int, int]) -> list[str]:
        """Return the lines of a row: more than one if a word is longer than its column."""
        lines: list[str] = []
        after: list[str] = []
        columns = [[""] for _ in widths]
        start = 0
        length = sum(widths.values()) + len(_GAP) * (len(widths) - 1)
        for place, (index, width) in enumerate(widths.items()):
            text, room = cells[index], length - start
            columns[place] = _fold(text, width)
            if _longest(text) > max(width, room):
                columns[place] = [""]
                after += [_GAP + line for line in _fold(text, length - len(_GAP))]
            elif _longest(text) > width:
                columns[place] = [""]
                before = self._joined(columns, widths)
                lines += _with_rest(list(before), start, _fold(text, room))
                columns = [[""] for _ in widths]
            start += width + len(_GAP)
        rest = list(self._joined(columns, widths))
        return [*lines, *(line for line in rest if line or not lines), *after]

    def _facts(self, cells: Sequence[str], indexes: Sequence[int], width: int) -> list[str]:
        """Return the lines beside a row, which name these columns and their values."""
        text = "; ".join(f"{self._names[index]}: {cells[index]}" for index in indexes)
        return _fold(text, width) if text else []

    def _below(self, number: int, indexes: Sequence[int]) -> Iterator[str]:
        """Yield the lines below a row: facts that have no room in it, and commands to copy."""
        row, cells = self._rows[number], self._cells[number]
        known = [index for index in indexes if row[index] is not None]
        commands = [i for i in known if self._result.columns[i].unit == "command"]
        facts = [index for index in known if index not in commands]
        for line in self._facts(cells, facts, (self._width or 0) - len(_GAP)):
            yield self._styled(_GAP + line, _DIM)
        yield from (_GAP + cells[index] for index in commands)

    def _joined(self, columns: Sequence[Sequence[str]], widths: Mapping[int, int]) -> Iterator[str]:
        for parts in zip_longest(*columns, fillvalue=""):
            cells = []
            for part, (index, width) in zip(parts, widths.items(), strict=True):
                space = " " * (width - cell_len(part))
                cells.append(space + part if self._is_right(index) else part + space)
            yield _GAP.join(cells).rstrip()

    def _has_bar(self, layout: _Layout) -> bool:
        complete = len(layout.widths) == len(self._names)
        if self._width is None or not self._result.bar or len(self._rows) < 2 or not complete:
            return False
        length = sum(layout.widths.values()) + len(_GAP) * len(layout.widths) + _BAR
        return length <= self._width

    def _bars(self) -> list[str]:
        index = [column.name for column in self._result.columns].index(self._result.bar)
        amounts = [Decimal(row[index] or 0) for row in self._rows]
        most = max(amounts)
        return [_bar_of(amount / most if most > 0 else Decimal()) for amount in amounts]

    def _blocks(self) -> Iterator[str]:
        longest = max(map(cell_len, self._names))
        room = max((self._width or 0) - longest - len(_GAP), _NARROWEST_TEXT)
        # A query shows its NULLs; in a report they say nothing.
        says: Callable[[object], bool] = (
            (lambda value: value is not None) if self._result.report else (lambda _: True)
        )
        for row, cells in zip(self._rows, self._cells, strict=True):
            kept = [cell if says(value) else "" for value, cell in zip(row, cells, strict=True)]
            yield from self._block(kept, longest, room)
            yield ""
        if self._totals is not None:
            yield self._styled("total", _BOLD)
            totals = ["" if cell == "total" else cell for cell in self._totals]
            for line in self._block(totals, longest, room):
                yield self._styled(line, _BOLD)

    def _block(self, cells: Sequence[str], longest: int, room: int) -> Iterator[str]:
        for index, (name, cell) in enumerate(zip(self._names, cells, strict=True)):
            if not cell:
                continue
            parts = [cell] if self._is_right(index) else _fold(cell, room)
            yield name + " " * (longest - cell_len(name)) + _GAP + parts[0]
            yield from (" " * longest + _GAP + part for part in parts[1:])


@cache
def _console() -> Console:
    # Its width does not matter: each text is folded at a width of its own.
    return Console(width=80, color_system=None)


def _fold(text: str, width: int) -> list[str]:
    """Return a text in lines, broken between words. A word that is too long stays whole.

    Wide characters need no spaces between words, so a text that has some breaks anywhere.
    """
    length = cell_len(text)
    if length <= width:
        return [text]
    if length == len(text):  # rich breaks long words
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    lines = Text(text).wrap(_console(), max(width, 2), overflow="fold")
    return [line.plain.rstrip() for line in lines]


def _longest(text: str) -> int:
    """Return the width of the longest word, which stays whole; wide characters break anywhere."""
    if cell_len(text) != len(text):
        return 1
    return max(map(len, text.split()), default=1)


def _with_rest(before: Sequence[str], start: int, folded: Sequence[str]) -> list[str]:
    """Return the lines of a row up to a cell that takes the rest of the line from `start` on."""
    return [
        (line + " " * (start - cell_len(line)) + part).rstrip()
        for line, part in zip_longest(before, folded, fillvalue="")
    ]


def _bar_of(share: Decimal) -> str:
    whole, part = divmod(round(max(share, Decimal()) * _BAR * 8), 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")
