"""Writes results as CSV, JSON and Markdown; table.py renders tables, parquet.py writes Parquet."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TextIO

from exporter.reports.result import Result, Row
from exporter.reports.values import plain, shown, to_json
from exporter.text import visible

FORMATS: Final = ("table", "csv", "json", "markdown", "parquet")
#: Formats whose output contains the notes.
WITH_NOTES: Final = frozenset({"table", "json"})

#: A spreadsheet evaluates cells that begin with these (OWASP, CSV Injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: Terminal controls. Tabs and line breaks are data: CSV quotes them.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def write_csv(result: Result, out: TextIO) -> None:
    """Write a line of names and the full rows; a total row would be added up twice."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(column.name) for column in result.columns])
    writer.writerows([_cell(value) for value in row] for row in result.rows)


def _cell(value: object) -> str:
    text = plain(value)
    if not isinstance(value, str):
        return text
    # A leading quote makes a spreadsheet treat the cell as text.
    safe = f"'{text}" if text.startswith(_FORMULA) else text
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", safe)


def write_json(result: Result, out: TextIO) -> None:
    """Write one object: version, report, title, period, further keys, columns, rows, totals, notes.

    `rows` and `totals` hold objects by column name. Money is a number with all its digits.
    """
    names = [column.name for column in result.columns]
    head: dict[str, Any] = {"version": 1}
    if result.report:
        period = result.period
        head |= {
            "report": result.report,
            "title": result.title,
            "period": period and {"since": period.since, "until": period.until},
        }
    head |= result.more
    head["columns"] = [
        {"name": column.name, "type": column.type, "unit": column.unit, "note": column.note}
        for column in result.columns
    ]
    out.write("{\n")
    for key, value in head.items():
        out.write(f"  {to_json(key)}: {to_json(value)},\n")
    out.write('  "rows": [')
    for number, row in enumerate(result.rows):
        out.write(",\n    " if number else "\n    ")
        out.write(to_json(dict(zip(names, row, strict=True))))
    totals = None if result.totals is None else dict(zip(names, result.totals, strict=True))
    notes = [
        {"code": note.code, "text": note.text} | ({"reasons": note.reasons} if note.reasons else {})
        for note in result.notes
    ]
    out.write(f'\n  ],\n  "totals": {to_json(totals)},\n  "notes": {to_json(notes)}\n}}\n')


def write_markdown(result: Result, out: TextIO) -> None:
    """Write a GitHub-flavoured table with numbers on the right and the total in bold.

    A result in prose becomes a list of its sentences, with the notes in one more line: this is a
    whole message, which has nothing beside it.
    """
    (_write_list if result.prose else _write_grid)(result, out)


def _write_grid(result: Result, out: TextIO) -> None:
    numeric = [is_numeric(column.type) for column in result.columns]
    out.write(_line(escaped(column.name) for column in result.columns))
    out.write(_line("---:" if number else "---" for number in numeric))
    units = [column.unit for column in result.columns]
    for row in result.rows:
        out.write(_line(escaped(shown(*pair)) for pair in zip(row, units, strict=True)))
    if result.totals is not None:
        cells = total_cells(result, result.totals)
        out.write(_line(f"**{escaped(cell)}**" if cell else "" for cell in cells))


def _write_list(result: Result, out: TextIO) -> None:
    names = [column.name for column in result.columns]
    topic, text = names.index("topic"), names.index("text")
    for row in result.rows:
        out.write(f"- **{escaped(row[topic])}**: {escaped(row[text])}\n")
    if result.notes:
        notes = " ".join(note.text for note in result.notes)
        out.write(f"- **notes**: {escaped(notes)}\n")


#: The writers of text formats.
WRITERS: Final[Mapping[str, Callable[[Result, TextIO], None]]] = {
    "csv": write_csv,
    "json": write_json,
    "markdown": write_markdown,
}


def total_cells(result: Result, totals: Row) -> list[str]:
    """Return the total row as tables show it: `total` in front, empty cells without a total.

    A total of money that is unknown shows as MISSING.
    """
    cells = [
        "" if value is None and column.unit != "money" else shown(value, column.unit)
        for value, column in zip(totals, result.columns, strict=True)
    ]
    if cells and cells[0] == "":
        cells[0] = "total"
    return cells


def is_numeric(kind: str) -> bool:
    """Return whether a type of DuckDB is a number."""
    return bool(re.match(r"(DECIMAL|DOUBLE|FLOAT|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)\b", kind))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def escaped(text: str) -> str:
    """Return the text for Markdown, where it shows as it is."""
    escaped = re.sub(r"([\\|`*\[\]~])", r"\\\1", visible(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
