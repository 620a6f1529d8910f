"""Reads our own figures from the database, in the form in which a bill is compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import duckdb

from exporter.bills.classify import ON_DEMAND, SPOT, TRAINING_PLAN
from exporter.bills.exports import Export
from exporter.store.batches import fetch
from exporter.store.connections import Connection

_DAYS: Final = f"""
    SELECT
        usage_date, daily_costs.account_id, daily_costs.region, component,
        CASE
            WHEN component LIKE '%storage' THEN '' ELSE daily_costs.instance_type
        END AS instance_type,
        CASE
            WHEN any_value(job.training_plan_arn) IS NOT NULL THEN '{TRAINING_PLAN}'
            WHEN any_value(detail.managed_spot) THEN '{SPOT}'
            ELSE '{ON_DEMAND}'
        END AS purchase,
        training_job_arn, any_value(daily_costs.training_job_name) AS training_job_name,
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
    -- A bill can give a job on a training plan a rate: its basis does not tell the plan.
    LEFT JOIN (
        SELECT training_job_arn, creation_time, training_plan_arn
        FROM training_jobs
        WHERE training_plan_arn IS NOT NULL
    ) AS job USING (training_job_arn, creation_time)
    WHERE usage_date >= $first AND usage_date < $end
    GROUP BY ALL
"""  # noqa: S608 - our own words

_OURS: Final = f"""
    WITH own AS (
        -- A day of a job in a compared month, told apart only as far as the bill does.
        SELECT
            own_days.purchase = '{TRAINING_PLAN}' AS on_plan,
            own_days.* REPLACE (
                CASE
                    WHEN $names_accounts THEN own_days.account_id ELSE ''
                END AS account_id,
                CASE
                    WHEN (own_days.component, own_days.purchase) IN (
                        SELECT (component, purchase) FROM billed
                    ) THEN own_days.purchase
                    ELSE '{ON_DEMAND}'
                END AS purchase
            ),
            CAST(date_trunc('month', usage_date) AS DATE) AS month
        FROM own_days
        SEMI JOIN months ON months.month = date_trunc('month', own_days.usage_date)
    )

    SELECT
        CASE WHEN coarse.month IS NULL THEN own.usage_date ELSE own.month END AS period,
        own.account_id, own.region, own.component, own.instance_type, own.purchase,
        own.training_job_arn, any_value(own.training_job_name) AS training_job_name,
        sum(own.quantity) AS quantity, sum(own.usd) AS usd,
        CAST(sum(own.unknown) AS BIGINT) AS unknown, bool_or(own.on_plan) AS on_plan,
        max(own.usd_per_unit) AS usd_per_unit, max(own.one_second) AS one_second
    FROM own
    LEFT JOIN coarse USING (month, account_id, region, component, instance_type, purchase)
    GROUP BY ALL
"""  # noqa: S608 - our own words


def load_ours(connection: Connection, workspace: duckdb.DuckDBPyConnection, export: Export) -> None:
    """Copy our figures into the table `ours` of a workspace, for the periods of an export.

    `ours` has one row per period, account, region, component, instance type (empty for storage),
    purchase and job: `quantity` in hours or GB-months, `usd`, and `unknown`, the number of rows
    without a quantity or an amount. `one_second` is the quantity of one second of the job.
    `on_plan` says whether a training plan pays for the job. The table `own_days` has the days.

    Args:
        connection: A connection to the database.
        workspace: The connection that `read_export` filled.
        export: The export that the figures will be compared with.
    """
    raw = connection.raw
    found = raw.sql(_DAYS, params={"first": export.since, "end": export.until})
    workspace.register("own_arrow", fetch(found))
    workspace.execute("CREATE TABLE own_days AS SELECT * FROM own_arrow")
    workspace.unregister("own_arrow")
    workspace.execute(f"CREATE TABLE ours AS {_OURS}", {"names_accounts": export.accounts != ("",)})


def months_with_usage(connection: Connection, months: Sequence[date]) -> tuple[date, ...]:
    """Return those of these months in which a job of the database has usage."""
    if not months:
        return ()
    result = connection.execute(
        "SELECT DISTINCT CAST(date_trunc('month', usage_date) AS DATE) FROM daily_costs"
    )
    used = {month for (month,) in result}
    return tuple(month for month in months if month in used)


def stored_jobs(connection: Connection, arns: set[str]) -> dict[str, dict[str, str]]:
    """Return ARN and name of these jobs if the database has them, by the ARN in lower case."""
    if not arns:
        return {}
    result = connection.execute(
        """
            SELECT training_job_arn, any_value(training_job_name) AS training_job_name
            FROM training_jobs
            WHERE lower(training_job_arn) IN (SELECT unnest(string_split(:arns, ' ')))
            GROUP BY training_job_arn
        """,
        {"arns": " ".join(arn.lower() for arn in arns)},
    )
    return {row["training_job_arn"].lower(): dict(row) for row in result.mappings()}
