"""The formats of bill exports, and the SQL that brings their lines into one form. Pure.

Sources: the column dictionaries of AWS Data Exports for COST_AND_USAGE_REPORT (CUR 2.0), of the
legacy Cost and Usage Report, of FOCUS 1.0 and FOCUS 1.2 with AWS columns, and CSV files of Cost
Explorer. An export holds the columns that its query selected, in any order.

One column has several spellings: `lineItem/UsageAmount` in a legacy report is
`line_item_usage_amount` in Athena and in CUR 2.0. This module therefore knows columns by their
letters and digits in lower case: `lineitemusageamount`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.errors import UsageError

_NOT_IN_NAME: Final = re.compile(r"[^a-z0-9]")
#: Texts that some producers write for a missing value.
_NULLS: Final = ("", "NULL", "null", r"\N", "None", "nan", "NaN", "N/A")


def canonical(name: str) -> str:
    """Return the letters and digits of a column's name in lower case."""
    return _NOT_IN_NAME.sub("", name.lower())


@dataclass(frozen=True)
class Format:
    """The columns of one format, by their canonical names.

    If a field holds several names, the first column with a value counts. In SQL, `{name}` stands
    for the text of a column, NULL if the export lacks the column.

    Attributes:
        name: The name of the format.
        required: Columns that an export must have, as it spells them; of several names one.
        billing_start: The start of the billing period.
        start, end: Time at which the usage of a line starts and ends.
        account, region, resource, quantity, unit, cost, currency, line_id, usage_type, service,
            commitment: Further columns of a line.
        covered_cost: The cost of a line that a Savings Plan covers.
        texts: SQL of the texts that classify a line.
        is_sagemaker: SQL: whether a line is SageMaker's.
        is_usage: SQL: whether a line is usage, and not a tax, credit, refund or fee.
        is_covered: SQL: whether a Savings Plan covers a line.
        kind: SQL: what a line is if it is not usage.
        is_discount, is_credit: SQL: whether a line reduces the amount of usage.
        net_cost: Columns with an amount that contains the discounts.
        unused: SQL: the part of a commitment that a line says was left unused.
        is_ml_plan: SQL: whether the commitment is a Savings Plan of SageMaker.
    """

    name: str
    required: tuple[tuple[str, ...], ...]
    start: tuple[str, ...]
    texts: tuple[str, ...]
    quantity: tuple[str, ...]
    cost: tuple[str, ...]
    usage_type: tuple[str, ...]
    is_sagemaker: str = "TRUE"
    is_usage: str = "TRUE"
    is_covered: str = "FALSE"
    kind: str = "'Usage'"
    is_discount: str = "FALSE"
    is_credit: str = "FALSE"
    unused: str = "NULL"
    is_ml_plan: str = "FALSE"
    end: tuple[str, ...] = ()
    billing_start: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    line_id: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    covered_cost: tuple[str, ...] = ()
    net_cost: tuple[str, ...] = ()
    commitment: tuple[str, ...] = ()


