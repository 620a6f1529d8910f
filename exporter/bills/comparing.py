"""Compares a bill with our own figures: first hours and GB-months, then money.

`reconcile` reads both sides into the tables `billed` and `ours` of an in-memory workspace. The
comparison itself is SQL over these tables.

A difference counts if it exceeds what rounding explains. On the bill's side that is half a unit
of the last decimal place for each line; on ours one second for each job and instance, because
the service reports whole seconds. A line that one side lacks always differs. If the bill names
the jobs, each job is compared as well, so that an hour of one job cannot hide that of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb

from exporter.bills.exports import Export, read_export
from exporter.bills.net import NetRates, net_rates
from exporter.bills.ours import load_ours, months_with_usage, stored_jobs
from exporter.bills.rates import effective_rates
from exporter.prices.rows import UNITS, Price
from exporter.store.connections import Connection, in_memory

#: The largest number of candidates that a difference names.
CANDIDATES: Final = 5


@dataclass(frozen=True)
class Job:
    """A job that explains a difference, or may explain it.

    Attributes:
        training_job_arn: The ARN as the database spells it, else as the bill spells it.
        training_job_name: The name; None = the job is not in the database.
        billed, ours: Hours or GB-months; None = the bill does not name the job, or the database
            has no figure.
        why: `not in the database`, `not on the bill` or `differs`; `of that day` if the export
            names no jobs: these are the candidates, the likeliest first.
    """

    training_job_arn: str
    training_job_name: str | None
    billed: Decimal | None
    ours: Decimal | None
    why: str


@dataclass(frozen=True)
class Line:
    """The comparison of one period, account, region, component, instance type and purchase.

    Attributes:
        period: The UTC day, or the first day of the month.
        monthly: Whether the period is a month.
        account_id, region, component: What the line bills; the account is empty if the export
            names no accounts.
        instance_type: Empty for storage, which a bill does not split by type.
        purchase: `on demand`, `spot` or `training plan`, if the bill tells them apart.
        unit: Hrs or GB-Mo.
        billed, ours: The quantities; 0 = one side has none.
        missing: The side that has no such line: `on the bill`, `in the database`, or empty.
        tolerance: The difference of the quantities that rounding explains.
        covered: The quantity on the bill that a Savings Plan covers.
        currency: The bill's currency; empty = the bill has no such line, or mixes currencies.
        billed_cost: The amount on the bill in that currency; None = it mixes currencies.
        our_usd: The known part of our amount.
        usd_tolerance: The difference of the amounts that rounding explains.
        unknown: The number of our rows without a quantity or an amount.
        jobs_differ: Whether the quantities of a job differ, where the bill names the jobs.
        job_count: The number of jobs that explain a difference, or may explain it.
        jobs: These jobs; of candidates only the likeliest.
    """

    period: date
    monthly: bool
    account_id: str
    region: str
    component: str
    instance_type: str
    purchase: str
    unit: str
    billed: Decimal
    ours: Decimal
    missing: str
    tolerance: Decimal
    covered: Decimal
    currency: str
    billed_cost: Decimal | None
    our_usd: Decimal
    usd_tolerance: Decimal
    unknown: int
    jobs_differ: bool
    job_count: int
    jobs: tuple[Job, ...]

    @property
    def differs(self) -> bool:
        """Whether the quantities differ by more than rounding explains, or one side has none."""
        if self.missing:
            return self.billed != self.ours
        return abs(self.ours - self.billed) > self.tolerance or self.jobs_differ

    @property
    def billed_usd(self) -> Decimal | None:
        """The amount on the bill; None = it is in another currency."""
        return self.billed_cost if self.currency in ("", "USD") else None

    @property
    def usd_difference(self) -> Decimal | None:
        """Our amount less the bill's; None = the bill is in another currency."""
        return None if self.billed_usd is None else self.our_usd - self.billed_usd

    @property
    def usd_differs(self) -> bool:
        """Whether the amounts differ by more than rounding explains."""
        return self.usd_difference is not None and abs(self.usd_difference) > self.usd_tolerance


