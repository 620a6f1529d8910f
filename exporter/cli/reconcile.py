"""`reconcile`: a bill compared with the hours and the money of the database."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from exporter.cli.app import App, pass_app, width
from exporter.cli.options import Value, options
from exporter.cli.results import Output, printing
from exporter.cli.root import Command
from exporter.config.kinds import PATH
from exporter.config.options import option
from exporter.errors import PartialError, UsageError
from exporter.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.reconcile import Job, Line, Reconciliation
    from exporter.reconcile.keeping import Kept
    from exporter.reconcile.net import NetRates
    from exporter.reports.result import Column, Note, Result

#: A terminal of this width shows all columns.
_WIDE: Final = 180
#: The components in a narrow table; an instance type alone is training.
_SHORT: Final = {
    "Training": "",
    "Training Warm Pool": "pool",
    "Training ML storage": "storage",
    "Training Warm Pool ML storage": "pool storage",
}
#: The jobs that a text names for each difference.
_JOBS: Final = 5
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
    from exporter.reconcile import rates_csv
    from exporter.reconcile import reconcile as compare
    from exporter.reports.output import target

    if wanted.credits and not wanted.keep:
        raise UsageError("--credits needs --keep.")
    with printing(app, output) as show:
        with app.database().reading() as connection:
            found = compare(connection, file, with_credits=wanted.credits)
        kept = _keep(app, found.net, file.resolve().name) if wanted.keep else None
        columns = width() if output.path is None else None
        if output.style == "table" and columns is not None and columns < _WIDE:
            show(_compact(found, every=wanted.every, jobs=wanted.jobs))
        else:
            as_data = output.style in ("json", "parquet")
            result = _result(found, every=wanted.every, as_data=as_data)
            show(replace(result, more={"kept": _as_json(kept)}) if kept else result)
    if kept:
        _notify_of(app, kept)
    if wanted.rates is not None:
        with target(wanted.rates) as stream:
            stream.write(rates_csv(found.rates).encode())
    if wanted.check and (found.differences or found.not_billed):
        missing = f"; not in the bill: account {', '.join(found.not_billed)}"
        raise PartialError(
            f"{counted(len(found.differences), 'line')} of the bill and the database differ"
            f"{missing if found.not_billed else ''}."
        )


def _lines(found: Reconciliation, *, every: bool) -> list[Line]:
    """Return the lines to show, the one with most money in its difference first."""

    def money(line: Line) -> tuple[bool, Decimal, Decimal]:
        differs = line.differs or line.usd_differs
        amount = line.usd_difference if line.usd_difference is not None else line.billed_cost
        return differs, abs(amount or Decimal()), abs(line.ours - line.billed)

    lines = [line for line in found.lines if every or line.differs or line.usd_differs]
    return sorted(lines, key=money, reverse=True)


def _keep(app: App, net: NetRates, name: str) -> Kept:
    from exporter.cli.prices import locked
    from exporter.reconcile.keeping import keep

    with locked(app) as database, database.writing() as connection:
        return keep(connection, net, name, app.now)


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


def _as_json(kept: Kept) -> dict[str, Any]:
    from exporter.cli.prices import months_as_json

    net = kept.net
    return {
        "import_id": kept.import_id,
        "rates": net.days,
        "job_rates": net.jobs,
        "shared_reductions": net.shared_reductions,
        "amounts": [asdict(each) for each in net.amounts],
        "unexplained": [asdict(each) for each in net.unexplained],
        "changed_months": months_as_json(kept.changed_months),
    }


def _result(found: Reconciliation, *, every: bool, as_data: bool) -> Result:
    """Return all columns."""
    from exporter.reports.result import Column

    lines = _lines(found, every=every)
    columns = (
        Column("period", "DATE", note="UTC day, or the first of the month"),
        Column("account", wide=True, note="empty if the export names no accounts"),
        Column("region", wide=True),
        Column("component"),
        Column("instance_type", note="empty for storage"),
        Column("unit"),
        Column("billed", "DECIMAL(38,12)", "hours", note="hours or GB-months on the bill"),
        Column("ours", "DECIMAL(38,12)", "hours", note="in the database"),
        Column("difference", "DECIMAL(38,12)", "hours", note="ours − billed"),
        Column("billed_usd", "DECIMAL(38,12)", "money", note="NULL in another currency"),
        Column("our_usd", "DECIMAL(38,12)", "money", note="as far as it is known"),
        Column("differs", "BOOLEAN", note="more than rounding explains, or one side has none"),
        Column("usd_differs", "BOOLEAN", wide=True, note="more than rounding explains"),
        Column("jobs", "JSON" if as_data else "VARCHAR", note="jobs that explain the difference"),
        Column("job_count", "BIGINT", wide=True, note="the number of these jobs"),
        Column("missing", wide=True, note="the side that has no such line"),
        Column("purchase", wide=True, note="spot and training plans if the bill names them"),
        Column("covered", "DECIMAL(38,12)", "hours", wide=True, note="by a Savings Plan"),
        Column("currency", wide=True, note="the currency of the bill"),
        Column("billed_cost", "DECIMAL(38,12)", wide=True, note="in that currency"),
    )
    return _as_result(
        found, columns, [_row(line, as_data=as_data) for line in lines], _totals(found), lines
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
        [asdict(job) for job in line.jobs] if as_data else _names(line),
        line.job_count,
        line.missing,
        line.purchase,
        line.covered,
        line.currency,
        line.billed_cost,
    )


def _names(line: Line) -> str:
    """Return the first jobs of a line by name, and the number of the others."""
    shown = line.jobs[:_JOBS]
    more = line.job_count - len(shown)
    return ", ".join([*map(_named, shown), *([f"{more:,} more"] if more else [])])


def _named(job: Job) -> str:
    return f"{job.training_job_name or job.training_job_arn} ({job.why})"


def _totals(found: Reconciliation) -> tuple[Any, ...]:
    """The money of every line, shown or not; hours and GB-months do not add up."""
    billed = _in_usd(found, [line.billed_usd for line in found.lines])
    ours = sum(line.our_usd for line in found.lines)
    return (*[None] * 9, billed, ours, *[None] * 9)


def _in_usd(found: Reconciliation, amounts: list[Decimal | None]) -> Decimal | None:
    """The sum; None if a line is in another currency, because a part is no total."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal()) if len(known) == len(found.lines) else None


