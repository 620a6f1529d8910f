"""`reconcile`: a bill compared with the hours and the money of the database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from exporter.cli.app import App, pass_app, width
from exporter.cli.options import Value, options
from exporter.cli.results import Output, printing
from exporter.cli.root import Command
from exporter.config.kinds import PATH
from exporter.config.options import option
from exporter.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.bills import Line, Reconciliation
    from exporter.bills.keeping import Kept
    from exporter.reports.result import Note, Result

#: A terminal of this width shows all columns.
_WIDE: Final = 180
#: Lines that a terminal shows: the first ones, which matter most.
_LINES: Final = 50
#: The components in a narrow table; an instance type alone is training.
_SHORT: Final = {
    "Training": "",
    "Training Warm Pool": "pool",
    "Training ML storage": "storage",
    "Training Warm Pool ML storage": "pool storage",
}
#: The amounts that `--keep` lists as not explained; JSON has all.
_UNEXPLAINED: Final = 10

EPILOG = """\b
Examples:
  sagemaker-exporter reconcile cur/2026-10.parquet
  sagemaker-exporter reconcile focus-export/ --all --format csv > october.csv
  sagemaker-exporter reconcile cur.csv --rates rates.csv
  sagemaker-exporter prices import rates.csv
  sagemaker-exporter reconcile cur/2026-10.parquet --keep

The export is CUR 2.0, a legacy CUR, FOCUS, or a CSV file of Cost Explorer by day and usage type:
a Parquet, CSV, gzip or ZIP file, or the folder of an export. Of each billing period the newest
version counts. Hours and GB-months come first: they need no price. What rounding explains is no
difference; a line that one side lacks always is one. Exports with resource ids name the jobs behind
a difference; others can only name the jobs of the day.
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
        "Store what the bill charged: the costs of its days then add up to it, job by job.",
    )
    credits: bool = option(False, "With --keep: subtract the credits on the bill, too.")
    jobs: bool = option(False, "Name the jobs that explain each difference.")
    check: bool = option(
        False, "Exit 3 if hours or GB-months differ, or if the bill lacks an account."
    )


@click.command(cls=Command, epilog=EPILOG)
@click.argument("file", type=Value(PATH), metavar="FILE")
@options(wanted=ReconcileOptions, output=Output)
@pass_app
def reconcile(app: App, file: Path, wanted: ReconcileOptions, output: Output) -> None:
    """Compare a bill with the database: hours and GB-months first, then money."""
    from exporter.bills import reconcile as compare
    from exporter.commands import reconcile as commands

    commands.check_options(keep=wanted.keep, with_credits=wanted.credits)
    with printing(app, output) as show:
        with app.database().reading() as connection:
            found = compare(connection, file, with_credits=wanted.credits)
        kept = None
        if wanted.keep:
            kept = commands.keep_bill(app.database(), found, file, app.now, app.notify)
        columns = width() if output.path is None else None
        if output.style == "table" and columns is not None and columns < _WIDE:
            show(_compact(found, every=wanted.every, jobs=wanted.jobs))
        else:
            as_data = output.style in ("json", "parquet")
            limit = _LINES if output.style == "table" and columns is not None else None
            every = wanted.every
            show(commands.result(found, every=every, as_data=as_data, kept=kept, limit=limit))
    if kept:
        _notify_of(app, kept)
    if wanted.rates is not None:
        commands.write_rates(found, wanted.rates)
    if wanted.check:
        commands.check(found)