@dataclass(frozen=True)
class Reconciliation:
    """The comparison of a bill with our figures.

    Attributes:
        export: The export.
        lines: The lines of both sides, by period, account, region, component, instance type and
            purchase.
        rates: The effective price of an hour or GB-month on the bill, ready to be imported.
        net: The rates that add up to the net amounts of the bill, ready to be kept.
        not_billed: Accounts with usage in the database and without any line of training in the
            export; they are not compared.
        missing_months: Months with usage in the database, of which the export has only other
            lines; they are not compared.
    """

    export: Export
    lines: tuple[Line, ...]
    rates: tuple[Price, ...]
    net: NetRates
    not_billed: tuple[str, ...]
    missing_months: tuple[date, ...]

    @property
    def differences(self) -> list[Line]:
        """The lines whose quantities differ."""
        return [line for line in self.lines if line.differs]

    @property
    def usd_differences(self) -> list[Line]:
        """The lines whose amounts differ, whether or not the quantities differ."""
        return [line for line in self.lines if line.usd_differs]


def reconcile(connection: Connection, path: Path, *, with_credits: bool = False) -> Reconciliation:
    """Compare a bill export with the database, over the months of the export.

    Args:
        connection: A connection to the database, which is only read.
        path: A bill export: a file, or a folder with its parts and versions.
        with_credits: Whether credits reduce the net rates.

    Raises:
        UsageError: The file cannot be read, or is not such an export.
    """
    with in_memory() as workspace:
        export = read_export(workspace, path)
        load_ours(connection, workspace, export)
        workspace.execute(_RESOLVE)
        not_billed = _drop_accounts_without_a_bill(workspace, export)
        for name, query in _STEPS.items():
            workspace.execute(
                f"CREATE TABLE {name} AS {query}",
                {"resources": export.resources} if name == "named_keys" else {},
            )
        rows = _rows(workspace, f"SELECT * FROM compared ORDER BY {_BY}")  # noqa: S608 - our names
        suspects = _rows(workspace, _SUSPECTED)
        unknown = {row["training_job_arn"] for row in suspects if row["ours"] is None}
        jobs = _jobs(suspects, stored_jobs(connection, unknown))
        counts = {_key(row): row["job_count"] for row in suspects}
        return Reconciliation(
            export=export,
            lines=tuple(
                Line(
                    **row,
                    unit=UNITS[row["component"]],
                    job_count=counts.get(_key(row), 0),
                    jobs=jobs.get(_key(row), ()),
                )
                for row in rows
            ),
            rates=tuple(effective_rates(workspace, path.name)),
            net=net_rates(workspace, with_credits=with_credits),
            not_billed=not_billed,
            missing_months=months_with_usage(connection, export.other_months),
        )


def _drop_accounts_without_a_bill(
    workspace: duckdb.DuckDBPyConnection, export: Export
) -> tuple[str, ...]:
    """Delete the rows of `ours` whose account is not in the export, and return the accounts."""
    if not export.accounts:  # the export has no line of training: all is missing
        return ()
    billed = {"accounts": list(export.accounts)}
    missing = "NOT list_contains($accounts, account_id)"
    found = workspace.execute(
        f"SELECT DISTINCT account_id FROM ours WHERE {missing} AND quantity > 0 ORDER BY ALL",  # noqa: S608 - our text
        billed,
    ).fetchall()
    workspace.execute(f"DELETE FROM ours WHERE {missing}", billed)  # noqa: S608 - our text
    return tuple(account for (account,) in found)


_KEYS: Final = ("period", "account_id", "region", "component", "instance_type", "purchase")
_BY: Final = ", ".join(_KEYS)

#: Some producers write the name of the job, or cut its ARN off. If one job of ours fits, it is
#: meant; if several fit, the line names no job. All ARNs that are cut off have the same length.
_RESOLVE: Final = """
    CREATE OR REPLACE TABLE billed AS
    WITH own AS (
        SELECT DISTINCT account_id, region, lower(training_job_arn) AS arn FROM ours
    ),

    strange AS (
        -- A resource that is the ARN of none of our jobs.
        SELECT DISTINCT
            billed.account_id, billed.region, billed.resource,
            split_part(billed.resource, '/', -1) AS name
        FROM billed
        ANTI JOIN own ON billed.resource = own.arn
        WHERE billed.resource <> ''
    ),

    fitting AS (
        SELECT strange.account_id, strange.region, strange.resource, own.arn
        FROM strange
        INNER JOIN own
            ON
                strange.account_id = own.account_id
                AND strange.region = own.region
                AND strange.name = split_part(own.arn, '/', -1)
        WHERE NOT starts_with(strange.resource, 'arn:')
        UNION ALL
        SELECT strange.account_id, strange.region, strange.resource, own.arn
        FROM strange
        INNER JOIN own
            ON
                strange.account_id = own.account_id
                AND strange.region = own.region
                AND strange.resource = left(
                    own.arn, (SELECT max(length(resource)) FROM billed)
                )
        WHERE starts_with(strange.resource, 'arn:')
    ),

    meant AS (
        SELECT
            account_id, region, resource,
            CASE WHEN count(DISTINCT arn) = 1 THEN any_value(arn) ELSE '' END AS arn
        FROM fitting
        GROUP BY ALL
    )

    SELECT billed.* REPLACE (coalesce(meant.arn, billed.resource) AS resource)
    FROM billed
    LEFT JOIN meant USING (account_id, region, resource)
"""