def _compact(found: Reconciliation, *, every: bool, jobs: bool) -> Result:
    """Return the columns that fit into 80: one line for each difference."""
    from exporter.reports.result import Column

    lines = _lines(found, every=every)
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
        for line in lines
    ]
    total = _in_usd(found, [line.usd_difference for line in found.lines])
    totals = (*[None] * 7, total, None, None)
    # The column `in` says nothing if all lines have the same account and region.
    kept = [index for index, column in enumerate(columns) if column.name != "in" or len(places) > 1]
    return _as_result(
        found,
        tuple(columns[index] for index in kept),
        [tuple(row[index] for index in kept) for row in rows],
        tuple(totals[index] for index in kept),
        lines,
        (*_place_notes(places), *_job_notes(lines, jobs=jobs)),
    )


def _place_notes(places: list[tuple[str, str]]) -> Iterator[Note]:
    """Yield the account and region behind each number of the column `in`."""
    from exporter.reports.result import Note

    for number, (account, region) in enumerate(places, 1):
        parts = filter(None, (f"account {account}" if account else "", region))
        yield Note("places", f"{number if len(places) > 1 else 'All'}: {', '.join(parts)}.")


def _job_notes(lines: list[Line], *, jobs: bool) -> Iterator[Note]:
    """Yield the jobs of each line, or how to see them."""
    from exporter.reports.result import Note

    explained = [line for line in lines if line.jobs]
    if explained and not jobs:
        yield Note("jobs", "--jobs names the jobs that explain each difference.")
    elif jobs:
        for line in explained:
            yield Note("jobs", f"{line.period} {_item(line)}: {_names(line)}.")


def _item(line: Line) -> str:
    from exporter.reconcile.classify import ON_DEMAND

    bought = "" if line.purchase == ON_DEMAND else line.purchase
    return " ".join(filter(None, (_SHORT[line.component], line.instance_type, bought)))


def _as_result(
    found: Reconciliation,
    columns: tuple[Column, ...],
    rows: list[tuple[Any, ...]],
    totals: tuple[Any, ...],
    lines: list[Line],
    notes: tuple[Note, ...] = (),
) -> Result:
    from exporter.cli.bill_notes import all_notes
    from exporter.reports.periods import Period
    from exporter.reports.result import Result

    return Result(
        columns,
        rows,
        totals,
        (*notes, *all_notes(found, len(lines))),
        report="reconcile",
        title=f"The bill ({found.export.kind}) compared with our figures",
        period=Period(found.export.since, found.export.until),
    )