CUR: Final = Format(
    name="CUR 2.0",
    required=(
        ("line_item_usage_start_date",),
        ("line_item_usage_account_id", "bill_payer_account_id"),
        ("line_item_product_code",),
        ("line_item_line_item_type",),
        ("line_item_usage_type",),
        ("line_item_usage_amount",),
        ("line_item_unblended_cost", "line_item_net_unblended_cost"),
    ),
    billing_start=("billbillingperiodstartdate",),
    start=("lineitemusagestartdate",),
    end=("lineitemusageenddate",),
    account=("lineitemusageaccountid", "billpayeraccountid"),
    region=("productregioncode", "productregion"),
    resource=("lineitemresourceid",),
    quantity=("lineitemusageamount",),
    unit=("pricingunit", "productpricingunit"),
    cost=("lineitemnetunblendedcost", "lineitemunblendedcost"),
    # A line that a Savings Plan covers shows the on-demand cost in the other columns.
    covered_cost=(
        "savingsplannetsavingsplaneffectivecost",
        "savingsplansavingsplaneffectivecost",
    ),
    currency=("lineitemcurrencycode",),
    line_id=("identitylineitemid",),
    usage_type=("lineitemusagetype",),
    service=("lineitemproductcode",),
    commitment=("savingsplansavingsplanarn",),
    texts=(
        "{lineitemusagetype}",
        "{lineitemlineitemdescription}",
        "{productinstancetype}",
        "{productcomponent}",
        "{product}",  # a map of attributes: a MAP in Parquet, JSON in a CSV
        "{pricingpurchaseoption}",
    ),
    is_sagemaker="{lineitemproductcode} LIKE 'AmazonSageMaker%'",
    net_cost=("lineitemnetunblendedcost", "savingsplannetsavingsplaneffectivecost"),
    # The other types are taxes, fees, credits, refunds and the negations of Savings Plans.
    is_usage="{lineitemlineitemtype} IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')",
    is_covered="{lineitemlineitemtype} = 'SavingsPlanCoveredUsage'",
    # EdpDiscount, PrivateRateDiscount, BundledDiscount, RiVolumeDiscount, SppDiscount.
    is_discount="{lineitemlineitemtype} LIKE '%Discount'",
    is_credit="{lineitemlineitemtype} = 'Credit'",
    kind="{lineitemlineitemtype}",
    unused=(
        "CASE WHEN {lineitemlineitemtype} = 'SavingsPlanRecurringFee' THEN "
        "TRY_CAST({savingsplantotalcommitmenttodate} AS DECIMAL(38, 12)) "
        "- TRY_CAST({savingsplanusedcommitment} AS DECIMAL(38, 12)) END"
    ),
    is_ml_plan="{savingsplanofferingtype} ILIKE '%sagemaker%'",
)
FOCUS: Final = Format(
    name="FOCUS",
    required=(
        ("ChargePeriodStart",),
        ("SubAccountId", "BillingAccountId"),
        ("ChargeCategory",),
        ("ServiceName",),
        ("ConsumedQuantity", "PricingQuantity"),
        ("BilledCost", "EffectiveCost"),
    ),
    billing_start=("billingperiodstart",),
    start=("chargeperiodstart",),
    end=("chargeperiodend",),
    account=("subaccountid", "billingaccountid"),
    region=("regionid",),
    resource=("resourceid",),
    quantity=("consumedquantity", "pricingquantity"),
    unit=("consumedunit", "pricingunit"),
    cost=("effectivecost", "billedcost"),
    currency=("billingcurrency",),
    usage_type=("xusagetype",),
    service=("servicename",),
    commitment=("commitmentdiscountid",),
    texts=(
        "{xusagetype}",
        "{skumeter}",
        "{chargedescription}",
        "{skupricedetails}",
        # FOCUS: the price of a Dynamic charge varies with the market, as for spot instances.
        "CASE WHEN {pricingcategory} = 'Dynamic' THEN 'Spot' END",
    ),
    is_sagemaker="({servicename} LIKE '%SageMaker%' OR {xservicecode} = 'AmazonSageMaker')",
    # A correction changes a bill of an earlier period.
    is_usage=(
        "{chargecategory} = 'Usage' AND coalesce({chargeclass}, '') <> 'Correction' "
        "AND coalesce({commitmentdiscountstatus}, 'Used') <> 'Unused'"
    ),
    is_covered="{commitmentdiscountstatus} = 'Used'",
    is_credit="{chargecategory} = 'Credit' AND coalesce({chargeclass}, '') <> 'Correction'",
    kind=(
        "CASE WHEN {chargeclass} = 'Correction' THEN 'Correction' "
        "WHEN {commitmentdiscountstatus} = 'Unused' THEN 'Unused commitment' "
        "ELSE {chargecategory} END"
    ),
    unused=(
        "CASE WHEN {commitmentdiscountstatus} = 'Unused' THEN "
        "TRY_CAST({effectivecost} AS DECIMAL(38, 12)) END"
    ),
    is_ml_plan=(
        "(concat_ws(' ', {commitmentdiscounttype}, {commitmentdiscountname}, {servicename}, "
        "{chargedescription}) ILIKE '%sagemaker%')"
    ),
)
#: One row for each day and usage type; it knows neither jobs nor accounts.
COST_EXPLORER: Final = Format(
    name="Cost Explorer",
    required=(
        ("date", "day", "start", "startdate", "usagedate"),
        ("usagetype",),
        ("usagequantity", "quantity", "usage", "hours"),
        ("cost", "costs", "unblendedcost", "netunblendedcost", "amortizedcost"),
    ),
    start=("date", "day", "start", "startdate", "usagedate"),
    end=("end", "enddate"),
    account=("linkedaccount", "accountid"),
    region=("region",),
    quantity=("usagequantity", "quantity", "usage", "hours"),
    unit=("unit", "usageunit"),
    cost=(
        "netamortizedcost",
        "amortizedcost",
        "netunblendedcost",
        "unblendedcost",
        "cost",
        "costs",
    ),
    currency=("currency",),
    usage_type=("usagetype",),
    texts=("{usagetype}",),
)
FORMATS: Final = (CUR, FOCUS, COST_EXPLORER)


