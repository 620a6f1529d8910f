"""Runs a report: builds its statement, binds its parameters, and returns its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from exporter.errors import UsageError
from exporter.reports import notes, periods
from exporter.reports.catalogue import Report, find
from exporter.reports.dimensions import Grouping, grouping
from exporter.reports.nearest import check_family, check_job
from exporter.reports.periods import Period, midnight
from exporter.reports.result import Column, Result, Row
from exporter.reports.source import Source
from exporter.reports.values import literal
from exporter.spelling import is_python, named, param
from exporter.store.connections import BOUND, Rows
from exporter.text import did_you_mean

#: The column that marks the total row.
_TOTAL: Final = "is_total"
#: Types of computed columns by their unit; others are VARCHAR.
TYPES: Final = {
    "money": "DECIMAL(38,12)",
    "rate": "DECIMAL(38,12)",
    "percent": "DECIMAL(18,6)",
    "count": "DECIMAL(18,6)",
    "seconds": "BIGINT",
    "time": "TIMESTAMP WITH TIME ZONE",
}


@dataclass(frozen=True)
class Request:
    """The options of a report.

    Attributes:
        period: The days that the report covers; None = the report takes no period.
        by: Dimensions to group by; empty = the default of the report.
        params: Values of --param, by name.
        argument: The word after the name of the report; None = not given.
        now: The current time.
    """

    period: Period | None = None
    by: Sequence[str] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    argument: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Statement:
    """The SQL of a report.

    Attributes:
        sql: SQL with `:parameters`.
        values: The values of these parameters.
        labels: Column name in the SQL -> column name in the result, where they differ.
    """

    sql: str
    values: Mapping[str, Any]
    labels: Mapping[str, str]

    def with_literals(self) -> str:
        """Return the statement with literal values, ready to paste."""
        return BOUND.sub(lambda match: literal(self.values[match[1]]), self.sql) + ";\n"


def statement(report: Report, request: Request, *, with_notes: bool = False) -> Statement:
    """Return the statement of a report.

    Args:
        report: The report.
        request: Its options.
        with_notes: Add to the total row the figures that the notes need.

    Raises:
        UsageError: The report does not take an option, or a value is of the wrong kind.
    """
    values = _values(report, request) | {"now": request.now}
    if request.by and not report.by:
        raise UsageError(f"The report {report.name} takes no {named('by')}.")
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
    used = set(BOUND.findall(sql))
    return Statement(sql, {name: values[name] for name in sorted(used)}, groups.labels)


def run(connection: Source, report: Report, request: Request) -> Result:
    """Run a report, and return its complete result.

    Raises:
        UsageError: The report does not take an option, or a value is of the wrong kind.
    """
    built = statement(report, request, with_notes=True)
    answer = connection.execute(built.sql, built.values)
    values = _values(report, request)
    if report.replay:
        names, kinds, rows = _replayed(connection, report, request, answer)
    else:
        names, kinds, rows = _fetched(answer)
    total = next((row for row in rows if _TOTAL in names and row[names.index(_TOTAL)]), None)
    shown = [
        index
        for index, name in enumerate(names)
        if name != _TOTAL and not name.startswith(notes.PREFIX)
    ]
    body = [_pick(row, shown) for row in rows if row is not total]
    if not body:
        _check_names(connection, report, values)
    figures = dict(zip(names, total, strict=True)) if total else {}
    columns = tuple(_column(report, built, names[index], kinds[index]) for index in shown)
    empty = _empty_groups(columns, body, request.by)
    return Result(
        columns=columns,
        rows=body,
        totals=_pick(total, shown) if total else None,
        notes=(
            *notes.of_total(figures, request.period),
            *notes.of_minutes(values),
            *notes.of_groups(connection, empty),
            *(notes.of_prices(connection) if report.prices and body else ()),
            *notes.of_freshness(connection, request.period),
            *notes.of_collectors(connection, request.now),
        ),
        report=report.name,
        title=report.title,
        period=request.period,
        bar=report.bar,
        prose=report.prose,
    )


def _fetched(answer: Rows) -> tuple[list[str], list[str], list[Row]]:
    """Return names, types and rows of a report whose rows are those of its SQL."""
    return answer.names, [kind for _, kind in answer.columns], list(answer.tuples())


def _replayed(
    connection: Source, report: Report, request: Request, answer: Rows
) -> tuple[list[str], list[str], list[Row]]:
    """Return names, types and rows of a report whose rows the program computes."""
    # Here, because most reports do not need them.
    from exporter.reports import forecast, keep_alive, keep_alive_results, missing_pools, summary

    values = _values(report, request)
    found = answer.mappings()
    computed: Iterable[Mapping[str, Any]]
    if report.reads:
        # All rows first: the connection drops those of the statement before.
        own = list(found)
        others = _rows_of(connection, report.reads, request, values)
        computed = summary.summarise(own, others, {"now": request.now})
    else:
        functions = {
            "advise": keep_alive.advise,
            "draw": keep_alive.draw,
            "results": keep_alive_results.results,
            "missing": missing_pools.missing,
            "forecast": forecast.forecast,
        }
        computed = functions[report.replay](found, values)
    rows = list(computed)
    figures = [name for name in (rows[-1] if rows else ()) if name.startswith(notes.PREFIX)]
    names = [_TOTAL, *report.columns, *figures]
    kinds = ["BOOLEAN", *(TYPES.get(item.unit, "VARCHAR") for item in report.columns.values())]
    kinds += ["BIGINT"] * len(figures)
    return names, kinds, [tuple(row.get(name) for name in names) for row in rows]


def _rows_of(
    connection: Source, name: str, request: Request, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the rows of another report by column name: all of them, over its default period."""
    report = find(name)
    period = periods.choose(
        month=None, since=None, until=None, today=request.now.date(), kind=report.period
    )
    params = {key: str(value) for key, value in values.items() if key in report.parameters}
    result = run(
        connection, report, Request(period, params={"top": str(10**9)} | params, now=request.now)
    )
    names = [column.name for column in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows]


def _empty_groups(columns: Sequence[Column], body: Sequence[Row], by: Sequence[str]) -> list[str]:
    """Return the dimensions of --by in which no row has a value; none if there are no rows."""
    names = [column.name for column in columns]
    found = [name for name in by if body and name in names]
    return [name for name in found if all(row[names.index(name)] is None for row in body)]


def _check_names(connection: Source, report: Report, values: Mapping[str, Any]) -> None:
    """Check that the jobs and families which parameters name are in the database."""
    checks = {"job": check_job, "family": check_family}
    for name, parameter in report.parameters.items():
        if parameter.kind in checks and values[name] is not None:
            checks[parameter.kind](connection, values[name])


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
                f"Use {param('NAME', 'VALUE')} for its parameters.",
            )
        values[report.argument] = report.parameters[report.argument].read(request.argument)
    for name, value in values.items():
        if value is None and report.parameters[name].required:
            word = name.upper()
            way = f"`sagemaker-exporter report {report.name} {word}`"
            raise UsageError(
                f"The report {report.name} needs {word}: {report.parameters[name].note}.",
                f"Use {param(name, word) if is_python() or name != report.argument else way}.",
            )
    return values


def _pick(row: Row, indexes: Sequence[int]) -> Row:
    return tuple(row[index] for index in indexes)


def _column(report: Report, built: Statement, name: str, kind: str) -> Column:
    # What the header does not describe is a dimension.
    described = report.columns.get(name) or Column(built.labels.get(name, name), key=True)
    unit = described.unit or ("time" if kind.startswith("TIMESTAMP") else "")
    return replace(described, type=kind, unit=unit)
