"""Computes what each job really cost by a bill: rates that add up to its net amounts.

Each account, region, component, instance type and day has one rate: its net amount divided by its
hours or GB-months. Jobs of one day can pay different rates: spot, covered by a Savings Plan, on
demand. A job whose own amount the rate of the day does not give has a rate of its own. The amounts
are those of the bill's columns, less the discounts that stand in lines of their own and, on
request, less the credits.

The SQL reads the tables `billed`, `ours`, `own_days`, `named_keys` and `known_lines` of the
workspace of `reconcile`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import duckdb

from exporter.bills.classify import TRAINING_PLAN
from exporter.prices.rows import LIMIT, UNITS
from exporter.store.batches import Batch, fetch

#: Less money than this is rounding.
_CENT: Final = Decimal("0.01")
#: A job whose amount the rate of its day gives within this has no rate of its own.
_SAME: Final = Decimal("0.00000001")


@dataclass(frozen=True)
class Unexplained:
    """Money of the bill or of the database that the rates do not match.

    Attributes:
        period: The UTC day, or the first day of the month.
        account_id, region, component, instance_type: What it paid for.
        training_job_arn: The job; empty = the bill does not name it.
        currency: The currency of the amounts.
        billed: The net amount on the bill; 0 = the bill has no such line.
        explained: What our jobs cost at the rates; 0 = we have no such job.
    """

    period: date
    account_id: str
    region: str
    component: str
    instance_type: str
    training_job_arn: str
    currency: str
    billed: Decimal
    explained: Decimal


@dataclass(frozen=True)
class Amount:
    """The amounts of one currency.

    Attributes:
        currency: USD, CNY or EUR.
        billed: The net amount of the bill's training lines.
        explained: What our jobs cost at the rates.
    """

    currency: str
    billed: Decimal
    explained: Decimal


@dataclass(frozen=True)
class NetRates:
    """The net rates of a bill.

    Attributes:
        prices: Rows of the table `prices` without source, end and import.
        days: The number of rates of an account, region, component, type and day.
        jobs: The number of rates of a single job.
        shared_reductions: The number of discounts and credits that name no job, so that all lines
            of their day (or month) share them in proportion to their amounts.
        amounts: What the bill charged and the jobs explain, by currency.
        unexplained: Where the two differ, most money first.
    """

    prices: Batch
    days: int
    jobs: int
    shared_reductions: int
    amounts: tuple[Amount, ...]
    unexplained: tuple[Unexplained, ...]


def net_rates(workspace: duckdb.DuckDBPyConnection, *, with_credits: bool) -> NetRates:
    """Return the net rates of the bill in the workspace.

    Args:
        workspace: The connection of `reconcile`, after its comparison.
        with_credits: Whether credits reduce the amounts.
    """
    for name, query in _STEPS.items():
        parameters = {"with_credits": with_credits} if name == "reductions" else {}
        workspace.execute(f"CREATE TABLE {name} AS {query}", parameters)
    [counts] = workspace.execute("""
        SELECT
            count(*) FILTER (WHERE training_job_arn = ''),
            count(*) FILTER (WHERE training_job_arn <> ''),
            (SELECT coalesce(sum(lines), 0) FROM reductions WHERE resource = '')
        FROM kept_prices
    """).fetchall()
    days, jobs, shared = map(int, counts)
    amounts = workspace.execute("""
        SELECT
            currency, sum(billed), coalesce(sum(explained) FILTER (WHERE billed <> 0), 0)
        FROM balance
        GROUP BY currency
        HAVING sum(billed) <> 0
        ORDER BY currency
    """).fetchall()
    unexplained = workspace.execute(f"""
        SELECT * FROM balance
        WHERE abs(billed - explained) >= {_CENT}
        ORDER BY abs(billed - explained) DESC, {_GROUP}, training_job_arn, currency
    """).fetchall()  # noqa: S608 - our number
    return NetRates(
        fetch(workspace.sql("SELECT * FROM kept_prices ORDER BY ALL")),
        days,
        jobs,
        shared,
        tuple(Amount(*row) for row in amounts),
        tuple(Unexplained(*row) for row in unexplained),
    )


def _unit(component: str) -> str:
    """Return SQL for the unit of a component, given as SQL."""
    cases = " ".join(f"WHEN '{name}' THEN '{unit}'" for name, unit in UNITS.items())
    return f"CASE {component} {cases} END"


def _same_group(one: str, other: str) -> str:
    """Return SQL: whether two tables are about the same account, region, component and type."""
    names = ("account_id", "region", "component", "instance_type")
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in names)


_GROUP: Final = "period, account_id, region, component, instance_type"
_KEY: Final = f"{_GROUP}, purchase"

_STEPS: Final = {
    "reductions": """
        -- Discounts and credits of the same month, account, item and job, or day. If the amounts of
        -- usage are net, they contain the discounts, and a discount counts by its own net amount.
        SELECT row_number() OVER () AS reduction, line.*
        FROM (
            SELECT
                CAST(date_trunc('month', started) AS DATE) AS month,
                CASE WHEN ended - started <= INTERVAL 25 HOURS THEN CAST(started AS DATE) END
                    AS day,
                account_id, region, component, instance_type, currency, resource,
                sum(cost) AS cost, sum(lines) AS lines
            FROM known_lines
            WHERE
                date_trunc('month', started) IN (SELECT month FROM months)
                AND CASE
                    WHEN reduces = 'credit' THEN $with_credits
                    WHEN reduces = 'discount' THEN is_net OR NOT EXISTS (
                        FROM known_lines WHERE counts AND is_net
                    )
                    ELSE FALSE
                END
            GROUP BY ALL
        ) AS line
        WHERE line.cost <> 0
    """,
    "charges": f"""
        -- What the bill charges for, by resource where all its lines name one, else without.
        SELECT
            {_KEY}, currency,
            CASE WHEN named_keys.period IS NULL THEN '' ELSE billed.resource END AS resource,
            CAST(date_trunc('month', period) AS DATE) AS month,
            (period, account_id, region, component, instance_type, purchase) IN (
                SELECT (month, account_id, region, component, instance_type, purchase)
                FROM coarse
            ) AS is_month,
            sum(quantity) AS quantity, sum(cost) AS cost, sum(rounding) AS rounding
        FROM billed
        LEFT JOIN named_keys USING ({_KEY})
        GROUP BY ALL
    """,  # noqa: S608 - our own names
    "shares": f"""
        -- The part of a reduction that belongs to a charge: of its job, else in proportion.
        WITH pairs AS (
            SELECT
                {_KEY}, currency, charges.resource, reductions.reduction,
                reductions.cost::DOUBLE AS reduced, charges.cost::DOUBLE AS charged
            FROM reductions
            INNER JOIN charges
                USING (month, account_id, region, component, instance_type, currency)
            WHERE
                (reductions.day IS NULL OR reductions.day = period OR is_month)
                AND (reductions.resource IN ('', charges.resource) OR charges.resource = '')
        )

        SELECT
            * EXCLUDE (reduced, charged),
            CAST(
                reduced * (charged / nullif(sum(charged) OVER (PARTITION BY reduction), 0))
                AS DECIMAL(38, 12)
            ) AS cost
        FROM pairs
    """,  # noqa: S608 - our own names
    "paid": f"""
        -- The same charges with their net amounts.
        SELECT charges.* REPLACE (
            charges.cost + coalesce(share.cost, 0) AS cost
        )
        FROM charges
        LEFT JOIN (
            SELECT {_KEY}, currency, resource, sum(cost) AS cost FROM shares GROUP BY ALL
        ) AS share USING ({_KEY}, currency, resource)
    """,  # noqa: S608 - our own names
    "own": f"""
        -- Our jobs, with the resource by which the bill can name them. A bill that tells neither
        -- the job nor the plan charges nothing for the hours of jobs on a training plan.
        SELECT
            ours.*,
            on_plan AND named_keys.period IS NULL AND purchase <> '{TRAINING_PLAN}'
                AND component NOT LIKE '%storage' AS is_free,
            CASE
                WHEN named_keys.period IS NULL THEN '' ELSE lower(ours.training_job_arn)
            END AS resource
        FROM ours
        LEFT JOIN named_keys USING ({_KEY})
    """,  # noqa: S608 - our own names
    "resource_rates": f"""
        -- What a unit of a charge cost. If the quantities agree, ours is the divisor: a bill rounds
        -- its own, and the costs must add up to its amount.
        WITH ours_by_resource AS (
            SELECT
                {_KEY}, resource, sum(one_second) AS one_second, sum(quantity) AS quantity,
                sum(quantity) FILTER (WHERE NOT is_free) AS paid_quantity
            FROM own
            GROUP BY ALL
        ),

        priced AS (
            SELECT
                {_KEY}, resource, paid.currency, paid.cost, paid.quantity,
                CASE
                    WHEN mine.paid_quantity > 0
                        AND least(
                            abs(mine.quantity - paid.quantity),
                            abs(mine.paid_quantity - paid.quantity)
                        ) <= mine.one_second + paid.rounding
                        AND count(*) OVER (PARTITION BY {_KEY}, resource) = 1
                        THEN mine.paid_quantity
                    ELSE paid.quantity
                END AS divisor
            FROM paid
            LEFT JOIN ours_by_resource AS mine USING ({_KEY}, resource)
        )

        -- A job that pays in two currencies on one day has no rate.
        SELECT
            {_KEY}, resource, any_value(currency) AS currency, sum(cost) AS cost,
            sum(divisor) AS quantity,
            CAST(greatest(sum(cost)::DOUBLE / sum(divisor)::DOUBLE, 0) AS DECIMAL(38, 12)) AS rate
        FROM priced
        GROUP BY {_KEY}, resource
        HAVING sum(divisor) > 0 AND count(DISTINCT currency) = 1
            AND sum(cost)::DOUBLE / sum(divisor)::DOUBLE < {LIMIT}
    """,  # noqa: S608 - our own names
    "coarse_groups": """
        -- What is billed by the month, in part or as a whole.
        SELECT DISTINCT month, account_id, region, component, instance_type FROM coarse
    """,
    "group_rates": f"""
        -- The rate of an account, region, component, type and day, or month. A training plan pays
        -- for its jobs by itself, so its hours have no rate.
        SELECT
            CASE
                WHEN coarse_groups.month IS NULL THEN period
                ELSE CAST(date_trunc('month', period) AS DATE)
            END AS period,
            resource_rates.account_id, resource_rates.region, resource_rates.component,
            resource_rates.instance_type, any_value(currency) AS currency,
            CAST(greatest(sum(cost)::DOUBLE / sum(quantity)::DOUBLE, 0) AS DECIMAL(38, 12)) AS rate
        FROM resource_rates
        LEFT JOIN coarse_groups
            ON date_trunc('month', resource_rates.period) = coarse_groups.month
            AND {_same_group("resource_rates", "coarse_groups")}
        WHERE purchase <> '{TRAINING_PLAN}' AND resource_rates.region <> ''
        GROUP BY ALL
        HAVING count(DISTINCT currency) = 1
    """,  # noqa: S608 - our own names
    "job_rates": f"""
        -- Our jobs with the rate that each pays.
        SELECT
            own.* EXCLUDE (resource),
            own.resource,
            group_rates.rate AS group_rate,
            CASE
                WHEN own.is_free THEN NULL
                WHEN own.on_plan
                    THEN CASE WHEN resource_rates.rate > 0 THEN resource_rates.rate END
                ELSE coalesce(resource_rates.rate, group_rates.rate)
            END AS rate,
            coalesce(resource_rates.currency, group_rates.currency, 'USD') AS currency
        FROM own
        LEFT JOIN resource_rates USING ({_KEY}, resource)
        LEFT JOIN coarse_groups
            ON date_trunc('month', own.period) = coarse_groups.month
            AND {_same_group("own", "coarse_groups")}
        LEFT JOIN group_rates
            ON coalesce(coarse_groups.month, own.period) = group_rates.period
            AND {_same_group("own", "group_rates")}
    """,  # noqa: S608 - our own names
    "kept_prices": f"""
        -- Prices: a rate for each day of a group, and those of jobs that pay another one.
        SELECT
            region, component, instance_type, rate AS usd_per_unit,
            {_unit("component")} AS unit,
            CAST(day AS DATE) AS effective_from, account_id, currency, '' AS training_job_arn
        FROM (
            SELECT
                group_rates.*,
                unnest(generate_series(
                    period,
                    CASE
                        WHEN coarse_groups.month IS NULL THEN group_rates.period
                        ELSE last_day(group_rates.period)
                    END,
                    INTERVAL 1 DAY
                )) AS day
            FROM group_rates
            LEFT JOIN coarse_groups
                ON group_rates.period = coarse_groups.month
                AND {_same_group("group_rates", "coarse_groups")}
        )
        UNION ALL
        SELECT
            job.region, job.component, job.instance_type, arg_max(job.rate, job.quantity),
            {_unit("job.component")},
            day.usage_date, day.account_id, arg_max(job.currency, job.quantity),
            job.training_job_arn
        FROM job_rates AS job
        INNER JOIN own_days AS day
            ON
                job.training_job_arn = day.training_job_arn
                AND job.region = day.region
                AND job.component = day.component
                AND job.instance_type = day.instance_type
                AND job.account_id IN ('', day.account_id)
                AND CASE
                    WHEN (
                        job.period, job.account_id, job.region, job.component, job.instance_type,
                        job.purchase
                    ) IN (
                        SELECT (month, account_id, region, component, instance_type, purchase)
                        FROM coarse
                    ) THEN date_trunc('month', day.usage_date) = job.period
                    ELSE day.usage_date = job.period
                END
        WHERE
            job.quantity > 0
            AND (
                job.on_plan
                OR abs(job.rate - coalesce(job.group_rate, -1)) * job.quantity >= {_SAME}
            )
            AND job.rate IS NOT NULL
        GROUP BY ALL
    """,  # noqa: S608 - our own names
    "balance": f"""
        -- What the bill charged and what our jobs cost at the rates, by job if the bill names it.
        WITH billed_side AS (
            SELECT {_GROUP}, resource, currency, sum(cost) AS billed
            FROM paid
            GROUP BY ALL
            UNION ALL
            -- What is left of a reduction that no charge takes.
            SELECT
                coalesce(day, month), account_id, region, component, instance_type, resource,
                currency, cost - coalesce(
                    (SELECT sum(shares.cost) FROM shares WHERE shares.reduction = r.reduction), 0
                )
            FROM reductions AS r
        ),

        our_side AS (
            SELECT
                {_GROUP}, resource, currency,
                sum(CASE
                    WHEN rate IS NULL THEN usd ELSE CAST(rate * quantity::DOUBLE AS DECIMAL(38, 12))
                END) AS explained,
                any_value(training_job_arn) AS arn
            FROM job_rates
            GROUP BY ALL
        )

        SELECT
            {_GROUP},
            CASE WHEN resource = '' THEN '' ELSE coalesce(any_value(arn), resource) END
                AS training_job_arn,
            currency, sum(billed) AS billed, sum(explained) AS explained
        FROM (
            SELECT *, CAST(0 AS DECIMAL(38, 12)) AS explained, NULL AS arn FROM billed_side
            UNION ALL BY NAME
            SELECT *, CAST(0 AS DECIMAL(38, 12)) AS billed FROM our_side
        )
        GROUP BY {_GROUP}, resource, currency
    """,  # noqa: S608 - our own names
}
