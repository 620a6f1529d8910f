"""What a total leaves out or rests on, in sentences.

The figures come from the total row of the report itself (the mark `/*notes*/` in its SQL), so
that they speak of exactly the rows that were added up, in one pass over the costs. The SQL
around the mark offers the columns of daily_costs by their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from exporter.reports.periods import Period
from exporter.reports.result import Note
from exporter.reports.values import money
from exporter.times import format_time

MARK: Final = "/*notes*/ /*end*/"
PREFIX: Final = "note_"

#: Basis of a cost that is NULL -> what to say of its jobs.
_UNKNOWN: Final = {
    "no price": "without a price; see `report coverage` and `prices import`",
    "no details": "whose details are not fetched yet; `sync` does",
    "unknown seconds": "whose billed seconds are not known",
    "training plan": "on a training plan, which is not priced on demand",
    "serverless": "that are serverless, which is not priced by the instance",
}

_COUNTS: Final = ",\n".join(
    "    count(DISTINCT (training_job_arn, creation_time)) "
    f"FILTER (WHERE cost_usd IS NULL AND cost_basis = '{basis}') "
    f"AS {PREFIX}{basis.replace(' ', '_')}"
    for basis in _UNKNOWN
)
#: What the mark becomes: more columns of the select list.
FIGURES: Final = f""",
    sum(cost_usd) FILTER (WHERE price_source LIKE 'shipped list%') AS {PREFIX}list,
    sum(cost_usd) FILTER (WHERE cost_basis = 'estimated') AS {PREFIX}estimated,
    sum(cost_usd) FILTER (WHERE cost_basis = 'accruing') AS {PREFIX}accruing,
{_COUNTS}"""


def of_total(figures: Mapping[str, Any]) -> Iterator[Note]:
    """Notes on a total, from its `note_…` columns; without those, none."""
    for basis, what in _UNKNOWN.items():
        jobs = figures.get(PREFIX + basis.replace(" ", "_")) or 0
        if jobs:
            number = f"{jobs:,} job{'s' if jobs > 1 else ''}"
            yield Note(basis.replace(" ", "_"), f"Not counted, or only in part: {number} {what}.")
    if amount := _amount(figures, "accruing"):
        yield Note("accruing", f"{amount} USD of it are so far: what is not settled still grows.")
    if amount := _amount(figures, "estimated"):
        yield Note(
            "estimated", f"{amount} USD of it are estimated: the price is from another date."
        )
    if amount := _amount(figures, "list"):
        yield Note(
            "list_prices",
            f"{amount} USD of it are at public list prices; with a discount or a Savings Plan "
            "you pay less. Your own rates: `prices import FILE`.",
        )


def _amount(figures: Mapping[str, Any], name: str) -> str:
    amount: Decimal | None = figures.get(PREFIX + name)
    return money(amount) if amount else ""


def of_freshness(connection: sa.Connection, period: Period | None) -> Iterator[Note]:
    """Notes on what the database does not know yet: old, failed or unfinished scopes."""
    scopes = connection.execute(
        sa.text(
            """
            SELECT
                scopes.account_id || '/' || scopes.region AS scope,
                fresh.data_as_of AS known_to,
                scopes.last_error,
                scopes.failing_runs,
                scopes.discovered_from
            FROM sync_scopes AS scopes
            LEFT JOIN data_as_of AS fresh USING (account_id, region)
            ORDER BY scopes.account_id, scopes.region
            """
        )
    ).all()
    if not scopes:
        yield Note("empty", "Nothing has been synced into this database yet.")
        return
    for scope in scopes:
        if scope.last_error:
            runs = f"{scope.failing_runs} run{'s' if scope.failing_runs > 1 else ''}"
            yield Note(
                "failed_scope", f"{scope.scope} failed in its last {runs}: {scope.last_error}"
            )
        if scope.known_to is None:
            yield Note("incomplete_scope", f"{scope.scope} has never been synced completely.")
        if period and scope.discovered_from and scope.discovered_from.date() > period.since:
            yield Note(
                "late_start",
                f"{scope.scope} was synced from {format_time(scope.discovered_from)} on: "
                "earlier jobs are missing.",
            )
    known = [scope.known_to for scope in scopes if scope.known_to is not None]
    if known and _is_open(min(known), period):
        yield Note("as_of", f"Data as of {format_time(min(known))}.")


def _is_open(known_to: datetime, period: Period | None) -> bool:
    return period is None or known_to < datetime(
        period.until.year, period.until.month, period.until.day, tzinfo=UTC
    )
