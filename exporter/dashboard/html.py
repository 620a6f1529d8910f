"""HTML in small pieces. Text becomes HTML in `text` alone, JSON for a script in `data` alone."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from exporter.reports.rendering import is_numeric, total_cells
from exporter.reports.result import Column, Result, Row
from exporter.reports.values import MISSING, shown
from exporter.text import visible

#: Texts longer than this are folded, the others never.
_LONG: Final = 44
_UNKNOWN: Final = (
    f'<span aria-hidden="true">{MISSING}</span><span class="vh">none, or not known</span>'
)


def text(value: object) -> str:
    """Any text as harmless HTML: control characters written out, quotes and angles escaped."""
    return html.escape(visible(str(value)))


def command(line: str) -> str:
    """A command line that breaks between its words and can be copied."""
    words = " ".join(f"<span>{text(word)}</span>" for word in line.split(" "))
    return f"<code>{words}</code>"


def data(value: object) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    return (
        json.dumps(value, allow_nan=False, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    )


def heading(column: Column) -> str:
    """A column's name for a reader."""
    if column.name.startswith("tag:"):
        return column.name
    return column.name.replace("_", " ").replace("usd", "USD")


def table(result: Result, caption: str, *, most: int, columns: Sequence[str] = ()) -> str:
    """A result as a table: the first `most` rows, the total of all, and how many are left out.

    Args:
        result: Its `rows` must be a list.
        caption: What the table shows.
        most: Rows at most.
        columns: The columns wanted, in the result's order; empty = every one.
    """
    kept = [
        index
        for index, column in enumerate(result.columns)
        if not columns or column.name in columns
    ]
    rows = list(result.rows)
    head = "".join(_head(result.columns[index]) for index in kept)
    body = "".join(_row(result, row, kept) for row in rows[:most])
    left = len(rows) - most
    if left > 0:
        body += (
            f'<tr><td colspan="{len(kept)}">… and {left:,} more, which the total includes</td></tr>'
        )
    foot = ""
    if result.totals is not None:
        foot = f"<tfoot>{_total(result, result.totals, kept)}</tfoot>"
    return (
        '<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{text(caption)}"><table><caption>{text(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table></div>"
    )


def items(texts: Iterable[str], kind: str) -> str:
    """A list of texts; nothing where there are none."""
    lines = "".join(f"<li>{text(line)}</li>" for line in texts)
    return f'<ul class="{kind}">{lines}</ul>' if lines else ""


def _head(column: Column) -> str:
    note = f' title="{text(column.note)}"' if column.note else ""
    return f'<th scope="col" class="{_side(column)}"{note}>{text(heading(column))}</th>'


def _row(result: Result, row: Row, kept: Sequence[int]) -> str:
    cells = []
    for place, index in enumerate(kept):
        column = result.columns[index]
        cell = _cell(row[index], column.unit)
        tag = 'th scope="row"' if place == 0 else "td"
        cells.append(f'<{tag} class="{_side(column)}">{cell}</{tag.split()[0]}>')
    return f"<tr>{''.join(cells)}</tr>"


def _total(result: Result, totals: Row, kept: Sequence[int]) -> str:
    words = total_cells(result, totals)
    cells = []
    for place, index in enumerate(kept):
        tag = 'th scope="row"' if place == 0 else "td"
        column = result.columns[index]
        word = text(words[index]) if words[index] != MISSING else _UNKNOWN
        cells.append(f'<{tag} class="{_side(column)}">{word}</{tag.split()[0]}>')
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: Any, unit: str) -> str:  # noqa: ANN401 - whatever a report gives
    if value is None:
        return _UNKNOWN
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%MZ}"
    words = text(shown(value, unit))
    return f'<span class="long">{words}</span>' if len(words) > _LONG else words


def _side(column: Column) -> str:
    if is_numeric(column.type):
        return "n"
    return "w" if column.type.startswith(("DATE", "TIME")) else "t"
