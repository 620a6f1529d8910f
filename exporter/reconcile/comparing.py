"""Compares a bill with our own figures: first hours and GB-months, then money.

`reconcile` reads both sides into the tables `billed` and `ours` of an in-memory workspace. The
comparison itself is SQL over these tables.

A difference counts if it exceeds what rounding explains. On the bill's side that is half a unit
of the last decimal place for each line; on ours one second for each job and instance, because
the service reports whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
from sqlalchemy import Connection

from exporter.prices.rows import UNITS, Price
from exporter.reconcile.exports import Export, read_export
from exporter.reconcile.ours import load_ours, stored_jobs
from exporter.reconcile.rates import effective_rates
from exporter.store.connections import in_memory

#: The largest number of jobs that a difference names.
SUSPECTS: Final = 5


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
    """The comparison of one day (or month), account, region, component and instance type.

    Attributes:
        period: The UTC day, or the first day of the month.
        account_id, region, component: What the line bills.
        instance_type: Empty for storage, which a bill does not split by type.
        unit: Hrs or GB-Mo.
        billed, ours: The quantities; 0 = one side has none.
        tolerance: The difference of the quantities that rounding explains.
        billed_usd, our_usd: The amounts; `our_usd` is the known part.
        usd_tolerance: The difference of the amounts that rounding explains.
        unknown: The number of our rows without a quantity or an amount.
        jobs: The jobs that explain a difference of the quantities.
    """

    period: date
    account_id: str
    region: str
    component: str
    instance_type: str
    unit: str
    billed: Decimal
    ours: Decimal
    tolerance: Decimal
    billed_usd: Decimal
    our_usd: Decimal
    usd_tolerance: Decimal
    unknown: int
    jobs: tuple[Job, ...]

    @property
    def differs(self) -> bool:
        """Whether the quantities differ by more than rounding explains."""
        return abs(self.ours - self.billed) > self.tolerance

    @property
    def usd_differs(self) -> bool:
        """Whether the amounts differ by more than rounding explains."""
        return abs(self.our_usd - self.billed_usd) > self.usd_tolerance


@dataclass(frozen=True)
class Reconciliation:
    """The comparison of a bill with our figures.

    Attributes:
        export: The export.
        lines: The lines of both sides, by period, account, region, component and instance type.
        rates: The effective price of an hour or GB-month on the bill, ready to be imported.
        not_billed: Accounts with jobs in the database and without any line in the export; they
            are not compared.
    """

    export: Export
    lines: tuple[Line, ...]
    rates: tuple[Price, ...]
    not_billed: tuple[str, ...]

    @property
    def differences(self) -> list[Line]:
        """The lines whose quantities differ."""
        return [line for line in self.lines if line.differs]

    @property
    def usd_differences(self) -> list[Line]:
        """The lines whose amounts differ, whether or not the quantities differ."""
        return [line for line in self.lines if line.usd_differs]


def reconcile(connection: Connection, path: Path) -> Reconciliation:
    """Compare a bill export with the database, over the days of the export.

    Args:
        connection: A connection to the database, which is only read.
        path: A CUR 2.0 or FOCUS export, Parquet or CSV: a file, or a folder with its parts.

    Raises:
        UsageError: The file cannot be read, is not such an export, or is not in USD.
    """
    with in_memory() as workspace:
        export = read_export(workspace, path)
        load_ours(connection, workspace, export)
        not_billed = _drop_accounts_without_a_bill(workspace, export)
        rows = _compare(workspace)
        suspects = _rows(workspace, _SUSPECTED)
        unknown = {row["training_job_arn"] for row in suspects if row["ours"] is None}
        jobs = _jobs(suspects, stored_jobs(connection, unknown))
        return Reconciliation(
            export=export,
            lines=tuple(
                Line(**row, unit=UNITS[row["component"]], jobs=jobs.get(_key(row), ()))
                for row in rows
            ),
            rates=tuple(effective_rates(workspace, path.name)),
            not_billed=not_billed,
        )


def _drop_accounts_without_a_bill(
    workspace: duckdb.DuckDBPyConnection, export: Export
) -> tuple[str, ...]:
    """Delete the rows of `ours` whose account is not in the export, and return the accounts."""
    billed = {"accounts": list(export.accounts)}
    missing = "NOT list_contains($accounts, account_id)"
    found = workspace.execute(
        f"SELECT DISTINCT account_id FROM ours WHERE {missing} ORDER BY ALL",  # noqa: S608 - our text
        billed,
    ).fetchall()
    workspace.execute(f"DELETE FROM ours WHERE {missing}", billed)  # noqa: S608 - our text
    return tuple(account for (account,) in found)


_KEYS: Final = ("period", "account_id", "region", "component", "instance_type")
_BY: Final = ", ".join(_KEYS)

_COMPARED: Final = f"""
    WITH bill AS (
        -- The bill, without the resource.
        SELECT
            {_BY}, sum(quantity) AS quantity, sum(usd) AS usd,
            sum(rounding) AS rounding, sum(usd_rounding) AS usd_rounding
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
        coalesce(bill.quantity, 0) AS billed,
        coalesce(own.quantity, 0) AS ours,
        CAST(coalesce(bill.rounding, 0) + coalesce(own.seconds, 0) AS DECIMAL(38, 12))
            AS tolerance,
        coalesce(bill.usd, 0) AS billed_usd,
        coalesce(own.usd, 0) AS our_usd,
        CAST(
            coalesce(bill.usd_rounding, 0)
            + (coalesce(bill.rounding, 0) + coalesce(own.seconds, 0))
            * coalesce(CAST(own.usd_per_unit AS DOUBLE), 0) AS DECIMAL(38, 12)
        ) AS usd_tolerance,
        coalesce(own.unknown, 0) AS unknown
    FROM bill
    FULL JOIN own USING ({_BY})
"""  # noqa: S608 - our own names


def _compare(workspace: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Create the table `compared`, and return its rows: one per line of either side."""
    workspace.execute(f"CREATE TABLE compared AS {_COMPARED}")
    return _rows(workspace, f"SELECT * FROM compared ORDER BY {_BY}")  # noqa: S608 - our names


def _rows(workspace: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    result = workspace.execute(sql)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


#: The jobs of each line that differs. An export with resource ids names them. Otherwise they are
#: the jobs of that day and of the day before: the nearer a job's own quantity is to the difference,
#: the earlier it comes.
_SUSPECTED: Final = f"""
    WITH differing AS (
        -- A line that differs.
        SELECT {_BY}, ours - billed AS difference
        FROM compared WHERE abs(ours - billed) > compared.tolerance
    ),

    named AS (
        -- A resource of such a line, as billed.
        SELECT {_BY}, resource, sum(quantity) AS quantity
        FROM billed SEMI JOIN differing USING ({_BY})
        WHERE resource <> '' GROUP BY ALL
    ),

    own AS (
        -- A job, as we know it.
        SELECT
            {_BY}, lower(training_job_arn) AS resource,
            any_value(training_job_arn) AS training_job_arn,
            any_value(training_job_name) AS training_job_name, sum(quantity) AS quantity
        FROM ours GROUP BY ALL
    ),

    by_name AS (
        -- A job whose two quantities differ by more than a second.
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
        FULL JOIN (
            SELECT own.* FROM own SEMI JOIN (SELECT DISTINCT {_BY} FROM named) USING ({_BY})
        ) AS own USING ({_BY}, resource)
        WHERE abs(coalesce(own.quantity, 0) - coalesce(named.quantity, 0)) > 1 / 3600.0
    ),

    by_day AS (
        -- A candidate, for a line without resources.
        SELECT
            differing.period, differing.account_id, differing.region, differing.component,
            differing.instance_type, own.training_job_arn,
            any_value(own.training_job_name) AS training_job_name,
            NULL::DECIMAL(38, 12) AS billed,
            sum(own.quantity) FILTER (WHERE own.period = differing.period) AS ours,
            'of that day' AS why,
            abs(coalesce(
                sum(own.quantity) FILTER (WHERE own.period = differing.period), 0
            ) - any_value(differing.difference)) AS rank
        FROM (SELECT * FROM differing ANTI JOIN named USING ({_BY})) AS differing
        INNER JOIN own
            ON
                own.account_id = differing.account_id
                AND own.region = differing.region
                AND own.component = differing.component
                AND own.instance_type = differing.instance_type
                AND own.period BETWEEN differing.period - 1 AND differing.period
        GROUP BY ALL
    )

    SELECT {_BY}, training_job_arn, training_job_name, billed, ours, why
    FROM (SELECT * FROM by_name UNION ALL BY NAME SELECT * FROM by_day)
    QUALIFY row_number() OVER (
        PARTITION BY {_BY} ORDER BY rank, training_job_arn
    ) <= {SUSPECTS}
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
    found: dict[tuple[Any, ...], tuple[Job, ...]] = {}
    for row in suspects:
        known = stored.get(row["training_job_arn"].lower())
        if known:  # the database has the job, but no usage of it in that period
            known = known | {"why": row["why"].replace("not in the database", "differs")}
        values = {name: value for name, value in row.items() if name not in _KEYS}
        found[_key(row)] = (*found.get(_key(row), ()), Job(**(values | (known or {}))))
    return found


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEYS)
