"""The canned reports: `queries/*.sql`, each with a header that says what it is.

A header is a block of comments at the top of the file:

    -- title: What the warm pools cost
    -- description: A sentence or two; a line that is
    --   indented goes on with the one above.
    -- period: default            (or last-month: --month, --since and --until then apply)
    -- by: month, instance_type   (the dimensions of --by when none are given)
    -- argument: job              (the parameter that `report NAME ARG` fills)
    -- param: top integer = 20: How many jobs to show   (`= :` is NULL; no `=`: required)
    -- column: cost_usd money: What it means            (`wide`: left out of narrow tables)
    -- bar: cost_usd              (the column that tables draw as a bar)
    -- limit: cost_usd            (the column of the total that --fail-over looks at)
    -- prices: yes                (a note tells that amounts rest on list prices, if they do)
    -- example: --by family

The SQL below it runs as it stands once its `:parameters` are given. Two kinds of marks in it
are replaced by the dimensions asked for, from the closed map in dimensions.py:
`/*by*/ … /*end*/` (expressions and names), `/*names*/ … /*end*/` (names) and
`/*order*/ … /*end*/` (names that read best in ascending order). `/*notes*/ /*end*/` makes room
for the figures that the notes under a total need (notes.py). A row whose `is_total` is true is
the total; the column itself is never shown. `/*part NAME*/` stands for SQL that views and reports
share (store/view_files.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Final

from exporter.errors import UsageError
from exporter.resources import folder
from exporter.settings import did_you_mean
from exporter.store.view_files import compose

#: How a column reads in a table: see values.shown.
UNITS: Final = ("money", "rate", "hours", "count", "percent", "factor", "seconds", "text")

_HEADER: Final = re.compile(r"-- (?P<key>[a-z]+): (?P<value>.+)")
_CONTINUED: Final = re.compile(r"--   +(?P<value>.+)")
_PARAM: Final = re.compile(
    r"(?P<name>\w+) (?P<kind>text|integer|number)(?: = ?(?P<default>[^:]*))?: (?P<note>.+)"
)
_COLUMN: Final = re.compile(
    r"(?P<name>\w+)(?: (?P<unit>" + "|".join(UNITS) + r"))?(?P<wide> wide)?: (?P<note>.+)"
)

#: A parameter is less than this: it fits into DECIMAL(18, 6) and BIGINT.
_LARGEST: Final = 10**12

Value = str | int | Decimal | None


@dataclass(frozen=True)
class Parameter:
    """A parameter of a report: `--param NAME=VALUE`. `kind` is text, integer or number."""

    name: str
    kind: str
    default: Value
    note: str
    required: bool = False

    def read(self, text: str) -> Value:
        """The value of a text.

        Raises:
            UsageError: It is not of this kind.
        """
        try:
            return _value(self.kind, text)
        except ValueError:
            wanted = "a whole number of at least 0" if self.kind == "integer" else "a number"
            raise UsageError(
                f"--param {self.name}={text!r}: expected {wanted}.", f"{self.name}: {self.note}"
            ) from None


@dataclass(frozen=True)
class ColumnNote:
    """What a header says of a column."""

    name: str
    unit: str
    wide: bool
    note: str


@dataclass(frozen=True)
class Report:
    """A canned report.

    Attributes:
        name: As it is called: the file's name.
        by: Dimensions when none are asked for; empty = the report takes no --by.
        period: `default` (this month and the last), `last-month`, or empty = takes none.
        argument: Parameter that the command's second word fills; empty = takes none.
        bar: Column drawn as a bar; empty = none.
        limit: Column of the total that --fail-over compares; empty = there is none.
        prices: Whether a note tells that amounts rest on list prices.
        sql: The statement, without the header.
    """

    name: str
    title: str
    description: str
    sql: str
    by: tuple[str, ...] = ()
    period: str = ""
    argument: str = ""
    bar: str = ""
    limit: str = ""
    prices: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    columns: Mapping[str, ColumnNote] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Report]:
    """Every report by name, in the order of their names."""
    found = sorted(folder("queries").glob("*.sql"))
    return {path.stem: parse(path.stem, path.read_text(encoding="utf-8")) for path in found}


def find(name: str) -> Report:
    """A report by name.

    Raises:
        UsageError: There is none of that name.
    """
    reports = catalogue()
    if name not in reports:
        raise UsageError(
            f"There is no report {name!r}.{did_you_mean(name, reports)}",
            "`sagemaker-exporter report` lists them.",
        )
    return reports[name]


def read_file(path: Path) -> Report:
    """A report from a file of one's own."""
    return parse(path.stem, path.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Report:
    """A report from the text of its file.

    Raises:
        ValueError: The header is wrong; a test keeps our own files from that.
    """
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    facts: dict[str, list[str]] = {}
    for key, value in _entries(name, lines[:end]):
        facts.setdefault(key, []).append(value)

    def one(key: str) -> str:
        return facts.pop(key, [""])[0]

    report = Report(
        name=name,
        title=one("title"),
        description=one("description"),
        sql=compose("\n".join(lines[end:]).strip().rstrip(";")),
        by=tuple(part.strip() for part in one("by").split(",") if part.strip()),
        period=one("period"),
        argument=one("argument"),
        bar=one("bar"),
        limit=one("limit"),
        prices=one("prices") == "yes",
        parameters={item.name: item for item in map(_parameter, facts.pop("param", []))},
        columns={item.name: item for item in map(_column, facts.pop("column", []))},
        examples=tuple(facts.pop("example", [])),
    )
    if facts or not report.title:
        raise ValueError(f"{name}.sql: no title, or unknown header keys {sorted(facts)}")
    return report


def _entries(name: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    key, value = "", ""
    for line in lines:
        if more := _CONTINUED.fullmatch(line):
            value += " " + more["value"].strip()
        elif match := _HEADER.fullmatch(line):
            if key:
                yield key, value
            key, value = match["key"], match["value"].strip()
        else:
            raise ValueError(f"{name}.sql: cannot read the header line {line!r}")
    if key:
        yield key, value


def _parameter(text: str) -> Parameter:
    match = _PARAM.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read the parameter {text!r}")
    default = match["default"]
    value = _value(match["kind"], default.strip()) if default and default.strip() else None
    return Parameter(match["name"], match["kind"], value, match["note"], default is None)


def _column(text: str) -> ColumnNote:
    match = _COLUMN.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read the column {text!r}")
    return ColumnNote(match["name"], match["unit"] or "", bool(match["wide"]), match["note"])


def _value(kind: str, text: str) -> Value:
    if kind == "text":
        return text
    try:
        number = Decimal(int(text)) if kind == "integer" else Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    # What is counted or waited for is never less than nothing, and SQL has to hold it.
    if not number.is_finite() or abs(number) >= _LARGEST or (kind == "integer" and number < 0):
        raise ValueError(text)
    return int(number) if kind == "integer" else number
