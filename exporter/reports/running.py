"""Runs a report: builds its statement, binds its parameters, and returns its result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa

from exporter.errors import UsageError
from exporter.reports import notes
from exporter.reports.catalogue import Report
from exporter.reports.dimensions import Grouping, grouping
from exporter.reports.periods import Period, midnight
from exporter.reports.result import Column, Result, Row
from exporter.reports.values import literal
from exporter.text import did_you_mean

#: Bound parameters as SQLAlchemy finds them (TextClause in sqlalchemy.sql.elements).
_BOUND: Final = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_TOTAL: Final = "is_total"


@dataclass(frozen=True)
class Request:
    """The options of a report.

    Attributes:
        period: The days that the report covers; None = it takes no period.
        by: Dimensions; empty = the report's own.
        params: Parameters as texts, by name.
        argument: The text of the report's argument; None = not given.
    """

    period: Period | None = None
    by: Sequence[str] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    argument: str | None = None


@dataclass(frozen=True)
class Statement:
    """The SQL of a report.

    Attributes:
        sql: SQL with `:parameters`.
        values: The values of the parameters.
        labels: The name in the result by the name in the SQL if they differ.
    """

    sql: str
    values: Mapping[str, Any]
    labels: Mapping[str, str]

    def with_literals(self) -> str:
        """Return the statement with literal values, ready to paste."""
        return _BOUND.sub(lambda match: literal(self.values[match[1]]), self.sql) + ";\n"


def statement(report: Report, request: Request, *, with_notes: bool = False) -> Statement:
    """Return the statement of a report; with notes, the total row has their figures.

    Raises:
        UsageError: The report does not take an option, or a value is of the wrong kind.
    """
    values = _values(report, request)
    if request.by and not report.by:
        raise UsageError(f"The report {report.name} takes no --by.")
    groups = grouping(request.by or report.by) if report.by else Grouping((), ())
    values.update(groups.values)
    sql = groups.fill(report.sql)
    sql = sql.replace(notes.MARK, notes.FIGURES if with_notes else "")
    if report.period:
        if request.period is None:
            raise ValueError(f"{report.name} needs a period")
        values |= {
            "since": request.period.since,
            "until": request.period.until,
            "before": request.period.before.since,
            "since_at": midnight(request.period.since),
            "until_at": midnight(request.period.until),
        }
    elif request.period is not None:
        raise UsageError(f"The report {report.name} takes no period.")
    used = set(_BOUND.findall(sql))
    return Statement(sql, {name: values[name] for name in sorted(used)}, groups.labels)


def run(connection: sa.Connection, report: Report, request: Request) -> Result:
    """Run a report over a read-only connection, and return its complete result.

    Raises:
        UsageError: The report does not take an option, or a value is of the wrong kind.
    """
    built = statement(report, request, with_notes=True)
    answer = connection.execute(sa.text(built.sql), dict(built.values))
    names = list(answer.keys())
    kinds = [str(column[1]) for column in answer.cursor.description] if answer.cursor else []
    rows = [tuple(row) for row in answer]
    total = next((row for row in rows if _TOTAL in names and row[names.index(_TOTAL)]), None)
    shown = [
        index
        for index, name in enumerate(names)
        if name != _TOTAL and not name.startswith(notes.PREFIX)
    ]
    found = [_pick(row, shown) for row in rows if row is not total]
    figures = dict(zip(names, total, strict=True)) if total else {}
    return Result(
        columns=tuple(_column(report, built, names[index], kinds[index]) for index in shown),
        rows=found,
        totals=_pick(total, shown) if total else None,
        notes=(
            *notes.of_total(figures, request.period),
            *(notes.of_prices(connection) if report.prices and found else ()),
            *notes.of_freshness(connection, request.period),
        ),
        report=report.name,
        title=report.title,
        period=request.period,
        bar=report.bar,
    )


def _values(report: Report, request: Request) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: parameter.default for name, parameter in report.parameters.items()
    }
    for name, text in request.params.items():
        if name not in report.parameters:
            known = ", ".join(report.parameters) or "none"
            raise UsageError(
                f"The report {report.name} has no parameter {name!r}."
                f"{did_you_mean(name, report.parameters)}",
                f"Known: {known}.",
            )
        values[name] = report.parameters[name].read(text)
    if request.argument is not None:
        if not report.argument:
            raise UsageError(
                f"The report {report.name} takes no argument: {request.argument!r}.",
                "Use --param NAME=VALUE for its parameters.",
            )
        values[report.argument] = report.parameters[report.argument].read(request.argument)
    for name, value in values.items():
        if value is None and report.parameters[name].required:
            raise UsageError(
                f"The report {report.name} needs {name}: {report.parameters[name].note}"
            )
    return values


def _pick(row: Row, indexes: Sequence[int]) -> Row:
    return tuple(row[index] for index in indexes)


def _column(report: Report, built: Statement, name: str, kind: str) -> Column:
    described = report.columns.get(name) or Column(built.labels.get(name, name))
    unit = described.unit or ("time" if kind.startswith("TIMESTAMP") else "")
    return replace(described, type=kind, unit=unit)