#: The tables that lead from `billed` and `ours` to `compared`.
_STEPS: Final = {
    "named_keys": f"""
        -- What is compared job by job: the export names jobs, and no line of it lacks one.
        SELECT {_BY}
        FROM (SELECT {_BY}, resource FROM billed UNION ALL SELECT {_BY}, NULL FROM ours)
        WHERE $resources
        GROUP BY ALL
        HAVING count(*) FILTER (WHERE resource = '') = 0
    """,  # noqa: S608 - our own names
    "own_jobs": f"""
        -- A job, as we know it.
        SELECT
            {_BY}, lower(training_job_arn) AS resource,
            any_value(training_job_arn) AS training_job_arn,
            any_value(training_job_name) AS training_job_name,
            sum(quantity) AS quantity, max(one_second) AS one_second
        FROM ours
        GROUP BY ALL
    """,  # noqa: S608 - our own names
    "differing_jobs": f"""
        -- A job whose two quantities differ by more than rounding explains.
        WITH named AS (
            SELECT {_BY}, resource, sum(quantity) AS quantity, sum(rounding) AS rounding
            FROM billed SEMI JOIN named_keys USING ({_BY})
            GROUP BY ALL
        ),

        own AS (SELECT own_jobs.* FROM own_jobs SEMI JOIN named_keys USING ({_BY}))

        SELECT
            {_BY}, coalesce(own.training_job_arn, resource) AS training_job_arn,
            own.training_job_name, named.quantity AS billed, own.quantity AS ours,
            CASE
                WHEN own.quantity IS NULL THEN 'not in the database'
                WHEN named.quantity IS NULL THEN 'not on the bill'
                ELSE 'differs'
            END AS why,
            -abs(coalesce(own.quantity, 0) - coalesce(named.quantity, 0)) AS rank
        FROM named
        FULL JOIN own USING ({_BY}, resource)
        WHERE abs(coalesce(own.quantity, 0) - coalesce(named.quantity, 0)) > CASE
            WHEN own.quantity IS NULL OR named.quantity IS NULL THEN 0
            ELSE own.one_second + named.rounding
        END
    """,  # noqa: S608 - our own names
    "compared": f"""
        WITH bill AS (
            -- The bill, without the resource.
            SELECT
                {_BY}, sum(quantity) AS quantity, sum(cost) AS cost, sum(covered) AS covered,
                sum(rounding) AS rounding, sum(cost_rounding) AS cost_rounding,
                CASE WHEN count(DISTINCT currency) = 1 THEN min(currency) END AS currency
            FROM billed
            GROUP BY ALL
        ),

        own AS (
            -- Our figures, without the job.
            SELECT
                {_BY}, sum(quantity) AS quantity, sum(usd) AS usd,
                CAST(sum(unknown) AS BIGINT) AS unknown, sum(one_second) AS seconds,
                max(usd_per_unit) AS usd_per_unit
            FROM ours
            GROUP BY ALL
        )

        SELECT
            {_BY},
            (period, account_id, region, component, instance_type, purchase) IN (
                SELECT (month, account_id, region, component, instance_type, purchase)
                FROM coarse
            ) AS monthly,
            coalesce(bill.quantity, 0) AS billed,
            coalesce(own.quantity, 0) AS ours,
            CASE
                WHEN bill.quantity IS NULL THEN 'on the bill'
                WHEN own.quantity IS NULL THEN 'in the database'
                ELSE ''
            END AS missing,
            CAST(coalesce(bill.rounding, 0) + coalesce(own.seconds, 0) AS DECIMAL(38, 12))
                AS tolerance,
            coalesce(bill.covered, 0) AS covered,
            coalesce(bill.currency, '') AS currency,
            CASE
                WHEN bill.quantity IS NULL THEN 0 WHEN bill.currency IS NOT NULL THEN bill.cost
            END AS billed_cost,
            coalesce(own.usd, 0) AS our_usd,
            CAST(
                coalesce(bill.cost_rounding, 0)
                + (coalesce(bill.rounding, 0) + coalesce(own.seconds, 0))
                * coalesce(CAST(own.usd_per_unit AS DOUBLE), 0) AS DECIMAL(38, 12)
            ) AS usd_tolerance,
            coalesce(own.unknown, 0) AS unknown,
            EXISTS (
                FROM differing_jobs AS job
                WHERE job.period = coalesce(bill.period, own.period)
                    AND job.account_id = coalesce(bill.account_id, own.account_id)
                    AND job.region = coalesce(bill.region, own.region)
                    AND job.component = coalesce(bill.component, own.component)
                    AND job.instance_type = coalesce(bill.instance_type, own.instance_type)
                    AND job.purchase = coalesce(bill.purchase, own.purchase)
            ) AS jobs_differ
        FROM bill
        FULL JOIN own USING ({_BY})
    """,  # noqa: S608 - our own names
}


