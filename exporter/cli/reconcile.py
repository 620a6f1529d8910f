"""`reconcile`: a bill compared with the hours and the money of the database."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import options
from exporter.cli.results import Output, printing
from exporter.cli.root import Command
from exporter.config.kinds import PATH
from exporter.config.options import option
from exporter.errors import PartialError
from exporter.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.reconcile import Job, Line, Reconciliation
    from exporter.reports.result import Note, Result

EPILOG = """\b
Examples:
  sagemaker-exporter reconcile cur/2026-10.parquet
  sagemaker-exporter reconcile focus-export/ --all --format csv > october.csv
  sagemaker-exporter reconcile cur.csv --rates rates.csv
  sagemaker-exporter prices import rates.csv
  sagemaker-exporter reconcile cur/2026-10.parquet --keep

FILE is a CUR 2.0 or FOCUS export, Parquet or CSV, or a folder with its parts. Hours and GB-months
come first, because they need no price. A deviation that rounding explains is not a difference. An
export with resource IDs names the jobs behind a difference; for any other export, the command names
the jobs of that day.
"""


@dataclass(frozen=True)
class ReconcileOptions:
    """What to compare and to write."""

    every: bool = option(False, "Also show the lines that agree.", flag="--all", key="every")
    rates: Path | None = option(
        None,
        "Write the rates that the bill charged, as a file for `prices import`.",
        PATH,
        "CSV",
    )
    keep: bool = option(
        False,
        "Store the rates that the bill charged: the costs of its days then add up to the bill.",
    )
    check: bool = option(False, "Exit 3 if hours or GB-months differ.")


@click.command(cls=Command, epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@options(wanted=ReconcileOptions, output=Output)
@pass_app
def reconcile(app: App, file: Path, wanted: ReconcileOptions, output: Output) -> None:
    """Compare a bill with the database: hours and GB-months first, then money."""
    from exporter.reconcile import rates_csv
    from exporter.reconcile import reconcile as compare
    from exporter.reports.output import target

    with printing(app, output) as show:
        with app.database().reading() as connection:
            found = compare(connection, file)
        show(_result(found, every=wanted.every, as_data=output.style in ("json", "parquet")))
    if wanted.rates is not None:
        with target(wanted.rates) as stream:
            stream.write(rates_csv(found.rates).encode())
    if wanted.keep:
        _keep(app, found, file.name)
    if wanted.check and found.differences:
        lines = counted(len(found.differences), "line")
        raise PartialError(f"{lines} of the bill and the database differ.")


def _keep(app: App, found: Reconciliation, name: str) -> None:
    from exporter.cli.prices import locked, notify_of_months
    from exporter.reconcile.keeping import keep
    from exporter.reports.values import money

    with locked(app) as database, database.writing() as connection:
        kept = keep(connection, found, name, app.now)
    app.notify(
        f"reconcile: kept {counted(kept.rates, 'rate')} of the bill; the jobs explain "
        f"{money(kept.explained_usd)} of {money(kept.billed_usd)} USD; "
        f"`prices remove {kept.import_id}` undoes this"
    )
    for each in kept.unexplained:
        app.notify(
            f"reconcile: not explained: {each.component} {each.instance_type or 'volumes'} on "
            f"{each.period} of account {each.account_id or 'any'} in {each.region}: billed "
            f"{money(each.billed_usd)}, jobs {money(each.explained_usd)} USD"
        )
    notify_of_months(app, "reconcile", kept.changed_months)


def _result(found: Reconciliation, *, every: bool, as_data: bool) -> Result:
    from exporter.reports.periods import Period
    from exporter.reports.result import Column, Result

    lines = [line for line in found.lines if every or line.differs or line.usd_differs]
    columns = (
        Column("period", "DATE", note="UTC day, or the first of the month"),
        Column("account", wide=True),
        Column("region", wide=True),
        Column("component"),
        Column("instance_type", note="empty for storage"),
        Column("unit", wide=True),
        Column("billed", "DECIMAL(38,12)", "hours", note="hours or GB-months on the bill"),
        Column("ours", "DECIMAL(38,12)", "hours", note="in the database"),
        Column("difference", "DECIMAL(38,12)", "hours", note="ours − billed"),
        Column("billed_usd", "DECIMAL(38,12)", "money"),
        Column("our_usd", "DECIMAL(38,12)", "money", note="where the price is known"),
        Column("differs", "BOOLEAN", wide=True, note="more than rounding explains"),
        Column("usd_differs", "BOOLEAN", wide=True, note="more than rounding explains"),
        Column("jobs", "JSON" if as_data else "VARCHAR", note="jobs that explain the difference"),
    )
    return Result(
        columns,
        [_row(line, as_data=as_data) for line in lines],
        _totals(found),
        tuple(_notes(found, len(lines))),
        report="reconcile",
        title=f"The bill ({found.export.kind}) compared with the database",
        period=Period(found.export.since, found.export.until),
    )


def _row(line: Line, *, as_data: bool) -> tuple[Any, ...]:
    return (
        line.period,
        line.account_id,
        line.region,
        line.component,
        line.instance_type,
        line.unit,
        line.billed,
        line.ours,
        line.ours - line.billed,
        line.billed_usd,
        line.our_usd,
        line.differs,
        line.usd_differs,
        [asdict(job) for job in line.jobs] if as_data else ", ".join(map(_named, line.jobs)),
    )


def _named(job: Job) -> str:
    return f"{job.training_job_name or job.training_job_arn} ({job.why})"


def _totals(found: Reconciliation) -> tuple[Any, ...]:
    """Return the money of every line, shown or not; hours and GB-months have no common total."""
    billed = sum(line.billed_usd for line in found.lines)
    ours = sum(line.our_usd for line in found.lines)
    return (*[None] * 9, billed, ours, None, None, None)


def _notes(found: Reconciliation, shown: int) -> Iterator[Note]:
    from exporter.reports.result import Note

    export, lines = found.export, len(found.lines)
    last = export.until - timedelta(days=1)
    days = "months" if export.monthly else "days"
    yield Note(
        "export",
        f"{counted(export.lines, 'line')} of training in {counted(len(export.files), 'file')}, "
        f"{export.since} to {last}, compared by {days}: {lines - len(found.differences):,} of "
        f"{lines:,} agree in hours and GB-months.",
    )
    if lines > shown:
        agreeing = counted(lines - shown, "line")
        yield Note("agreeing", f"Not shown: {agreeing} without a difference; --all shows all.")
    if found.usd_differences:
        yield Note(
            "money",
            f"The money of {counted(len(found.usd_differences), 'line')} differs: "
            "--rates FILE writes the rates that the bill charged, for `prices import`.",
        )
    if unknown := sum(line.unknown for line in found.lines):
        yield Note(
            "unknown",
            f"In the database without a quantity or a cost yet: {counted(unknown, 'row')}.",
        )
    if found.differences and not export.resources:
        yield Note(
            "no_resources", "The export names no jobs; the jobs above are those of the same day."
        )
    if export.unclear:
        yield Note(
            "unclear", f"Not classified: {counted(export.unclear, 'line')} of SageMaker training."
        )
    if found.not_billed:
        accounts = ", ".join(found.not_billed)
        yield Note(
            "not_billed", f"Not compared, because the export does not have it: account {accounts}."
        )
