"""The notes under the comparison of a bill. Imported only when a command shows them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from exporter.bills import Export, Reconciliation
from exporter.reports.result import Note
from exporter.spelling import named
from exporter.text import counted

#: The kinds of lines that a note lists; the rest is summed up.
_KINDS: Final = 8


def all_notes(found: Reconciliation, wanted: int, *, hidden: int = 0) -> Iterator[Note]:
    """Yield what a reader of the comparison must know.

    Args:
        found: The comparison.
        wanted: The number of lines that the options choose.
        hidden: How many of them are too many for a terminal.
    """
    if hidden:
        yield Note(
            "cut",
            f"Shown: {wanted - hidden:,} of {wanted:,} lines; --output FILE or a pipe has all.",
        )
    yield from _comparison_notes(found, wanted)
    yield from _missing_notes(found)
    yield from _savings_plan_note(found)
    yield from _export_notes(found.export)


def _comparison_notes(found: Reconciliation, shown: int) -> Iterator[Note]:
    export, lines = found.export, len(found.lines)
    last = export.until - timedelta(days=1)
    days = "months" if export.monthly else "days"
    yield Note(
        "export",
        f"{counted(export.lines, 'line')} of training in {counted(len(export.files), 'file')}, "
        f"{export.since} to "
        f"{last}, compared by {days}: {lines - len(found.differences):,} of {lines:,} agree in "
        "hours and GB-months.",
    )
    if lines > shown:
        agreeing = counted(lines - shown, "line")
        yield Note(
            "agreeing",
            f"Not shown: {agreeing} without a difference; {named('all', True)} shows all.",
        )
    if found.usd_differences:
        yield Note(
            "money",
            f"The money of {counted(len(found.usd_differences), 'line')} differs: "
            f"{named('rates', word='FILE')} writes what the bill really charged, for "
            "`prices import`.",
        )
    amounts: dict[str, Decimal] = {}
    for line in found.lines:
        if line.currency not in ("", "USD"):
            amounts[line.currency] = amounts.get(line.currency, Decimal()) + (line.billed_cost or 0)
    if amounts:
        texts = ", ".join(_amount(amounts[currency], currency) for currency in sorted(amounts))
        yield Note("currency", f"Not compared with our USD: {texts} on the bill.")
    if unknown := sum(line.unknown for line in found.lines):
        yield Note("unknown", f"Without quantity or money yet: {counted(unknown, 'row')} of ours.")
    if found.differences and not export.resources:
        yield Note("no_resources", "The export names no jobs: those named are of the same day.")


def _missing_notes(found: Reconciliation) -> Iterator[Note]:
    for side in ("on the bill", "in the database"):
        missing = [line for line in found.differences if line.missing == side]
        if missing:
            days = sorted({line.period for line in missing})
            yield Note(
                f"missing_{side.replace(' ', '_')}",
                f"Missing {side}: {counted(len(missing), 'line')}, of {_days(days)}.",
            )
    if found.not_billed:
        accounts = ", ".join(found.not_billed)
        yield Note("not_billed", f"Not in the export, so not compared: account {accounts}.")
    if found.missing_months:
        months = ", ".join(f"{month:%Y-%m}" for month in found.missing_months)
        yield Note(
            "missing_months",
            f"The export has lines of {months}, but none of training; our usage of that time is "
            "not compared.",
        )


def _days(days: list[date]) -> str:
    if len(days) <= _KINDS:
        return ", ".join(map(str, days))
    return f"{counted(len(days), 'day')} from {days[0]} to {days[-1]}"


def _export_notes(export: Export) -> Iterator[Note]:
    if export.unclear:
        yield Note(
            "unclear",
            f"Not compared, because their texts are unknown: {counted(export.unclear, 'line')} of "
            "SageMaker training.",
        )
    if export.not_compared:
        shown, rest = export.not_compared[:_KINDS], export.not_compared[_KINDS:]
        texts = [
            f"{part.kind} {_amount(part.cost, part.currency)} ({counted(part.lines, 'line')})"
            for part in shown
        ]
        if rest:
            texts.append(f"{counted(len(rest), 'other kind')}")
        yield Note("not_compared", f"Not compared: {', '.join(texts)}.")
    if export.left_out:
        yield Note(
            "left_out",
            f"Left out: {counted(len(export.left_out), 'file')}, such as {export.left_out[0]}.",
        )
    if export.absent:
        yield Note(
            "absent",
            f"The manifest lists {counted(len(export.absent), 'file')} that the folder lacks: "
            f"{', '.join(export.absent[:_KINDS])}.",
        )
    if export.repeated:
        yield Note(
            "repeated",
            f"Not added again: {counted(export.repeated, 'line')} with the id of another line.",
        )
    if export.covered_at_list:
        yield Note(
            "covered_at_list",
            f"At on-demand amounts, though a Savings Plan covers them: "
            f"{counted(export.covered_at_list, 'line')}. The export lacks "
            "savings_plan_savings_plan_effective_cost.",
        )
    for currency, amount in export.unused.items():
        yield Note(
            "savings_plan_unused",
            f"Savings Plans of SageMaker left {_amount(amount, currency)} unused.",
        )


def _savings_plan_note(found: Reconciliation) -> Iterator[Note]:
    hours = [line for line in found.lines if line.unit == "Hrs"]
    covered = sum((line.covered for line in hours), Decimal())
    billed = sum((line.billed for line in hours), Decimal())
    if covered:
        yield Note(
            "savings_plan",
            f"Savings Plans cover {covered:,.1f} of {billed:,.1f} billed hours "
            f"({100 * covered / billed:.0f} %).",
        )


def _amount(amount: Decimal, currency: str) -> str:
    return f"{amount:,.2f} {currency}"
