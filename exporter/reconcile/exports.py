"""Reads a bill export: CUR 2.0 or FOCUS, Parquet or CSV, into one form.

Sources: the column lists of AWS Data Exports for COST_AND_USAGE_REPORT (CUR 2.0), FOCUS 1.0 and
1.2 with AWS columns. An export holds the columns its query selected, in any order; what is needed
is checked, everything else is used where it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from exporter.errors import UsageError
from exporter.reconcile.classify import meaning


@dataclass(frozen=True)
class Export:
    """What was read.

    Attributes:
        kind: `CUR 2.0` or `FOCUS`.
        files: The files, sorted.
        since, until: First UTC day it speaks of, and the day after the last.
        monthly: Its lines are months, so that days cannot be compared.
        accounts: Accounts that have a line in it, of whatever service.
        resources: Some lines name the job.
        lines: Lines of training and warm pools.
        unclear: Lines of SageMaker that speak of training and could not be sorted.
    """

    kind: str
    files: tuple[str, ...]
    since: date
    until: date
    monthly: bool
    accounts: tuple[str, ...]
    resources: bool
    lines: int
    unclear: int


@dataclass(frozen=True)
class _Kind:
    """How one kind of export names things; texts and wishes may be missing."""

    name: str
    needed: tuple[str, ...]
    start: str
    end: str
    account: str
    region: tuple[str, ...]
    resource: str
    quantity: tuple[str, ...]
    unit: tuple[str, ...]
    cost: tuple[str, ...]
    texts: tuple[str, ...]
    is_sagemaker: str
    is_usage: str
    currency: tuple[str, ...]


_CUR: Final = _Kind(
    name="CUR 2.0",
    needed=(
        "line_item_usage_start_date",
        "line_item_usage_account_id",
        "line_item_product_code",
        "line_item_line_item_type",
        "line_item_usage_type",
        "line_item_usage_amount",
        "line_item_unblended_cost",
    ),
    start="line_item_usage_start_date",
    end="line_item_usage_end_date",
    account="line_item_usage_account_id",
    region=("product_region_code",),
    resource="line_item_resource_id",
    quantity=("line_item_usage_amount",),
    unit=("pricing_unit", "product_pricing_unit"),
    # Covered by a Savings Plan, the line itself shows the price on demand.
    cost=(
        "savings_plan_savings_plan_effective_cost",
        "line_item_net_unblended_cost",
        "line_item_unblended_cost",
    ),
    texts=("line_item_usage_type", "line_item_line_item_description", "product_instance_type"),
    is_sagemaker="line_item_product_code = 'AmazonSageMaker'",
    # Taxes, credits, refunds and the negations of Savings Plans have amounts of their own.
    is_usage=(
        "line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')"
    ),
    currency=("line_item_currency_code",),
)
_FOCUS: Final = _Kind(
    name="FOCUS",
    needed=(
        "chargeperiodstart",
        "subaccountid",
        "chargecategory",
        "servicename",
        "consumedquantity",
        "billedcost",
    ),
    start="chargeperiodstart",
    end="chargeperiodend",
    account="subaccountid",
    region=("regionid",),
    resource="resourceid",
    quantity=("consumedquantity", "pricingquantity"),
    unit=("consumedunit", "pricingunit"),
    cost=("effectivecost", "billedcost"),
    texts=("x_usagetype", "skumeter", "chargedescription", "skupricedetails"),
    is_sagemaker="(servicename LIKE '%SageMaker%' OR x_servicecode = 'AmazonSageMaker')",
    is_usage=(
        "chargecategory = 'Usage' AND coalesce(commitmentdiscountstatus, 'Used') <> 'Unused'"
    ),
    currency=("billingcurrency",),
)
_OPTIONAL: Final = ("x_servicecode", "commitmentdiscountstatus")
_SUFFIXES: Final = {".parquet": "parquet", ".csv": "csv", ".csv.gz": "csv"}


def read_export(workspace: duckdb.DuckDBPyConnection, path: Path) -> Export:
    """Read an export into the table `billed` of an in-memory workspace.

    `billed` has one row a day (or month), account, region, component, instance type (empty for
    storage) and resource: `quantity` in hours or GB-months, `usd`, how many `lines` they are, and
    what their rounding can have cost or added (`rounding`, `usd_rounding`): half a unit of the
    last place that the export uses anywhere, at the coarsest that of a printed bill.

    Args:
        workspace: A fresh in-memory connection.
        path: A file, or a folder that holds the parts of one export.

    Raises:
        UsageError: No such file, not an export of a known kind, or not in USD.
    """
    files = _files(path)
    try:
        _load(workspace, files)
    except duckdb.Error as error:
        raise UsageError(f"Cannot read {path}: {str(error).splitlines()[0]}") from error
    columns = [row[0] for row in workspace.execute("DESCRIBE raw_lines").fetchall()]
    kind = _kind(path, columns)
    for name in _OPTIONAL:
        if name not in columns:
            workspace.execute(f"ALTER TABLE raw_lines ADD COLUMN {name} VARCHAR")
    try:
        _normalise(workspace, kind, columns)
        found = _summary(workspace, kind, files)
    except duckdb.ConversionException as error:
        raise UsageError(
            f"{path} has a value that is not of its column's kind: {str(error).splitlines()[0]}"
        ) from error
    workspace.execute("DROP TABLE raw_lines")
    return found


def _files(path: Path) -> tuple[str, ...]:
    if path.is_dir():
        files = sorted(str(file) for file in path.rglob("*") if _format(file))
        if not files:
            raise UsageError(f"{path} holds no .parquet, .csv or .csv.gz file.")
        return tuple(files)
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    if not _format(path):
        raise UsageError(f"{path} is not named .parquet, .csv or .csv.gz.")
    return (str(path),)


def _format(path: Path) -> str | None:
    return next((_SUFFIXES[end] for end in _SUFFIXES if path.name.lower().endswith(end)), None)


def _load(workspace: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """The files as they are, as `raw_lines`: names in lower case, values of a CSV as texts."""
    formats = {_format(Path(file)) for file in files}
    if len(formats) > 1:
        raise UsageError("An export is Parquet or CSV, but the folder holds both.")
    reader = (
        "read_parquet(?, union_by_name = true)"
        if formats == {"parquet"}
        else "read_csv(?, all_varchar = true, header = true, union_by_name = true)"
    )
    names = [
        row[0]
        for row in workspace.execute(
            f"DESCRIBE SELECT * FROM {reader}",  # noqa: S608 - the reader is ours
            [list(files)],
        ).fetchall()
    ]
    wanted = {name.lower() for kind in (_CUR, _FOCUS) for name in _names(kind)} | {"product"}
    kept = [name for name in names if name.lower() in wanted]
    shown = ", ".join(f'"{name}" AS {name.lower()}' for name in kept) or "NULL AS nothing"
    workspace.execute(
        f"CREATE TABLE raw_lines AS SELECT {shown} FROM {reader}",  # noqa: S608 - names are wanted ones
        [list(files)],
    )


def _names(kind: _Kind) -> tuple[str, ...]:
    single = (kind.start, kind.end, kind.account, kind.resource)
    several = kind.region + kind.quantity + kind.unit + kind.cost + kind.texts + kind.currency
    return (*kind.needed, *single, *several, *_OPTIONAL)


def _kind(path: Path, columns: Sequence[str]) -> _Kind:
    for kind in (_CUR, _FOCUS):
        missing = [name for name in kind.needed if name not in columns]
        if not missing:
            return kind
        if len(missing) < len(kind.needed) / 2:
            raise UsageError(
                f"{path} looks like {kind.name}, but has no column {', '.join(missing)}.",
                "Export it again with these columns.",
            )
    raise UsageError(
        f"{path} is neither a CUR 2.0 nor a FOCUS export.",
        "Make one with AWS Data Exports (the legacy CUR has other columns).",
    )


def _first(columns: Sequence[str], names: Sequence[str], default: str = "NULL") -> str:
    """SQL for the first of these columns that is there and not empty."""
    there = [f"nullif(CAST({name} AS VARCHAR), '')" for name in names if name in columns]
    return f"coalesce({', '.join([*there, default])})"


def _normalise(workspace: duckdb.DuckDBPyConnection, kind: _Kind, columns: Sequence[str]) -> None:
    attributes = (
        # CUR 2.0's map of product attributes: a MAP in Parquet, JSON in CSV.
        ["CAST(product AS VARCHAR)"] if "product" in columns and kind is _CUR else []
    )
    texts = [f"CAST({name} AS VARCHAR)" for name in kind.texts if name in columns] + attributes
    cost = _first(columns, kind.cost)
    if kind is _CUR:
        # The effective cost is empty, or 0, for lines that no Savings Plan covers.
        cost = (
            "CASE WHEN line_item_line_item_type = 'SavingsPlanCoveredUsage' "
            f"THEN {cost} ELSE {_first(columns, kind.cost[1:])} END"
        )
    ends = _first(columns, (kind.end,))
    workspace.execute(f"""
        CREATE TABLE bill_lines AS
        SELECT
            {_moment(kind.start)} AS started,
            coalesce({_moment(ends)}, {_moment(kind.start)} + INTERVAL 1 HOUR) AS ended,
            lpad(CAST({kind.account} AS VARCHAR), 12, '0') AS account_id,
            {_first(columns, kind.region, "''")} AS region,
            {_first(columns, (kind.resource,), "''")} AS resource,
            {_first(columns, kind.unit)} AS unit,
            {_exact(_first(columns, kind.quantity))} AS quantity,
            {_exact(cost)} AS usd,
            {_first(columns, kind.currency, "'USD'")} AS currency,
            [{", ".join(texts)}] AS texts,
            ({kind.is_sagemaker}) AND ({kind.is_usage}) AS counts
        FROM raw_lines
    """)  # noqa: S608 - column names of ours
    known = workspace.execute("SELECT DISTINCT texts, unit FROM bill_lines WHERE counts").fetchall()
    sorted_out = [(texts, unit, meaning(texts, unit)) for texts, unit in known]
    workspace.execute(
        "CREATE TABLE said (texts VARCHAR[], unit VARCHAR, component VARCHAR, "
        "instance_type VARCHAR)"
    )
    rows: list[list[Any]] = [
        [texts, unit, found.component, found.instance_type]
        for texts, unit, found in sorted_out
        if found
    ]
    if rows:
        workspace.executemany("INSERT INTO said VALUES (?, ?, ?, ?)", rows)
    workspace.execute("""
        CREATE TABLE billed AS
        WITH places AS (
            SELECT
                greatest(
                    3, max(length(rtrim(split_part(CAST(quantity AS VARCHAR), '.', 2), '0')))
                ) AS quantity,
                greatest(2, max(length(rtrim(split_part(CAST(usd AS VARCHAR), '.', 2), '0'))))
                    AS usd
            FROM bill_lines
            WHERE counts
        )
        SELECT
            CASE
                WHEN (SELECT max(ended - started) > INTERVAL 25 HOURS FROM bill_lines)
                    THEN CAST(date_trunc('month', line.started) AS DATE)
                ELSE CAST(line.started AS DATE)
            END AS period,
            line.account_id, line.region, said.component, said.instance_type,
            lower(line.resource) AS resource,
            sum(line.quantity) AS quantity, sum(line.usd) AS usd, count(*) AS lines,
            count(*) * 0.5 / pow(10, any_value(places.quantity)) AS rounding,
            count(*) * 0.5 / pow(10, any_value(places.usd)) AS usd_rounding
        FROM bill_lines AS line
        CROSS JOIN places
        INNER JOIN said
            ON line.texts = said.texts AND line.unit IS NOT DISTINCT FROM said.unit
        WHERE line.counts AND line.quantity IS NOT NULL
        GROUP BY ALL
    """)


def _moment(expression: str) -> str:
    """A TIMESTAMP in UTC: Parquet has one, a CSV writes 2023-12-01T00:00:00.000Z or with blank."""
    text = f"CAST({expression} AS VARCHAR)"
    return f"CAST(replace(rtrim({text}, 'Z'), 'T', ' ')[:19] AS TIMESTAMP)"


def _exact(expression: str) -> str:
    """A DECIMAL of a text; a double has become the shortest text that means it."""
    return f"CAST({expression} AS DECIMAL(38, 12))"


def _summary(workspace: duckdb.DuckDBPyConnection, kind: _Kind, files: tuple[str, ...]) -> Export:
    row = workspace.execute("""
        SELECT
            CAST(min(started) AS DATE), CAST(max(ended - INTERVAL 1 MICROSECOND) AS DATE) + 1,
            max(ended - started) > INTERVAL 25 HOURS,
            list(DISTINCT account_id ORDER BY account_id),
            list(DISTINCT currency) FILTER (WHERE counts AND currency <> 'USD')
        FROM bill_lines
    """).fetchone()
    if row is None or row[0] is None:
        raise UsageError(f"{files[0]} holds no line.")
    since, until, monthly, accounts, currencies = row
    if currencies:
        raise UsageError(f"{files[0]} is in {', '.join(currencies)}: prices here are in USD.")
    counted = workspace.execute("""
        SELECT
            (SELECT coalesce(sum(lines), 0) FROM billed),
            (SELECT coalesce(bool_or(resource <> ''), FALSE) FROM billed),
            (
                SELECT count(*) FROM bill_lines AS line
                ANTI JOIN said
                    ON line.texts = said.texts AND line.unit IS NOT DISTINCT FROM said.unit
                WHERE line.counts AND len(list_filter(
                    line.texts, lambda text: regexp_matches(text, '[Tt]rain')
                )) > 0
            )
    """).fetchone()
    lines, resources, unclear = counted or (0, False, 0)
    return Export(
        kind=kind.name,
        files=files,
        since=since,
        until=until,
        monthly=monthly,
        accounts=tuple(accounts),
        resources=resources,
        lines=int(lines),
        unclear=unclear,
    )
