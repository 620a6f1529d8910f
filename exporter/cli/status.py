"""`status`: how fresh the data is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.results import Json, print_json, print_table
from exporter.cli.root import Command
from exporter.config.kinds import AGE, whole
from exporter.config.options import option
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


@dataclass(frozen=True)
class StatusOptions:
    """What to show, and what counts as stale."""

    max_age: timedelta | None = option(
        None, "Exit 3 if the data of any scope is older than this: 2h, 90m, 1d.", AGE
    )
    runs: int = option(5, "How many of the last runs to show.", whole(0))


@click.command(cls=Command, epilog=EPILOG)
@options(wanted=StatusOptions, output=Json)
@pass_app
def status(app: App, wanted: StatusOptions, output: Json) -> None:
    """Show how fresh each scope is, what is open or missing, and the last runs.

    A scope is an account and a region. Its age is the time since its data was last known to be
    complete, so it grows while syncs fail.
    """
    from exporter.commands import status as commands

    found = commands.read(
        app.database(),
        app.config_file.sources,
        app.defaults.get("sync", {}).get("region", ()),
        now=app.now,
        runs=wanted.runs,
    )
    if output.wanted:
        print_json({"database": app.db, **found.to_json()})
    else:
        _show(found)
    if wanted.max_age is not None:
        commands.check_age(found, wanted.max_age)


def _show(found: Status) -> None:
    if not found.scopes:
        click.echo("Nothing has been synced into this database yet. Run `sagemaker-exporter sync`.")
        return
    print_table(_scopes(found))
    if found.runs:
        click.echo()
        print_table(_runs(found))


def _scopes(found: Status) -> Result:
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
        for scope in found.scopes
    ]
    texts = ("account", "region", "age")
    counts = ("jobs", "open_jobs", "open_pools", "no_details", "no_hourly_price")
    sums = [sum(int(row[len(texts) + i]) for row in rows) for i in range(len(counts))]
    totals = (None,) * len(texts) + tuple(sums) if len(rows) > 1 else None
    notes = [Note("scope", line) for scope in found.scopes for line in _remarks(scope)]
    if any(scope.open_jobs for scope in found.scopes):
        notes.append(Note("open", "Open jobs can still change: they run, or their pool waits."))
    if found.retired:
        notes.append(Note("retired", f"Retired by `db forget`: {', '.join(found.retired)}."))
    return _result(_columns(texts, counts), rows, totals, notes)


def _runs(found: Status) -> Result:
    names = {scope.account_id: scope.account_name or scope.account_id for scope in found.scopes}
    several_accounts = len({*names, *(run.account_id for run in found.runs)}) > 1
    rows = [
        (
            _ago(found.now - run.started_at),
            *([names.get(run.account_id, run.account_id)] if several_accounts else []),
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
        ("started", *(["account"] if several_accounts else []), "region", "mode", "outcome"),
        ("calls", "throttled", "new", "changed"),
    )
    columns = (*columns, *_columns(("took",), ()))
    wide = {"calls", "throttled", "took"}
    return _result(
        tuple(replace(column, wide=column.name in wide) for column in columns),
        rows,
        None,
        title="Last runs",
    )


def _remarks(scope: Scope) -> list[str]:
    lines = [f"{scope.name}: {gap}." for gap in scope.gaps()]
    if scope.last_error:
        runs = last_runs(scope.failing_runs)
        lines.append(f"{scope.name}: failed in the {runs}: {scope.last_error}")
    return lines


def _ago(age: timedelta) -> str:
    text = format_age(age)
    return text if age < timedelta() else f"{text} ago"


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
    title: str = "",
) -> Result:
    from exporter.reports.result import Result

    return Result(columns, rows, totals, tuple(notes), report="status", title=title)