def format_of(name: str, columns: Iterable[str]) -> Format:
    """Return the format of an export with these columns.

    Args:
        name: The export, for messages.
        columns: Its columns by their canonical names.

    Raises:
        UsageError: The columns fit no format.
    """
    found = set(columns)
    for fmt in FORMATS:
        missing = [names[0] for names in fmt.required if found.isdisjoint(map(canonical, names))]
        if not missing:
            return fmt
        if fmt is not COST_EXPLORER and len(missing) < len(fmt.required) / 2:
            raise UsageError(
                f"{name} looks like {fmt.name}, but lacks the column {', '.join(missing)}.",
                "Export it again with these columns.",
            )
    raise UsageError(
        f"{name} is neither a CUR 2.0 nor a FOCUS export, nor a legacy CUR or Cost Explorer's CSV.",
        "Create an export with AWS Data Exports.",
    )


def line_sql(fmt: Format, columns: Mapping[str, str], source: str, rank: int) -> str:
    """Return the query that brings the rows of a file into the form of the table `collected`.

    Lines that may bill training stay apart. All others are summed up by kind, so that a file of
    any size takes little memory.

    Args:
        fmt: The format of the file.
        columns: SQL of each column, by its canonical name.
        source: SQL of the file.
        rank: The age of the file: if two files have the same line, the higher rank counts.
    """
    texts = {name: _text(sql) for name, sql in columns.items()}

    def first(names: Sequence[str]) -> str:
        """Return SQL for the first of these columns that exists and has a value."""
        found = [texts[name] for name in names if name in texts]
        return f"coalesce({', '.join(found)})" if found else "NULL::VARCHAR"

    def filled(template: str) -> str:
        return template.format_map(_Columns(texts))

    cost = first(fmt.cost)
    if fmt.covered_cost:
        covered = first((*fmt.covered_cost, *fmt.cost))
        cost = f"CASE WHEN {filled(fmt.is_covered)} THEN {covered} ELSE {cost} END"
    listed = ", ".join(filled(text) for text in fmt.texts)
    return f"""
        WITH flagged AS (
            -- A line of the file.
            SELECT
                *,
                coalesce({filled(fmt.is_usage)}, FALSE) AS is_usage,
                coalesce({filled(fmt.is_sagemaker)}, FALSE) AS is_sagemaker
            FROM {source}
        ),

        marked AS (
            -- A line, whether it bills training, and whether it reduces the amount of training.
            SELECT
                *,
                is_usage AND names_training AS counts,
                CASE
                    WHEN NOT names_training THEN NULL
                    WHEN {filled(fmt.is_discount)} THEN 'discount'
                    WHEN {filled(fmt.is_credit)} THEN 'credit'
                END AS reduces,
                counts OR reduces IS NOT NULL AS stays
            FROM (
                SELECT
                    *,
                    CASE
                        WHEN is_sagemaker
                            THEN coalesce(contains(lower(concat_ws(' ', {listed})), 'train'), FALSE)
                        ELSE FALSE
                    END AS names_training
                FROM flagged
            )
        ),

        typed AS (
            -- A line of training with all its values; of another line only what is summed up.
            SELECT
                counts, reduces, is_usage, is_sagemaker,
                {_month(first(fmt.billing_start))} AS billing_month,
                CASE WHEN is_usage THEN {_month(first(fmt.start))} END AS usage_month,
                coalesce({first(fmt.currency)}, 'USD') AS currency,
                TRY_CAST({cost} AS DECIMAL(38, 12)) AS cost,
                CASE
                    WHEN counts THEN 'Training'
                    WHEN NOT is_usage THEN coalesce({filled(fmt.kind)}, 'No kind given')
                    WHEN is_sagemaker THEN 'Other SageMaker usage'
                    WHEN {first(fmt.service)} ILIKE '%support%' THEN 'Support'
                    ELSE 'Other services'
                END AS kind,
                {filled(fmt.unused)} AS unused,
                CASE WHEN counts OR {filled(fmt.unused)} IS NOT NULL
                    THEN {first(fmt.commitment)} END AS commitment,
                CASE WHEN {filled(fmt.unused)} IS NOT NULL
                    THEN coalesce({filled(fmt.is_ml_plan)}, FALSE) END AS is_ml_plan,
                CASE WHEN stays THEN {first(fmt.line_id)} END AS line_id,
                CASE WHEN stays THEN {_timestamp(first(fmt.start))} END AS started,
                CASE WHEN stays THEN {_timestamp(first(fmt.end))} END AS ended,
                CASE WHEN stays THEN {_account(first(fmt.account))} END AS account_id,
                CASE WHEN stays THEN coalesce({first(fmt.region)}, '') END AS region,
                CASE WHEN stays THEN coalesce(lower({first(fmt.resource)}), '') END AS resource,
                CASE WHEN stays THEN {first(fmt.unit)} END AS unit,
                CASE WHEN stays THEN coalesce({first(fmt.usage_type)}, '') END AS usage_type,
                CASE WHEN stays THEN [{listed}] END AS texts,
                CASE WHEN stays THEN {first(fmt.net_cost)} IS NOT NULL END AS is_net,
                CASE WHEN counts THEN coalesce({filled(fmt.is_covered)}, FALSE) END AS is_covered,
                CASE WHEN counts AND {filled(fmt.is_covered)}
                    THEN {first(fmt.covered_cost or fmt.cost)} IS NULL END AS is_at_list,
                CASE WHEN counts
                    THEN TRY_CAST({first(fmt.quantity)} AS DECIMAL(38, 12)) END AS quantity,
                CASE
                    WHEN NOT counts THEN NULL
                    WHEN {_timestamp(first(fmt.start))} IS NULL
                        THEN coalesce({first(fmt.start)}, 'no start date')
                    WHEN TRY_CAST({first(fmt.quantity)} AS DECIMAL(38, 12)) IS NULL
                        THEN coalesce({first(fmt.quantity)}, 'no quantity')
                    WHEN TRY_CAST({cost} AS DECIMAL(38, 12)) IS NULL
                        THEN coalesce({cost}, 'no amount')
                    WHEN {_account(first(fmt.account))} IS NULL THEN {first(fmt.account)}
                END AS wrong
            FROM marked
        )

        SELECT
            * EXCLUDE (cost, quantity, unused),
            {rank} AS rank,
            CASE WHEN count(line_id) = 0 THEN sum(cost) ELSE max(cost) END AS cost,
            CASE WHEN count(line_id) = 0 THEN sum(quantity) ELSE max(quantity) END AS quantity,
            sum(unused) AS unused,
            CASE WHEN count(line_id) = 0 THEN count(*) ELSE 1 END AS lines,
            CASE WHEN count(line_id) = 0 THEN 0 ELSE count(*) - 1 END AS repeated
        FROM typed
        GROUP BY ALL
    """  # noqa: S608 - our own text; column names are quoted


