"""Sets a bill beside our own figures, hours and GB-months first, money second.

A difference counts when it is more than what rounding explains: half a unit of the last place to
which the export writes a figure, for each of its lines, and on our side one second for each job
and instance, since the service reports whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
from sqlalchemy import Connection, text

from exporter.prices.rows import UNITS, Price
from exporter.reconcile.exports import Export, read_export
from exporter.reconcile.rates import effective_rates
from exporter.store.batches import fetch
from exporter.store.connections import in_memory

#: Jobs named for a difference, at most.
SUSPECTS: Final = 5


@dataclass(frozen=True)
class Job:
    """A job that explains a difference, or may.

    Attributes:
        training_job_arn: As the database has it, else as the bill has it.
        training_job_name: None = not in the database.
        billed, ours: Hours or GB-months; None = not on the bill by name, or not known to us.
        why: `not in the database`, `not on the bill`, `differs`, or `of that day`: the export
            names no jobs, so these are the ones it can be, the likeliest first.
    """

    training_job_arn: str
    training_job_name: str | None
    billed: Decimal | None
    ours: Decimal | None
    why: str


@dataclass(frozen=True)
class Line:
    """One day (or month), account, region, component and instance type.

    Attributes:
        period: The UTC day, or the first of the month.
        instance_type: Empty for storage, which a bill does not split by type.
        unit: Hrs or GB-Mo.
        billed, ours: Quantities; 0 = the side has nothing there.
        tolerance: Difference of the quantities that rounding explains.
        billed_usd, our_usd: Money; `our_usd` is what is known of it.
        usd_tolerance: Difference of the money that rounding explains.
        unknown: Rows of ours whose quantity or money is not known.
        jobs: Jobs that explain a difference of the quantities.
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
        """Whether the money differs by more than rounding explains."""
        return abs(self.our_usd - self.billed_usd) > self.usd_tolerance


@dataclass(frozen=True)
class Reconciliation:
    """A bill beside our figures.

    Attributes:
        export: What was read.
        lines: Every line that either side has, by period, account, region, component and type.
        rates: What the bill really charged an hour or GB-month, to be imported if wanted.
        not_billed: Accounts of ours that have jobs in that time and no line in the export at all;
            they are not compared.
    """

    export: Export
    lines: tuple[Line, ...]
    rates: tuple[Price, ...]
    not_billed: tuple[str, ...]

    @property
    def differences(self) -> list[Line]:
        """Lines whose quantities differ."""
        return [line for line in self.lines if line.differs]

    @property
    def usd_differences(self) -> list[Line]:
        """Lines whose money differs, whether or not the quantities do."""
        return [line for line in self.lines if line.usd_differs]


def reconcile(connection: Connection, path: Path) -> Reconciliation:
    """Compare a bill export with the database, over the days that the export speaks of.

    Args:
        connection: The database; only read. The file is read apart from it, in memory.
        path: A CUR 2.0 or FOCUS export, Parquet or CSV: a file, or a folder with its parts.

    Raises:
        UsageError: The file cannot be read, is not such an export, or is not in USD.
    """
    with in_memory() as workspace:
        export = read_export(workspace, path)
        _bring_ours(connection, workspace, export)
        not_billed = workspace.execute(
            """
            SELECT DISTINCT account_id FROM ours
            WHERE NOT list_contains($accounts, account_id) ORDER BY ALL
        """,
            {"accounts": list(export.accounts)},
        ).fetchall()
        workspace.execute(
            "DELETE FROM ours WHERE NOT list_contains($accounts, account_id)",
            {"accounts": list(export.accounts)},
        )
        rows = _lines(workspace)
        suspects = _suspects(connection, workspace)
        lines = tuple(
            Line(
                **row,
                unit=UNITS[row["component"]],
                jobs=suspects.get(_key(row), ()),
            )
            for row in rows
        )
        return Reconciliation(
            export=export,
            lines=lines,
            rates=tuple(effective_rates(workspace, path.name)),
            not_billed=tuple(account for (account,) in not_billed),
        )


def _bring_ours(
    connection: Connection, workspace: duckdb.DuckDBPyConnection, export: Export
) -> None:
    """Our figures as the table `ours`, a row a job, summed to the periods of the export."""
    raw: Any = connection.connection.driver_connection
    period = "date_trunc('month', usage_date)" if export.monthly else "usage_date"
    found = raw.sql(
        f"""
        SELECT
            CAST({period} AS DATE) AS period, account_id, region, component,
            CASE
                WHEN component LIKE '%storage' THEN '' ELSE daily_costs.instance_type
            END AS instance_type,
            training_job_arn, any_value(training_job_name) AS training_job_name,
            coalesce(sum(coalesce(instance_hours, gb_months)), 0) AS quantity,
            coalesce(sum(cost_usd), 0) AS usd,
            count(*) FILTER (
                WHERE coalesce(instance_hours, gb_months) IS NULL OR cost_usd IS NULL
            ) AS unknown,
            max(usd_per_unit) AS usd_per_unit,
            any_value(
                coalesce(detail.instance_count, 1) * CASE
                    WHEN component LIKE '%storage'
                        THEN coalesce(detail.volume_size_gb, 1)
                            / (day(last_day(usage_date)) * 86400.0)
                    ELSE 1 / 3600.0
                END
            ) AS one_second
        FROM daily_costs
        LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
        WHERE usage_date >= $since AND usage_date < $until
        GROUP BY ALL
        """,  # noqa: S608 - a choice of ours
        params={"since": _first_day(export), "until": _day_after(export)},
    )
    workspace.register("ours_arrow", fetch(found))
    workspace.execute("CREATE TABLE ours AS SELECT * FROM ours_arrow")
    workspace.unregister("ours_arrow")


