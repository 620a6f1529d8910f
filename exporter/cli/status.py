"""`status`: how fresh the data is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from exporter.cli.app import App, decorated, pass_app, width
from exporter.cli.options import Age, Whole
from exporter.cli.root import Command
from exporter.errors import PartialError
from exporter.text import last_runs
from exporter.times import format_age

if TYPE_CHECKING:
    from exporter.reports.result import Column, Note, Result
    from exporter.reports.status import Scope, Status

EPILOG = """\b
Examples:
  sagemaker-exporter status
  sagemaker-exporter status --max-age 2h || alert "training jobs are stale"
  sagemaker-exporter status --json | jq '.scopes[] | {scope, age_seconds}'
"""


@click.command(cls=Command, epilog=EPILOG)
@click.option(
    "--max-age",
    type=Age(),
    metavar="AGE",
    help="Exit 3 when the data of any scope is older than this: 2h, 90m, 1d.",
)
@click.option("--runs", type=Whole(0), default=5, show_default=True, help="Latest runs.")
@click.option("--json", is_flag=True, help="One JSON object with documented keys.")
@pass_app
def status(app: App, *, max_age: timedelta | None, runs: int, json: bool) -> None:
    """Show how fresh each scope is, what is open or missing, and the last runs.

    A scope is an account and a region. Its age is the time since which its data is known to be
    complete, so a sync that fails lets it grow.
    """
    from exporter.reports import status as figures

    with app.database().reading() as connection:
        found = figures.read(connection, app.now, runs=runs)
    if json:
        from exporter.reports.values import to_json

        click.echo(to_json({"database": app.db, **found.to_json()}))
    else:
        _show(found)
    if max_age is not None and (stale := found.stale(max_age)):
        raise PartialError(f"Older than {format_age(max_age)}: {'; '.join(stale)}.")


def _show(found: Status) -> None:
    if not found.scopes:
        click.echo("Nothing has been synced into this database yet. Run `sagemaker-exporter sync`.")
        return
    _print(_scopes(found.scopes, found))
    if found.runs:
        click.echo()
        _print(_runs(found))


def _print(result: Result) -> None:
    from exporter.reports import table

    click.echo(
        table.render(result, width=width(), colour=decorated(sys.stdout)), nl=False, color=True
    )


def _scopes(scopes: Sequence[Scope], found: Status) -> Result:
    from exporter.reports.result import Note

    rows = [
        (
            scope.account_name or scope.account_id,
            scope.region,
            _age(scope.age(found.now)),
            scope.jobs,
            scope.open_jobs,
            scope.open_pools,
            scope.jobs_without_details,
            scope.jobs_without_price,
        )
        for scope in scopes
    ]
    counts = ("jobs", "open_jobs", "open_pools", "no_details", "no_price")
    names = _columns(("account", "region", "age"), counts)
    totals = (None, None, None, *(sum(int(row[i]) for row in rows) for i in range(3, 8)))
    remarks = [Note("scope", line) for scope in scopes for line in _remarks(scope)]
    return _result(names, rows, totals if len(rows) > 1 else None, remarks)


def _runs(found: Status) -> Result:
    names = {scope.account_id: scope.account_name or scope.account_id for scope in found.scopes}
    several = len({*names, *(run.account_id for run in found.runs)}) > 1
    rows = [
        (
            format_age(found.now - run.started_at),
            *([names.get(run.account_id, run.account_id)] if several else []),
            run.region,
            run.mode,
            run.outcome,
            run.calls,
            run.throttles,
            run.jobs_inserted,
            run.jobs_changed,
            None if run.seconds is None else format_age(timedelta(seconds=run.seconds)),
        )
        for run in found.runs
    ]
    columns = _columns(
        ("last_runs", *(["account"] if several else []), "region", "mode", "outcome"),
        ("calls", "throttled", "new", "changed"),
    )
    columns = tuple(replace(column, wide=column.name == "throttled") for column in columns)
    return _result((*columns, *_columns(("took",), ())), rows, None)


def _remarks(scope: Scope) -> list[str]:
    lines = [f"{scope.name}: {gap}." for gap in scope.gaps()]
    if scope.last_error:
        runs = last_runs(scope.failing_runs)
        lines.append(f"{scope.name}: failed in the {runs}: {scope.last_error}")
    return lines


def _age(age: timedelta | None) -> str:
    return "never" if age is None else format_age(age)


def _columns(texts: Sequence[str], counts: Sequence[str]) -> tuple[Column, ...]:
    from exporter.reports.result import Column

    return (
        *(Column(name) for name in texts),
        *(Column(name, "BIGINT", "count") for name in counts),
    )


def _result(
    columns: tuple[Column, ...],
    rows: Sequence[Sequence[Any]],
    totals: Sequence[Any] | None,
    notes: Sequence[Note] = (),
) -> Result:
    from exporter.reports.result import Result

    return Result(columns, rows, totals, tuple(notes), report="status")