class _Columns(dict[str, str]):
    def __missing__(self, _: str) -> str:
        return "NULL"


def _text(expression: str) -> str:
    """Return SQL for a text, NULL if it stands for a missing value."""
    nulls = ", ".join(f"'{text}'" for text in _NULLS)
    text = f"CAST({expression} AS VARCHAR)"
    return f"CASE WHEN {text} NOT IN ({nulls}) THEN {text} END"


def _timestamp(expression: str) -> str:
    """Return SQL for a TIMESTAMP in UTC; NULL = not a time. A time without a zone is in UTC.

    DuckDB would read 10/3/26 as a day of the year 10.
    """
    has_year = f"regexp_matches({expression}, '^[0-9]{{4}}-')"
    return f"CASE WHEN {has_year} THEN TRY_CAST({expression} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' END"


def _account(expression: str) -> str:
    """Return SQL for the 12 digits of an account; NULL = none, or another text."""
    digits = f"regexp_extract({expression}, '^([0-9]{{1,12}})([.]0)?$', 1)"
    return f"lpad(nullif({digits}, ''), 12, '0')"


def _month(expression: str) -> str:
    """Return SQL for the first day of the month of a time in ISO 8601; NULL = not a time."""
    return f"TRY_CAST(concat(({expression})[:7], '-01') AS DATE)"