def _first_day(export: Export) -> date:
    return export.since.replace(day=1) if export.monthly else export.since


def _day_after(export: Export) -> date:
    if not export.monthly:
        return export.until
    return ((export.until - timedelta(days=1)).replace(day=1) + timedelta(days=32)).replace(day=1)


_KEYS: Final = ("period", "account_id", "region", "component", "instance_type")
_BY: Final = ", ".join(_KEYS)

_COMPARED: Final = f"""
    WITH bill AS (
        SELECT
            {_BY}, sum(quantity) AS quantity, sum(usd) AS usd,
            sum(rounding) AS rounding, sum(usd_rounding) AS usd_rounding
        FROM billed GROUP BY ALL
    ),
    own AS (
        SELECT
            {_BY}, sum(quantity) AS quantity, sum(usd) AS usd,
            CAST(sum(unknown) AS BIGINT) AS unknown, sum(one_second) AS seconds,
            max(usd_per_unit) AS usd_per_unit
        FROM ours GROUP BY ALL
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
"""  # noqa: S608 - names of ours


def _lines(workspace: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    workspace.execute(f"CREATE TABLE compared AS {_COMPARED}")
    result = workspace.execute(f"SELECT * FROM compared ORDER BY {_BY}")  # noqa: S608 - our names
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


#: Jobs of a line that differs, by name where the export names them. Where it does not, those of
#: that day and of the day before, of which something may be missing: first the one whose own
#: quantity is nearest to the difference.
_SUSPECTED: Final = f"""
    WITH differing AS (
        SELECT {_BY}, ours - billed AS difference
        FROM compared WHERE abs(ours - billed) > compared.tolerance
    ),
    named AS (
        SELECT {_BY}, resource, sum(quantity) AS quantity
        FROM billed SEMI JOIN differing USING ({_BY})
        WHERE resource <> '' GROUP BY ALL
    ),
    own AS (
        SELECT
            {_BY}, lower(training_job_arn) AS resource,
            any_value(training_job_arn) AS training_job_arn,
            any_value(training_job_name) AS training_job_name, sum(quantity) AS quantity
        FROM ours GROUP BY ALL
    ),
    by_name AS (
        SELECT
            {_BY}, coalesce(own.training_job_arn, resource) AS training_job_arn,
            own.training_job_name, named.quantity AS billed, own.quantity AS ours,
            CASE
                WHEN own.quantity IS NULL THEN 'not in the database'
                WHEN named.quantity IS NULL THEN 'not on the bill'
                ELSE 'differs'
            END AS why,
            -abs(coalesce(own.quantity, 0) - coalesce(named.quantity, 0)) AS likeliness
        FROM named
        FULL JOIN (
            SELECT own.* FROM own SEMI JOIN (SELECT DISTINCT {_BY} FROM named) USING ({_BY})
        ) AS own USING ({_BY}, resource)
        WHERE abs(coalesce(own.quantity, 0) - coalesce(named.quantity, 0)) > 1 / 3600.0
    ),
    by_day AS (
        SELECT
            differing.period, differing.account_id, differing.region, differing.component,
            differing.instance_type, own.training_job_arn,
            any_value(own.training_job_name) AS training_job_name,
            NULL::DECIMAL(38, 12) AS billed,
            sum(own.quantity) FILTER (WHERE own.period = differing.period) AS ours,
            'of that day' AS why,
            abs(coalesce(
                sum(own.quantity) FILTER (WHERE own.period = differing.period), 0
            ) - any_value(differing.difference)) AS likeliness
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
        PARTITION BY {_BY} ORDER BY likeliness, training_job_arn
    ) <= {SUSPECTS}
    ORDER BY {_BY}, likeliness, training_job_arn
"""  # noqa: S608 - names of ours


def _suspects(
    connection: Connection, workspace: duckdb.DuckDBPyConnection
) -> dict[tuple[Any, ...], tuple[Job, ...]]:
    """For each line that differs, the jobs that explain it."""
    result = workspace.execute(_SUSPECTED)
    names = [column[0] for column in result.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in result.fetchall()]
    known = _known(connection, {row["training_job_arn"] for row in rows if row["ours"] is None})
    found: dict[tuple[Any, ...], tuple[Job, ...]] = {}
    for row in rows:
        if stored := known.get(row["training_job_arn"].lower()):
            # We know the job, only nothing of it on that day.
            row |= stored | {"why": row["why"].replace("not in the database", "differs")}
        job = Job(**{name: row[name] for name in row if name not in _KEYS})
        found[_key(row)] = (*found.get(_key(row), ()), job)
    return found


def _known(connection: Connection, arns: set[str]) -> dict[str, dict[str, str]]:
    """ARN and name of those jobs that are in the database, by the ARN in lower case."""
    if not arns:
        return {}
    result = connection.execute(
        text("""
            SELECT training_job_arn, any_value(training_job_name) AS training_job_name
            FROM training_jobs
            WHERE lower(training_job_arn) IN (SELECT unnest(string_split(:arns, ' ')))
            GROUP BY training_job_arn
        """),
        {"arns": " ".join(arn.lower() for arn in arns)},
    )
    return {row["training_job_arn"].lower(): dict(row) for row in result.mappings()}


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEYS)