def _notify_of(app: App, kept: Kept) -> None:
    """Print what `--keep` stored, and the money that it does not explain."""
    from exporter.cli.prices import notify_of_months
    from exporter.reports.values import money

    net = kept.net
    amounts = " and ".join(
        f"{money(each.explained)} of {money(each.billed)} {each.currency}" for each in net.amounts
    )
    jobs = f" and {counted(net.jobs, 'rate')} of single jobs" if net.jobs else ""
    app.notify(
        f"reconcile: kept {counted(net.days, 'rate')} of the bill{jobs}; our jobs explain "
        f"{amounts or 'nothing'}; `prices remove {kept.import_id}` undoes this"
    )
    if net.shared_reductions:
        app.notify(
            "reconcile: the lines of an item share "
            f"{counted(net.shared_reductions, 'discount or credit', 'discounts or credits')} "
            "without a job, in proportion to their amounts"
        )
    for each in net.unexplained[:_UNEXPLAINED]:
        job = f", job {each.training_job_arn.rpartition('/')[2]}" if each.training_job_arn else ""
        app.notify(
            f"reconcile: not explained: {each.component} {each.instance_type or 'volumes'} on "
            f"{each.period} of account {each.account_id or 'any'} in {each.region}{job}: billed "
            f"{money(each.billed)}, ours {money(each.explained)} {each.currency}"
        )
    if more := net.unexplained[_UNEXPLAINED:]:
        app.notify(
            f"reconcile: not explained: {counted(len(more), 'smaller amount')}; --json lists all"
        )
    notify_of_months(app, "reconcile", kept.changed_months)


def _compact(found: Reconciliation, *, every: bool, jobs: bool) -> Result:
    """Return the columns that fit into 80: one line for each difference."""
    from exporter.commands.reconcile import as_result, in_usd, lines_of
    from exporter.reports.result import Column

    lines = lines_of(found, every=every)
    places = sorted({(line.account_id, line.region) for line in lines})
    numbers = {place: str(number) for number, place in enumerate(places, 1)}
    # Hours have two decimals, as money has.
    columns = (
        Column("period", "DATE"),
        Column("in"),
        Column("item"),
        Column("unit"),
        Column("billed", "DECIMAL(38,12)", "money", wide=True),
        Column("ours", "DECIMAL(38,12)", "money", wide=True),
        Column("ours − billed", "DECIMAL(38,12)", "money"),
        Column("ours − billed USD", "DECIMAL(38,12)", "money"),
        Column("differs", "BOOLEAN"),
        Column("jobs", "BIGINT"),
    )
    rows = [
        (
            line.period,
            numbers[line.account_id, line.region],
            _item(line),
            line.unit,
            line.billed,
            line.ours,
            line.ours - line.billed,
            line.usd_difference,
            line.differs,
            line.job_count,
        )
        for line in lines[:_LINES]
    ]
    total = in_usd(found, [line.usd_difference for line in found.lines])
    totals = (*[None] * 7, total, None, None)
    # The column `in` says nothing if all lines have the same account and region.
    kept = [index for index, column in enumerate(columns) if column.name != "in" or len(places) > 1]
    return as_result(
        found,
        tuple(columns[index] for index in kept),
        [tuple(row[index] for index in kept) for row in rows],
        tuple(totals[index] for index in kept),
        lines,
        (*_place_notes(places), *_job_notes(lines[:_LINES], jobs=jobs)),
    )


def _place_notes(places: list[tuple[str, str]]) -> Iterator[Note]:
    """Yield the account and region behind each number of the column `in`."""
    from exporter.reports.result import Note

    for number, (account, region) in enumerate(places, 1):
        parts = filter(None, (f"account {account}" if account else "", region))
        yield Note("places", f"{number if len(places) > 1 else 'All'}: {', '.join(parts)}.")


def _job_notes(lines: list[Line], *, jobs: bool) -> Iterator[Note]:
    """Yield the jobs of each line, or how to see them."""
    from exporter.commands.reconcile import names_of
    from exporter.reports.result import Note

    explained = [line for line in lines if line.jobs]
    if explained and not jobs:
        yield Note("jobs", "--jobs names the jobs that explain each difference.")
    elif jobs:
        for line in explained:
            yield Note("jobs", f"{line.period} {_item(line)}: {names_of(line)}.")


def _item(line: Line) -> str:
    from exporter.bills.classify import ON_DEMAND

    bought = "" if line.purchase == ON_DEMAND else line.purchase
    return " ".join(filter(None, (_SHORT[line.component], line.instance_type, bought)))
