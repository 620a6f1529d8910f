"""The catalogue of canned reports: `queries/*.sql`, each with a header that describes it.

A header is a block of comments at the top of the file:

    -- title: Cost of warm pools
    -- description: One or two sentences. An
    --   indented line continues the line above.
    -- period: default            (or last-month; enables --month, --since and --until)
    -- by: month, instance_type   (default dimensions; enables --by)
    -- argument: job              (the parameter that `report NAME ARG` sets)
    -- param: top integer = 20: Number of jobs to show  (`= :` is NULL; without `=` required)
    -- param: job job: Name or ARN of the job           (an error if the database has no such job;
                                                         likewise `family`)
    -- column: cost_usd money: Meaning of the column    (marks follow the unit, see below)
    -- bar: cost_usd              (the column that tables draw as a bar)
    -- limit: cost_usd            (the column of the total that --fail-over checks)
    -- prices: yes                (a note warns about public list prices)
    -- replay: advise             (the function that makes the rows, see running.py)
    -- reads: keep-alive-advice   (a report whose rows that function needs, too)
    -- prose: yes                 (Markdown is a list of its texts, not a table)
    -- example: --by family

The marks of a column: `key` columns tell the rows apart, so no table hides them; a narrow table
hides `wide` columns; it moves `aside` columns to lines of their own. A column in the unit `command`
always stands on a line of its own at a terminal. The dimensions of --by are keys.

The SQL below the header runs unchanged if its `:parameters` are bound. Three marks receive the
chosen dimensions from dimensions.py: `/*by*/ … /*end*/` their expressions and names,
`/*names*/ … /*end*/` their names, and `/*order*/ … /*end*/` the names to sort by. The mark
`/*notes*/ /*end*/` receives the figures of the notes (notes.py). A row whose `is_total` is true
is the total; results do not show that column. `/*part NAME*/` receives SQL that
views and reports share (store/view_files.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from exporter.errors import UsageError
from exporter.reports.result import Column
from exporter.resources import folder
from exporter.spelling import command, param
from exporter.store.view_files import compose
from exporter.text import did_you_mean

#: The units of a column; values.shown formats them.
UNITS: Final = (
    *("money", "rate", "hours", "count", "percent", "factor", "seconds", "time", "text"),
    "command",
)

_ENTRY: Final = re.compile(r"-- (?P<key>[a-z]+): (?P<value>.+)")
_CONTINUATION: Final = re.compile(r"\s*\n--   +")
_PARAM: Final = re.compile(
    r"(?P<name>\w+) (?P<kind>text|integer|number|job|family)"
    r"(?: = ?(?P<default>[^:]*))?: (?P<note>.+)"
)
_COLUMN: Final = re.compile(
    rf"(?P<name>\w+)(?: (?P<unit>{'|'.join(UNITS)}))?"
    r"(?:(?P<wide> wide)|(?P<key> key)?(?P<aside> aside)?): (?P<note>.+)"
)

#: Every parameter is below this, so that it fits into DECIMAL(18, 6) and BIGINT.
_LARGEST: Final = 10**12

Value = str | int | Decimal | None


@dataclass(frozen=True)
class Parameter:
    """A parameter for `--param NAME=VALUE`.

    Its `kind` is `text`, `integer`, `number`, `job` or `family`.
    """

    name: str
    kind: str
    default: Value
    note: str
    required: bool = False

    def read(self, text: str) -> Value:
        """Return the value of a text.

        Raises:
            UsageError: The text is not of this kind.
        """
        try:
            return _value(self.kind, text)
        except ValueError:
            wanted = "a whole number of at least 0" if self.kind == "integer" else "a number"
            raise UsageError(
                f"{param(self.name, repr(text))}: expected {wanted}.",
                f"{self.name}: {self.note}",
            ) from None


@dataclass(frozen=True)
class Report:
    """A canned report.

    Attributes:
        name: The name of the file without its suffix.
        by: The default dimensions; empty = the report takes no --by.
        period: The default period: `default` (last month and this month) or `last-month`;
            empty = the report takes no period.
        argument: The parameter that `report NAME ARG` sets; empty = none.
        bar: The column that tables draw as a bar; empty = none.
        limit_column: The column of the total that --fail-over checks; empty = none.
        prices: Whether a note warns about public list prices.
        replay: The function that makes the rows from those of the SQL (running.py); empty = the
            rows of the SQL are those of the report.
        reads: A report whose rows this function needs, too; empty = none.
        prose: Whether each row is a sentence, in the columns `topic` and `text`.
        sql: The statement without the header.
    """

    name: str
    title: str
    description: str
    sql: str
    by: tuple[str, ...] = ()
    period: str = ""
    argument: str = ""
    bar: str = ""
    limit_column: str = ""
    prices: bool = False
    replay: str = ""
    reads: str = ""
    prose: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Report]:
    """Return every report by name, sorted by name."""
    found = sorted(folder("queries").glob("*.sql"))
    return {path.stem: parse(path.stem, path.read_text(encoding="utf-8")) for path in found}


def find(name: str) -> Report:
    """Return the report of this name.

    Raises:
        UsageError: There is no such report.
    """
    reports = catalogue()
    if name not in reports:
        raise UsageError(
            f"There is no report {name!r}.{did_you_mean(name, reports)}",
            f"{command('report')} lists the reports.",
        )
    return reports[name]


def parse(name: str, text: str) -> Report:
    """Return the report in the text of a file.

    Raises:
        ValueError: The header is wrong.
    """
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    entries: dict[str, list[str]] = {}
    for line in _CONTINUATION.sub(" ", "\n".join(lines[:end])).splitlines():
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise ValueError(f"{name}.sql: cannot read the header line {line!r}")
        entries.setdefault(match["key"], []).append(match["value"].strip())

    def one(key: str) -> str:
        return entries.pop(key, [""])[0]

    report = Report(
        name=name,
        title=one("title"),
        description=one("description"),
        sql=compose("\n".join(lines[end:]).strip().rstrip(";")),
        by=tuple(part.strip() for part in one("by").split(",") if part.strip()),
        period=one("period"),
        argument=one("argument"),
        bar=one("bar"),
        limit_column=one("limit"),
        prices=one("prices") == "yes",
        replay=one("replay"),
        reads=one("reads"),
        prose=one("prose") == "yes",
        parameters={item.name: item for item in map(_parameter, entries.pop("param", []))},
        columns={item.name: item for item in map(_column, entries.pop("column", []))},
        examples=tuple(entries.pop("example", [])),
    )
    if entries or not report.title:
        raise ValueError(f"{name}.sql: no title, or unknown header keys {sorted(entries)}")
    return report


def _parameter(text: str) -> Parameter:
    match = _PARAM.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read the parameter {text!r}")
    default = match["default"]
    value = _value(match["kind"], default.strip()) if default and default.strip() else None
    return Parameter(match["name"], match["kind"], value, match["note"], default is None)


def _column(text: str) -> Column:
    match = _COLUMN.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read the column {text!r}")
    return Column(
        match["name"],
        unit=match["unit"] or "",
        wide=bool(match["wide"]),
        note=match["note"],
        key=bool(match["key"]),
        aside=bool(match["aside"]),
    )


def _value(kind: str, text: str) -> Value:
    if kind in ("text", "job", "family"):
        return text
    try:
        number = Decimal(int(text)) if kind == "integer" else Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    # Integers are counts and durations, so they are not negative.
    if not number.is_finite() or abs(number) >= _LARGEST or (kind == "integer" and number < 0):
        raise ValueError(text)
    return int(number) if kind == "integer" else number
