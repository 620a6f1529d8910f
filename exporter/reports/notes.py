"""What a total leaves out or rests on, in sentences.

The figures come from the total row of the report itself (the mark `/*notes*/` in its SQL), so
that they speak of exactly the rows that were added up, in one pass over the costs. The SQL
around the mark offers the columns of daily_costs by their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from exporter.reports.periods import Period, midnight
from exporter.reports.result import Note
from exporter.reports.values import money
from exporter.text import last_runs
from exporter.times import format_time

MARK: Final = "/*notes*/ /*end*/"
PREFIX: Final = "note_"

#: Basis of a cost that is NULL -> what to say of its jobs.
_UNKNOWN: Final = {
    "no price": "without a price (see `report coverage`, `prices import`)",
    "no details": "whose details are not fetched yet (`sync` does)",
    "unknown seconds": "whose billed seconds are not known",
    "training plan": "on a training plan, not priced on demand",
    "serverless": "serverless, not priced by the instance",
}


def _figure(basis: str) -> str:
    return PREFIX + basis.replace(" ", "_")


#: What the mark becomes: more columns of the select list. Rows are counted for the reasons, not
#: jobs: each count of distinct jobs would cost as much as the report itself.
FIGURES: Final = ",\n" + ",\n".join(
    [
        f"    sum(cost_usd) FILTER (WHERE price_source LIKE 'shipped list%') AS {PREFIX}list",
        f"    sum(cost_usd) FILTER (WHERE cost_basis = 'estimated') AS {PREFIX}estimated",
        f"    sum(cost_usd) FILTER (WHERE cost_basis = 'accruing') AS {PREFIX}accruing",
        *(
            f"    count(*) FILTER (WHERE cost_basis = '{basis}') AS {_figure(basis)}"
            for basis in _UNKNOWN
        ),
    ]
)


def of_total(total: Mapping[str, Any]) -> Iterator[Note]:
    """Notes on a total, from its `note_…` columns and `unpriced_jobs`; without those, none."""
    reasons = {basis: said for basis, said in _UNKNOWN.items() if total.get(_figure(basis))}
    if reasons:
        jobs = total.get("unpriced_jobs")
        number = "jobs" if jobs is None else "1 job" if jobs == 1 else f"{jobs:,} jobs"
        several = ", some ".join(reasons.values())
        what = f", some {several}" if len(reasons) > 1 else f" {several}"
        yield Note("unpriced", f"Not counted, or only in part: {number}{what}.", tuple(reasons))
    if amount := _amount(total, "accruing"):
        yield Note("accruing", f"{amount} USD of it are so far: what is not settled still grows.")
    if amount := _amount(total, "estimated"):
        yield Note(
            "estimated", f"{amount} USD of it are estimated: the price is from another date."
        )
    if amount := _amount(total, "list"):
        yield Note(
            "list_prices",
            f"{amount} USD of it are at public list prices; with a discount or a Savings Plan "
            "you pay less. Your own rates: `prices import FILE`.",
        )


def _amount(figures: Mapping[str, Any], name: str) -> str:
    amount: Decimal | None = figures.get(PREFIX + name)
    return money(amount) if amount else ""


def of_prices(connection: sa.Connection) -> Iterator[Note]:
    """A note where public list prices are in force for instance types that are in use.

    For reports whose rows are jobs: their total does not tell amounts by the kind of price.
    """
    listed = connection.execute(
        sa.text(
            """
            SELECT EXISTS (
                SELECT 1
                FROM training_job_details AS detail
                SEMI JOIN (
                    SELECT region, instance_type
                    FROM rates
                    WHERE price_source LIKE 'shipped list%'
                ) AS listed
                    -- The region from the ARN: no join of all jobs for a sentence.
                    ON
                        detail.instance_type = listed.instance_type
                        AND split_part(detail.training_job_arn, ':', 4) = listed.region
            )
            """
        )
    ).scalar()
    if listed:
        yield Note(
            "list_prices",
            "Amounts rest on public list prices, at least in part; with a discount or a Savings "
            "Plan you pay less. Your own rates: `prices import FILE`.",
        )


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
        if connection.execute(sa.text("SELECT EXISTS (FROM training_jobs)")).scalar():
            yield Note(
                "one_off", "Only one-off syncs have filled this database: others may be missing."
            )
        else:
            yield Note("empty", "Nothing has been synced into this database yet.")
        return
    for scope in scopes:
        if scope.last_error:
            runs = last_runs(scope.failing_runs)
            yield Note("failed_scope", f"{scope.scope} failed in its {runs}: {scope.last_error}")
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
        yield Note("as_of", f"Data as of {format_time(min(known).replace(microsecond=0))}.")


def _is_open(known_to: datetime, period: Period | None) -> bool:
    return period is None or known_to < midnight(period.until)
