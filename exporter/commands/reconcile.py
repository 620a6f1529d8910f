"""`reconcile`: the comparison of a bill, what is kept of it, and the comparison as rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from exporter import bills
from exporter.bills import Job, Line, Reconciliation
from exporter.bills.keeping import Kept, keep
from exporter.commands.bill_notes import all_notes
from exporter.errors import PartialError, UsageError
from exporter.prices.effects import as_json
from exporter.reports.output import target
from exporter.reports.periods import Period
from exporter.reports.result import Column, Note, Result
from exporter.spelling import named
from exporter.store import migrate
from exporter.store.database import Database
from exporter.text import counted

#: The jobs that a text names for each difference.
_JOBS: Final = 5


def check_options(*, keep: bool, with_credits: bool) -> None:
    """Raise UsageError if the options of `reconcile` contradict each other."""
    if with_credits and not keep:
        raise UsageError(f"{named('credits', True)} needs {named('keep', True)}.")


def keep_bill(
    database: Database,
    found: Reconciliation,
    file: Path,
    now: datetime,
    notify: Callable[[str], None],
) -> Kept:
    """Store what the bill charged, so that the costs of its days add up to it.

    Raises:
        StoreError: The database cannot be written.
    """
    with migrate.locked(database, notify=notify), database.writing() as connection:
        return keep(connection, found.net, file.resolve().name, now)


def _kept_as_json(kept: Kept) -> dict[str, Any]:
    """Return the documented object of what was kept."""
    net = kept.net
    return {
        "import_id": kept.import_id,
        "rates": net.days,
        "job_rates": net.jobs,
        "shared_reductions": net.shared_reductions,
        "amounts": [asdict(each) for each in net.amounts],
        "unexplained": [asdict(each) for each in net.unexplained],
        "changed_months": as_json(kept.changed_months),
    }


def write_rates(found: Reconciliation, path: Path) -> None:
    """Write the rates that the bill charged, as a file for `prices import`.

    Raises:
        UsageError: The path cannot be written.
        DatabaseError: The disk is full.
    """
    with target(path) as stream:
        stream.write(bills.rates_csv(found.rates).encode())


def check(found: Reconciliation) -> None:
    """Raise PartialError if hours or GB-months differ, or if the bill lacks an account."""
    if found.differences or found.not_billed:
        missing = f"; not in the bill: account {', '.join(found.not_billed)}"
        raise PartialError(
            f"{counted(len(found.differences), 'line')} of the bill and the database differ"
            f"{missing if found.not_billed else ''}."
        )


def result(
    found: Reconciliation,
    *,
    every: bool,
    as_data: bool,
    kept: Kept | None = None,
    limit: int | None = None,
) -> Result:
    """Return all columns.

    Args:
        found: The comparison.
        every: Also the lines that agree.
        as_data: The jobs of a line are objects; otherwise a text names the first ones.
        kept: What was kept of the bill; it is in `more` of the result.
        limit: Lines to show at most; None = all.
    """
    lines = lines_of(found, every=every)
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
    rows = [_row(line, as_data=as_data) for line in lines[:limit]]
    compared = as_result(found, columns, rows, _totals(found), lines)
    return replace(compared, more={"kept": _kept_as_json(kept)}) if kept else compared


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
        [asdict(job) for job in line.jobs] if as_data else names_of(line),
        line.job_count,
        line.missing,
        line.purchase,
        line.covered,
        line.currency,
        line.billed_cost,
    )


def names_of(line: Line) -> str:
    """Return the first jobs of a line by name, and the number of the others."""
    shown = line.jobs[:_JOBS]
    more = line.job_count - len(shown)
    return ", ".join([*map(_named, shown), *([f"{more:,} more"] if more else [])])


def _named(job: Job) -> str:
    return f"{job.training_job_name or job.training_job_arn} ({job.why})"


def _totals(found: Reconciliation) -> tuple[Any, ...]:
    """The money of every line, shown or not; hours and GB-months do not add up."""
    billed = in_usd(found, [line.billed_usd for line in found.lines])
    ours = sum(line.our_usd for line in found.lines)
    return (*[None] * 9, billed, ours, *[None] * 9)


def in_usd(found: Reconciliation, amounts: list[Decimal | None]) -> Decimal | None:
    """The sum; None if a line is in another currency, because a part is no total."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal()) if len(known) == len(found.lines) else None


def as_result(
    found: Reconciliation,
    columns: tuple[Column, ...],
    rows: list[tuple[Any, ...]],
    totals: tuple[Any, ...],
    lines: list[Line],
    notes: tuple[Note, ...] = (),
) -> Result:
    """Return rows of the lines with the title, the period and the notes of the comparison."""
    return Result(
        columns,
        rows,
        totals,
        (*notes, *all_notes(found, len(lines), hidden=len(lines) - len(rows))),
        report="reconcile",
        title=f"The bill ({found.export.kind}) compared with our figures",
        period=Period(found.export.since, found.export.until),
    )


def lines_of(found: Reconciliation, *, every: bool) -> list[Line]:
    """Return the lines to show: first different quantities, then different amounts.

    Of each kind, the line with most money in its difference comes first. With a discount, the
    amounts of all lines differ from list prices, and hide no difference of hours.
    """

    def money(line: Line) -> tuple[bool, bool, Decimal, Decimal]:
        amount = line.usd_difference if line.usd_difference is not None else line.billed_cost
        differences = abs(amount or Decimal()), abs(line.ours - line.billed)
        return line.differs, line.usd_differs, *differences

    lines = [line for line in found.lines if every or line.differs or line.usd_differs]
    return sorted(lines, key=money, reverse=True)
