"""Reads our own figures from the database, in the form in which a bill is compared with them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import duckdb
from sqlalchemy import Connection, text

from exporter.reconcile.exports import Export
from exporter.store.batches import fetch


def load_ours(connection: Connection, workspace: duckdb.DuckDBPyConnection, export: Export) -> None:
    """Copy our figures into the table `ours` of a workspace, summed to the periods of an export.

    `ours` has one row per day (or month), account, region, component, instance type (empty for
    storage) and job: `quantity` in hours or GB-months, `usd`, and `unknown`, the number of rows
    without a quantity or an amount. `one_second` is the quantity of one second of the job.

    Args:
        connection: A connection to the database.
        workspace: An in-memory connection.
        export: The export that the figures will be compared with.
    """
    raw: Any = connection.connection.driver_connection
    period = "date_trunc('month', usage_date)" if export.monthly else "usage_date"
    first, end = _days(export)
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
        WHERE usage_date >= $first AND usage_date < $end
        GROUP BY ALL
        """,  # noqa: S608 - one of our two periods
        params={"first": first, "end": end},
    )
    workspace.register("ours_arrow", fetch(found))
    workspace.execute("CREATE TABLE ours AS SELECT * FROM ours_arrow")
    workspace.unregister("ours_arrow")


def _days(export: Export) -> tuple[date, date]:
    """Return the first day to compare and the day after the last, in whole months if monthly."""
    if not export.monthly:
        return export.since, export.until
    last_month = (export.until - timedelta(days=1)).replace(day=1)
    return export.since.replace(day=1), (last_month + timedelta(days=32)).replace(day=1)


def stored_jobs(connection: Connection, arns: set[str]) -> dict[str, dict[str, str]]:
    """Return ARN and name of these jobs if the database has them, by the ARN in lower case."""
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
