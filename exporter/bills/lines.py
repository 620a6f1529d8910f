"""Finds the lines of training among the lines of an export, and adds them up.

`exports` collects the lines of all files in the table `collected`. From it come the tables
`known_lines` (lines that name a component of training), `months`, `coarse` and `billed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from exporter.bills.classify import classify, purchase_of
from exporter.bills.regions import region_of
from exporter.errors import UsageError


def classify_lines(workspace: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the table `line_kinds`: what the lines with the same texts bill, and where.

    Args:
        workspace: The connection with the table `collected`.
        path: The export, for messages.

    Raises:
        UsageError: A line of training has a value of the wrong type. Other lines may hold anything.
    """
    workspace.execute("""
        CREATE TABLE line_kinds (
            texts VARCHAR[], unit VARCHAR, region VARCHAR, usage_type VARCHAR,
            component VARCHAR, instance_type VARCHAR, per_hour INTEGER, purchase VARCHAR,
            found_region VARCHAR
        )
    """)
    found = workspace.execute(
        "SELECT DISTINCT texts, unit, region, usage_type FROM collected WHERE texts IS NOT NULL"
    ).fetchall()
    kinds = [
        [texts, unit, region, usage, *kind, purchase_of(texts), region_of(region, usage, texts)]
        for texts, unit, region, usage in found
        if (kind := classify(texts, unit)) is not None
    ]
    if kinds:
        workspace.executemany("INSERT INTO line_kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", kinds)
    [(lines, example)] = workspace.execute(f"""
        SELECT count(*), min(wrong)
        FROM collected AS line
        SEMI JOIN line_kinds AS kind ON {OF_TRAINING}
        WHERE line.counts AND line.wrong IS NOT NULL
    """).fetchall()  # noqa: S608 - our text
    if lines:
        raise UsageError(f"{path} has a value of the wrong type in a line of training: {example}.")


def find_billed(workspace: duckdb.DuckDBPyConnection, months: Iterable[date]) -> None:
    """Create the tables from `known_lines` to `billed`.

    Args:
        workspace: The connection with the tables `collected` and `line_kinds`.
        months: The billing periods that the names of folders give.
    """
    for name, query in _STEPS.items():
        parameters = {"months": sorted(months)} if name == "months" else {}
        kind = "VIEW" if name in _VIEWS else "TABLE"
        workspace.execute(f"CREATE {kind} {name} AS {query}", parameters)


#: SQL: whether the line `line` of `collected` bills what `kind` of `line_kinds` says.
OF_TRAINING: Final = """
    line.texts = kind.texts AND line.unit IS NOT DISTINCT FROM kind.unit
    AND line.region = kind.region AND line.usage_type = kind.usage_type
"""

#: Steps that hold lines of another step: a table would be a copy of them.
_VIEWS: Final = frozenset({"unique_lines", "compared_lines"})
#: The tables that lead from `collected` to `billed`.
_STEPS: Final = {
    "known_lines": f"""
        -- A line that names a component of training: usage, or a discount or credit on it. Of lines
        -- with the same id, the one in the newest file.
        SELECT
            line.* EXCLUDE (texts, unit, usage_type, wrong, is_usage, is_sagemaker) REPLACE (
                -- Where the line has no region of its own, the ARN of its job says more than the
                -- prefix of the usage type, which may be a new one.
                CASE
                    WHEN line.region <> '' AND line.region = kind.found_region THEN line.region
                    WHEN regexp_matches(line.resource, '^arn:[^:]*:sagemaker:[^:]+:')
                        THEN split_part(line.resource, ':', 4)
                    ELSE kind.found_region
                END AS region,
                CASE
                    WHEN kind.per_hour = 1 THEN line.quantity
                    ELSE CAST(line.quantity::DOUBLE / kind.per_hour AS DECIMAL(38, 12))
                END AS quantity,
                coalesce(line.ended, line.started + INTERVAL 1 HOUR) AS ended,
                coalesce(line.account_id, '') AS account_id
            ),
            kind.component, kind.instance_type, kind.purchase
        FROM collected AS line
        INNER JOIN line_kinds AS kind ON {OF_TRAINING}
        QUALIFY line.line_id IS NULL OR row_number() OVER (
            PARTITION BY
                line.line_id, line.billing_month, line.started, line.account_id, line.resource,
                line.kind, kind.component, kind.instance_type
            ORDER BY line.rank DESC, line.quantity DESC
        ) = 1
    """,  # noqa: S608 - our text
    "unique_lines": "SELECT * FROM known_lines WHERE counts",
    "months": """
        -- The first day of a month that is compared: a billing period of lines of training. The
        -- months of usage count only for a file without billing periods.
        WITH own AS (
            SELECT
                CAST(date_trunc('month', started) AS DATE) AS used, billing_month,
                bool_and(billing_month IS NULL) OVER (PARTITION BY rank) AS has_no_periods
            FROM unique_lines
        ),

        known AS (
            SELECT billing_month AS month FROM own WHERE billing_month = used
            UNION
            SELECT used FROM own WHERE has_no_periods
            UNION
            SELECT unnest(CAST($months AS DATE[]))
        ),

        of_other_lines AS (
            SELECT DISTINCT coalesce(billing_month, usage_month) AS month
            FROM collected
            WHERE coalesce(billing_month, usage_month) IS NOT NULL
        )

        SELECT month FROM known
        UNION
        SELECT used FROM own WHERE NOT EXISTS (FROM known)
        UNION
        SELECT month FROM of_other_lines
        WHERE NOT EXISTS (FROM known) AND NOT EXISTS (FROM own)
    """,
    "compared_lines": """
        -- A line of training in a month that is compared.
        SELECT *, CAST(date_trunc('month', started) AS DATE) AS month
        FROM unique_lines
        WHERE date_trunc('month', started) IN (SELECT month FROM months)
    """,
    "coarse": """
        -- A month and what is compared in it as a whole, because a line is longer than a day.
        SELECT month, account_id, region, component, instance_type, purchase
        FROM compared_lines
        GROUP BY ALL
        HAVING max(ended - started) > INTERVAL 25 HOURS
    """,
    "billed": """
        WITH places AS (
            -- The number of decimal places that the export uses.
            SELECT
                greatest(
                    3, max(length(rtrim(split_part(CAST(quantity AS VARCHAR), '.', 2), '0')))
                ) AS quantity,
                greatest(
                    2, max(length(rtrim(split_part(CAST(cost AS VARCHAR), '.', 2), '0')))
                ) AS cost
            FROM compared_lines
        )

        SELECT
            CASE
                WHEN coarse.month IS NULL THEN CAST(line.started AS DATE) ELSE line.month
            END AS period,
            line.account_id, line.region, line.component, line.instance_type, line.purchase,
            line.currency, line.resource,
            sum(line.quantity) AS quantity, coalesce(sum(line.cost), 0) AS cost,
            CAST(sum(line.lines) AS BIGINT) AS lines,
            coalesce(sum(line.quantity) FILTER (WHERE line.is_covered), 0) AS covered,
            sum(line.lines) * 0.5 / pow(10, any_value(places.quantity)) AS rounding,
            sum(line.lines) * 0.5 / pow(10, any_value(places.cost)) AS cost_rounding
        FROM compared_lines AS line
        CROSS JOIN places
        LEFT JOIN coarse
            USING (month, account_id, region, component, instance_type, purchase)
        GROUP BY ALL
    """,
}
