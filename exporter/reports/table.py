"""Renders results as tables for people, fitted to a width.

Rich measures and breaks texts. Its own tables do not serve: they cut numbers if the width is too
small, and lay out a thousand rows a second at best.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest
from textwrap import wrap
from typing import Final

from rich.cells import cell_len, chop_cells

from exporter.reports.rendering import is_numeric, total_cells
from exporter.reports.result import Result
from exporter.reports.values import heading, shown
from exporter.spelling import is_python
from exporter.text import visible

#: Widths are in columns of the terminal: a wide character takes two.
_BAR: Final = 12
_GAP: Final = "  "
#: The width to which texts may be folded, from the first attempt to the last.
_TEXT: Final = 24
_INSTANCE_TYPE: Final = 17
_NARROW_TEXT: Final = 12
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_BOLD, _DIM, _CYAN, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m"


def render(result: Result, *, width: int | None, colour: bool = False) -> str:
    """Return the table with its title, total and notes.

    If the table is too wide, the bars are left out first. Then empty columns and those marked
    `wide` are hidden, and texts are folded. Numbers are never cut: if the rest does not fit, each
    row becomes a block of lines.

    Args:
        result: The result.
        width: The width of the terminal; None = no limit.
        colour: Whether to add colours.
    """
    return _Table(result, width, colour=colour).render()


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
            visible(heading(column.name) if result.report else column.name)
            for column in result.columns
        ]

    def render(self) -> str:
        """Return the text, which ends in a line break."""
        notes = [note.text for note in self._result.notes]
        lines = [self._styled(line, _BOLD) for line in self._wrapped(self._title())]
        widths = self._fitting()
        if not self._rows:
            lines.append("No rows.")
        elif self._result.prose:
            lines.extend(self._sentences())
        elif widths is None:
            lines.extend(self._blocks())
        else:
            lines.extend(self._table(widths))
            notes.extend(self._hidden(widths))
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
            folded = [text]
            if self._width is not None:
                folded = wrap(text, max(20, self._width - indent), break_on_hyphens=False)
            yield f"{topic:{indent}}{folded[0]}"
            yield from (f"{'':{indent}}{line}" for line in folded[1:])

    def _hidden(self, widths: Mapping[int, int]) -> Iterator[str]:
        """Yield a note if columns with values are hidden."""
        every = range(len(self._names))
        hidden = [index for index in every if index not in widths and not self._is_empty(index)]
        if hidden:
            names = ", ".join(self._names[index] for index in hidden)
            see = "see rows" if is_python() else "use --format json"
            yield f"Hidden: {names} (terminal too narrow; {see})."

    def _title(self) -> str:
        period = self._result.period
        return f"{self._result.title}, {period}" if period else self._result.title

    def _wrapped(self, text: str) -> list[str]:
        return textwrap.wrap(text, self._width or 10**6, break_on_hyphens=False)

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._colour and text.strip() else text

    def _is_empty(self, index: int) -> bool:
        return all(row[index] is None for row in self._rows)

    def _is_right(self, index: int) -> bool:
        """Return whether the column is aligned to the right, as numbers are."""
        return is_numeric(self._result.columns[index].type)

    def _extent(self, index: int, text: int) -> tuple[int, int]:
        """Return the least and the greatest useful width of a column; texts fold at `text`."""
        longest = max((cell_len(row[index]) for row in self._cells), default=1)
        if self._totals is not None:
            longest = max(longest, cell_len(self._totals[index]))
        name = self._names[index]
        word = max(map(cell_len, name.split()), default=1)
        kind = self._result.columns[index].type
        whole = self._is_right(index) or kind.startswith(("DATE", "TIMESTAMP"))
        return max(word, longest if whole else min(longest, text)), max(longest, cell_len(name))

    def _dispensable(self) -> list[int]:
        """Return the columns to hide, in this order: empty ones, then wide ones from the right."""
        every = range(len(self._names))
        empty = [index for index in every if self._is_empty(index)]
        wide = [index for index in reversed(every) if self._result.columns[index].wide]
        return empty + [index for index in wide if index not in empty]

    def _fitting(self) -> dict[int, int] | None:
        """Return the columns that fit and their widths; None = not even the fewest fit."""
        left = list(range(len(self._names)))
        attempts = [(left, _TEXT)]
        for index in self._dispensable():
            left = [other for other in left if other != index]
            attempts.append((left, _TEXT))
        attempts += [(left, _INSTANCE_TYPE), (left, _NARROW_TEXT)]
        found = (self._widths(indexes, text) for indexes, text in attempts)
        return next((widths for widths in found if widths is not None), None)

    def _widths(self, indexes: Sequence[int], text: int) -> dict[int, int] | None:
        """Return the widths of these columns; None = they do not fit.

        Columns of text receive spare room before the headings of numbers.
        """
        extents = {index: self._extent(index, text) for index in indexes}
        if self._width is None:
            return {index: most for index, (_, most) in extents.items()}
        spare = self._width - sum(least for least, _ in extents.values())
        spare -= len(_GAP) * (len(indexes) - 1)
        if spare < 0:
            return None
        widths = {}
        for index in sorted(indexes, key=self._is_right):
            least, most = extents[index]
            widths[index] = min(least + spare, most)
            spare -= widths[index] - least
        return {index: widths[index] for index in indexes}

    def _table(self, widths: Mapping[int, int]) -> Iterator[str]:
        bars = self._bars() if self._has_bar(widths) else None
        names = [_by_words(self._names[index], width) for index, width in widths.items()]
        most = max(map(len, names))
        # Short headings are aligned to the bottom.
        names = [[""] * (most - len(name)) + name for name in names]
        for line in self._joined(names, widths):
            yield self._styled(line, _BOLD)
        length = sum(widths.values()) + len(_GAP) * (len(widths) - 1)
        yield "─" * (length + (_BAR + len(_GAP) if bars else 0))
        for number, row in enumerate(self._cells):
            lines = list(self._joined(_folded(row, widths), widths))
            if bars:
                first = lines[0] + " " * (length - cell_len(lines[0])) + _GAP
                lines[0] = (first + self._styled(bars[number], _CYAN)).rstrip()
            yield from lines
        if self._totals is not None:
            yield ""
            for line in self._joined(_folded(self._totals, widths), widths):
                yield self._styled(line, _BOLD)

    def _joined(self, columns: Sequence[Sequence[str]], widths: Mapping[int, int]) -> Iterator[str]:
        for parts in zip_longest(*columns, fillvalue=""):
            cells = []
            for part, (index, width) in zip(parts, widths.items(), strict=True):
                space = " " * (width - cell_len(part))
                cells.append(space + part if self._is_right(index) else part + space)
            yield _GAP.join(cells).rstrip()

    def _has_bar(self, widths: Mapping[int, int]) -> bool:
        if not self._result.bar or len(self._rows) < 2 or len(widths) < len(self._names):
            return False
        length = sum(widths.values()) + len(_GAP) * len(widths) + _BAR
        return self._width is None or length <= self._width

    def _bars(self) -> list[str]:
        index = [column.name for column in self._result.columns].index(self._result.bar)
        amounts = [Decimal(row[index] or 0) for row in self._rows]
        most = max(amounts)
        return [_bar_of(amount / most if most > 0 else Decimal()) for amount in amounts]

    def _blocks(self) -> Iterator[str]:
        longest = max(map(cell_len, self._names))
        room = None if self._width is None else max(self._width - longest - len(_GAP), _NARROW_TEXT)
        for row in self._cells:
            yield from self._block(row, longest, room)
            yield ""
        if self._totals is not None:
            yield self._styled("total", _BOLD)
            totals = ["" if cell == "total" else cell for cell in self._totals]
            for line in self._block(totals, longest, room):
                yield self._styled(line, _BOLD)

    def _block(self, cells: Sequence[str], longest: int, room: int | None) -> Iterator[str]:
        for index, (name, cell) in enumerate(zip(self._names, cells, strict=True)):
            if not cell:
                continue
            whole = room is None or self._is_right(index)
            parts = [cell] if whole else _fold(cell, room or _NARROW_TEXT)
            yield name + " " * (longest - cell_len(name)) + _GAP + parts[0]
            yield from (" " * longest + _GAP + part for part in parts[1:])


def _folded(row: Sequence[str], widths: Mapping[int, int]) -> list[list[str]]:
    return [_fold(row[index], width) for index, width in widths.items()]


def _fold(text: str, width: int) -> list[str]:
    """Return a text in lines, broken between words and after hyphens, or anywhere if necessary."""
    if cell_len(text) <= width:
        return [text]
    if text.isascii():  # each character takes one column
        return textwrap.wrap(text, width)
    return chop_cells(text, width)


def _by_words(name: str, width: int) -> list[str]:
    """Return a heading in lines of whole words. Each word fits."""
    lines = [""]
    for word in name.split():
        joined = f"{lines[-1]} {word}".strip()
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def _bar_of(share: Decimal) -> str:
    whole, part = divmod(round(max(share, Decimal()) * _BAR * 8), 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")