def _rows(workspace: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    result = workspace.execute(sql)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


#: The jobs of each line that differs. An export with resource ids names them. Otherwise they are
#: the jobs of that day and of the day before: the nearer a job's own quantity is to the difference,
#: the earlier it comes.
_SUSPECTED: Final = f"""
    WITH differing AS (
        -- A line that differs and that is not compared job by job.
        SELECT {_BY}, ours - billed AS difference
        FROM compared
        ANTI JOIN named_keys USING ({_BY})
        WHERE CASE
            WHEN missing = '' THEN abs(ours - billed) > compared.tolerance ELSE ours <> billed
        END
    ),

    candidates AS (
        SELECT
            differing.period, differing.account_id, differing.region, differing.component,
            differing.instance_type, differing.purchase, own.training_job_arn,
            any_value(own.training_job_name) AS training_job_name,
            NULL::DECIMAL(38, 12) AS billed,
            sum(own.quantity) FILTER (WHERE own.period = differing.period) AS ours,
            'of that day' AS why,
            abs(coalesce(
                sum(own.quantity) FILTER (WHERE own.period = differing.period), 0
            ) - any_value(differing.difference)) AS rank
        FROM differing
        INNER JOIN own_jobs AS own
            ON
                own.account_id = differing.account_id
                AND own.region = differing.region
                AND own.component = differing.component
                AND own.instance_type = differing.instance_type
                AND own.purchase = differing.purchase
                AND own.period BETWEEN differing.period - 1 AND differing.period
        GROUP BY ALL
    ),

    suspects AS (
        SELECT * FROM differing_jobs UNION ALL BY NAME SELECT * FROM candidates
    )

    SELECT
        {_BY}, training_job_arn, training_job_name, billed, ours, why,
        count(*) OVER (PARTITION BY {_BY}) AS job_count
    FROM suspects
    QUALIFY why <> 'of that day' OR row_number() OVER (
        PARTITION BY {_BY} ORDER BY rank, training_job_arn
    ) <= {CANDIDATES}
    ORDER BY {_BY}, rank, training_job_arn
"""  # noqa: S608 - our own names


def _jobs(
    suspects: list[dict[str, Any]], stored: dict[str, dict[str, str]]
) -> dict[tuple[Any, ...], tuple[Job, ...]]:
    """Return the jobs of each line that differs, by the key of the line.

    Args:
        suspects: The rows of `_SUSPECTED`.
        stored: The jobs among them that the database has, by the ARN in lower case.
    """
    found: dict[tuple[Any, ...], list[Job]] = {}
    for row in suspects:
        known = stored.get(row["training_job_arn"].lower())
        if known:  # the database has the job, but no usage of it in that period
            known = known | {"why": row["why"].replace("not in the database", "differs")}
        values = {name: value for name, value in row.items() if name not in _NOT_OF_A_JOB}
        found.setdefault(_key(row), []).append(Job(**(values | (known or {}))))
    return {key: tuple(jobs) for key, jobs in found.items()}


_NOT_OF_A_JOB: Final = (*_KEYS, "job_count")


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEYS)
