"""The formats of bill exports, and the SQL that brings their lines into one form. Pure.

Sources: the column dictionaries of AWS Data Exports for COST_AND_USAGE_REPORT (CUR 2.0), FOCUS 1.0
and FOCUS 1.2 with AWS columns. An export holds the columns that its query selected, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exporter.errors import UsageError


@dataclass(frozen=True)
class Format:
    """The column names of one format, in lower case.

    If a field holds several names, the first column with a value counts.

    Attributes:
        name: The name of the format.
        required: Columns that an export must have.
        start, end: Time at which the usage of a line starts and ends.
        account, resource: Account and resource of the usage.
        region, quantity, unit, cost, currency: Further columns of a line.
        covered_cost: The cost of a line that a Savings Plan covers.
        is_covered: SQL: whether a Savings Plan covers a line; empty = `cost` is always right.
        texts: Columns whose texts classify a line.
        is_sagemaker: SQL: whether a line is SageMaker's.
        is_usage: SQL: whether a line is usage, and not a tax, credit, refund or fee.
    """

    name: str
    required: tuple[str, ...]
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
    covered_cost: str = ""
    is_covered: str = ""


CUR: Final = Format(
    name="CUR 2.0",
    required=(
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
    cost=("line_item_net_unblended_cost", "line_item_unblended_cost"),
    # A line that a Savings Plan covers shows the on-demand cost in the other columns.
    covered_cost="savings_plan_savings_plan_effective_cost",
    is_covered="line_item_line_item_type = 'SavingsPlanCoveredUsage'",
    texts=(
        "line_item_usage_type",
        "line_item_line_item_description",
        "product_instance_type",
        "product",  # a map of attributes: a MAP in Parquet, JSON in a CSV
    ),
    is_sagemaker="line_item_product_code = 'AmazonSageMaker'",
    # The other types are taxes, fees, credits, refunds and the negations of Savings Plans.
    is_usage=(
        "line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')"
    ),
    currency=("line_item_currency_code",),
)
FOCUS: Final = Format(
    name="FOCUS",
    required=(
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
#: Columns that the SQL above reads even if the export lacks them.
OPTIONAL: Final = ("x_servicecode", "commitmentdiscountstatus")


def format_of(name: str, columns: Sequence[str]) -> Format:
    """Return the format of an export with these columns.

    Args:
        name: The export, for messages.
        columns: Its column names in lower case.

    Raises:
        UsageError: The columns fit neither format.
    """
    for fmt in (CUR, FOCUS):
        missing = [column for column in fmt.required if column not in columns]
        if not missing:
            return fmt
        if len(missing) < len(fmt.required) / 2:
            raise UsageError(
                f"{name} looks like {fmt.name}, but lacks the column {', '.join(missing)}.",
                "Export it again with these columns.",
            )
    raise UsageError(
        f"{name} is neither a CUR 2.0 nor a FOCUS export.",
        "Create one with AWS Data Exports. The legacy CUR has other columns.",
    )


def line_sql(fmt: Format, columns: Sequence[str]) -> str:
    """Return the query that brings `raw_lines` into the form of `bill_lines`."""

    def first(names: Sequence[str], default: str = "NULL") -> str:
        """Return SQL for the first of these columns that exists and is not empty."""
        found = [f"nullif(CAST({name} AS VARCHAR), '')" for name in names if name in columns]
        return f"coalesce({', '.join([*found, default])})"

    cost = first(fmt.cost)
    if fmt.is_covered:
        covered = first((fmt.covered_cost, *fmt.cost))
        cost = f"CASE WHEN {fmt.is_covered} THEN {covered} ELSE {cost} END"
    texts = ", ".join(f"CAST({name} AS VARCHAR)" for name in fmt.texts if name in columns)
    start = _timestamp(fmt.start)
    return f"""
        SELECT
            {start} AS started,
            coalesce({_timestamp(first((fmt.end,)))}, {start} + INTERVAL 1 HOUR) AS ended,
            lpad(CAST({fmt.account} AS VARCHAR), 12, '0') AS account_id,
            {first(fmt.region, "''")} AS region,
            {first((fmt.resource,), "''")} AS resource,
            {first(fmt.unit)} AS unit,
            {_decimal(first(fmt.quantity))} AS quantity,
            {_decimal(cost)} AS usd,
            {first(fmt.currency, "'USD'")} AS currency,
            [{texts}] AS texts,
            ({fmt.is_sagemaker}) AND ({fmt.is_usage}) AS counts
        FROM raw_lines
    """  # noqa: S608 - our own column names


def _timestamp(expression: str) -> str:
    """Return SQL for a TIMESTAMP in UTC; a CSV has 2023-12-01T00:00:00.000Z, or a space for T."""
    text = f"CAST({expression} AS VARCHAR)"
    return f"CAST(replace(rtrim({text}, 'Z'), 'T', ' ')[:19] AS TIMESTAMP)"


def _decimal(expression: str) -> str:
    """Return SQL for the exact DECIMAL of a text; DuckDB writes a DOUBLE as its shortest text."""
    return f"CAST({expression} AS DECIMAL(38, 12))"
