"""Rewrites every query with all its options, for `make lint`: `python -m tests.spark.queries`.

A construct without a rule fails here, and never in front of a user.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

from exporter.errors import UsageError
from exporter.publish.spark import remote
from exporter.publish.spark.rewriting import rewrite
from exporter.reports import notes, running
from exporter.reports.catalogue import Parameter, Report, catalogue
from exporter.reports.dimensions import DIMENSIONS
from exporter.reports.nearest import check_family, check_job
from exporter.reports.periods import Period

#: A tag whose name has what SQL, JSON pointers and regular expressions treat as special.
ODD_TAG = "tag:a.b'c\\d/e~f$\"g:h"
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
PERIOD = Period(date(2026, 10, 1), date(2026, 12, 1))
VALUES = {"text": "it's \\a", "integer": "7", "number": "0.25", "job": "job-1", "family": "bert"}


class _Statements:
    """A source that keeps what it is asked for, and has no rows."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def execute(self, statement: str, parameters: Any = None, /) -> Any:
        self.kept.append(remote.bound(statement, parameters or {}))
        return _NoRows()


class _NoRows:
    def scalar(self) -> None:
        return None

    def scalars(self) -> list[Any]:
        return []

    def all(self) -> list[Any]:
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def requests(report: Report) -> Iterator[running.Request]:
    """Yield requests with every dimension, and with every parameter given and not given."""
    needed = {name: VALUES[each.kind] for name, each in report.parameters.items() if each.required}
    first = running.Request(period=PERIOD if report.period else None, params=needed, now=NOW)
    yield first
    dimensions = [(name,) for name in (*DIMENSIONS, ODD_TAG)] if report.by else []
    for by in [*dimensions, *([("month", "account", "tag:One", "tag:Two")] if report.by else [])]:
        yield running.Request(first.period, by, needed, now=NOW)
    for name, parameter in report.parameters.items():
        yield running.Request(first.period, params=needed | {name: _value(parameter)}, now=NOW)


def _value(parameter: Parameter) -> str:
    return VALUES[parameter.kind]


def statements() -> Iterator[tuple[str, str]]:
    """Yield what to call a statement, and its text."""
    for report in catalogue().values():
        for request in requests(report):
            built = running.statement(report, request, with_notes=True)
            text = remote.bound(built.sql, dict(built.values))
            yield f"{report.name} --by {request.by} --param {dict(request.params)}", text
    small = _Statements()
    list(notes.of_prices(small))
    list(notes.of_groups(small, ["tag:a"]))
    for check in (check_family, check_job):
        with suppress(UsageError):
            check(small, "it's \\a")
    yield from ((f"look-up {number}", text) for number, text in enumerate(small.kept))


def main() -> int:
    """Rewrite each statement once; return 1 if one is refused."""
    seen: set[str] = set()
    failed = 0
    for name, text in statements():
        if text in seen:
            continue
        seen.add(text)
        try:
            rewrite(text, remote.relations())
        except UsageError as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
    print(f"{len(seen)} statements of queries/ rewritten for Spark, {failed} refused")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
