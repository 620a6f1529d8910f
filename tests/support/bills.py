"""Writes bill exports with all columns of CUR 2.0, FOCUS 1.0 and FOCUS 1.2; most are empty.

The columns come from the dictionaries of AWS Data Exports for COST_AND_USAGE_REPORT, FOCUS_1_0_AWS
and FOCUS_1_2_AWS. A legacy report has the columns of CUR 2.0 under other names, without the maps.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet


def _words(text: str) -> list[str]:
    return text.split()


CUR_TEXTS = _words("""
    bill_bill_type bill_billing_entity bill_invoice_id bill_invoicing_entity
    bill_payer_account_id bill_payer_account_name identity_line_item_id identity_time_interval
    line_item_availability_zone line_item_blended_rate line_item_currency_code
    line_item_legal_entity line_item_line_item_description line_item_line_item_type
    line_item_net_unblended_rate line_item_operation line_item_product_code line_item_resource_id
    line_item_tax_type line_item_unblended_rate line_item_usage_account_id
    line_item_usage_account_name line_item_usage_type pricing_currency
    pricing_lease_contract_length pricing_offering_class pricing_public_on_demand_rate
    pricing_purchase_option pricing_rate_code pricing_rate_id pricing_term pricing_unit
    product_comment product_fee_code product_fee_description product_from_location
    product_from_location_type product_from_region_code product_instance_family
    product_instance_type product_instancesku product_location product_location_type
    product_operation product_pricing_unit product_product_family product_region_code
    product_servicecode product_sku product_to_location product_to_location_type
    product_to_region_code product_usagetype reservation_availability_zone reservation_end_time
    reservation_modification_status reservation_number_of_reservations
    reservation_reservation_a_r_n reservation_start_time reservation_subscription_id
    savings_plan_end_time savings_plan_instance_type_family savings_plan_offering_type
    savings_plan_payment_option savings_plan_purchase_term savings_plan_region
    savings_plan_savings_plan_a_r_n savings_plan_start_time split_line_item_parent_resource_id
""")
CUR_NUMBERS = _words("""
    discount_bundled_discount discount_total_discount line_item_blended_cost
    line_item_net_unblended_cost line_item_normalization_factor
    line_item_normalized_usage_amount line_item_unblended_cost line_item_usage_amount
    pricing_public_on_demand_cost reservation_effective_cost
    savings_plan_savings_plan_effective_cost savings_plan_savings_plan_rate
    savings_plan_total_commitment_to_date savings_plan_used_commitment
""")
CUR_TIMES = _words("""
    bill_billing_period_end_date bill_billing_period_start_date line_item_usage_end_date
    line_item_usage_start_date
""")
CUR_MAPS = ["cost_category", "discount", "product", "resource_tags"]

FOCUS_TEXTS = _words("""
    AvailabilityZone BillingAccountId BillingAccountName BillingCurrency ChargeCategory
    ChargeClass ChargeDescription ChargeFrequency CommitmentDiscountCategory CommitmentDiscountId
    CommitmentDiscountName CommitmentDiscountStatus CommitmentDiscountType ConsumedUnit
    InvoiceIssuerName PricingCategory PricingUnit ProviderName PublisherName RegionId RegionName
    ResourceId ResourceName ResourceType ServiceCategory ServiceName SkuId SkuPriceId
    SubAccountId SubAccountName x_Operation x_ServiceCode
""")
FOCUS_10_TEXTS = ["x_UsageType"]
FOCUS_12_TEXTS = _words("""
    BillingAccountType CapacityReservationId CapacityReservationStatus CommitmentDiscountUnit
    InvoiceId PricingCurrency ServiceSubcategory SkuMeter SkuPriceDetails SubAccountType
""")
FOCUS_11_TEXTS = _words("CapacityReservationId CapacityReservationStatus CommitmentDiscountUnit "
                        "ServiceSubcategory SkuMeter SkuPriceDetails")  # fmt: skip
FOCUS_13_TEXTS = [*FOCUS_12_TEXTS, "HostProviderName", "ServiceProviderName"]
FOCUS_VERSIONS = {
    "1.0": FOCUS_10_TEXTS, "1.1": FOCUS_11_TEXTS, "1.2": FOCUS_12_TEXTS, "1.3": FOCUS_13_TEXTS,
}  # fmt: skip
FOCUS_NUMBERS = _words("""
    BilledCost ConsumedQuantity ContractedCost ContractedUnitPrice EffectiveCost ListCost
    ListUnitPrice PricingQuantity
""")
FOCUS_TIMES = ["BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart"]
FOCUS_MAPS = ["Tags", "x_CostCategories", "x_Discounts"]


@dataclass(frozen=True)
class Charge:
    """A line of a bill, in any format.

    Attributes:
        quantity: None = the line has none.
        billing: The start of the billing period; None = the month of the usage.
        details: Further columns of a CUR, or other values of those above.
    """

    start: datetime
    component: str
    instance_type: str
    quantity: Decimal | None
    usd: Decimal
    resource: str = ""
    account: str = "111122223333"
    region: str = "eu-west-1"
    kind: str = "Usage"
    lasts: timedelta = timedelta(hours=1)
    net_usd: Decimal | None = None
    effective_usd: Decimal | None = None
    currency: str = "USD"
    product: str = "AmazonSageMaker"
    line_id: str = ""
    billing: datetime | None = None
    prefix: str = "EU-"
    details: tuple[tuple[str, object], ...] = ()

    @property
    def is_storage(self) -> bool:
        return self.component.endswith("storage")

    @property
    def unit(self) -> str:
        return "GB-Mo" if self.is_storage else "Hrs"

    @property
    def is_spot(self) -> bool:
        return dict(self.details).get("pricing_purchase_option") == "Spot"

    @property
    def net(self) -> Decimal:
        """What the line really cost."""
        return next(usd for usd in (self.effective_usd, self.net_usd, self.usd) if usd is not None)

    @property
    def usage_type(self) -> str:
        base = self.component.removesuffix(" ML storage")
        infix = {"Training": "Train", "Training Warm Pool": "Train-WarmPool"}.get(base, base)
        return (
            f"{self.prefix}{infix}:{'VolumeUsage.gp2' if self.is_storage else self.instance_type}"
        )

    @property
    def description(self) -> str:
        """The description as on the public bill."""
        if self.is_storage:
            job = self.component.replace(" ML", " Job ML")
            return f"$0.154 per GB-Mo of {job}"
        return f"$0.257 per {self.component} {self.instance_type} hour in EU (Ireland)"

    @property
    def billing_start(self) -> datetime:
        return self.billing or self.start.replace(day=1, hour=0, minute=0)


def cur(path: Path, charges: Sequence[Charge], without: Sequence[str] = ()) -> Path:
    """Write a CUR 2.0 export, without the columns that the query did not select."""
    return _write(path, _cur_rows(charges), CUR_TEXTS, CUR_NUMBERS, CUR_TIMES, CUR_MAPS, without)


def _cur_rows(charges: Sequence[Charge]) -> list[dict[str, Any]]:
    return [
        {
            "identity_line_item_id": charge.line_id,
            "bill_payer_account_id": "999988887777",
            "bill_billing_period_start_date": charge.billing_start,
            "line_item_usage_start_date": charge.start,
            "line_item_usage_end_date": charge.start + charge.lasts,
            "line_item_usage_account_id": charge.account,
            "line_item_line_item_type": charge.kind,
            "line_item_product_code": charge.product,
            "line_item_usage_type": charge.usage_type,
            "line_item_operation": "RunInstance",
            "line_item_line_item_description": charge.description,
            "line_item_resource_id": charge.resource,
            "line_item_usage_amount": charge.quantity,
            "line_item_unblended_cost": charge.usd,
            "line_item_net_unblended_cost": charge.net_usd,
            "savings_plan_savings_plan_effective_cost": charge.effective_usd,
            "line_item_currency_code": charge.currency,
            "pricing_unit": charge.unit,
            "product_region_code": charge.region,
            "product_servicecode": charge.product,
            "product": {"component": charge.component, "regioncode": charge.region},
            **dict(charge.details),
        }
        for charge in charges
    ]


def legacy(path: Path, charges: Sequence[Charge]) -> Path:
    """Write a legacy report with its own names, such as `lineItem/UsageAmount`."""
    return _write(
        path, _cur_rows(charges), CUR_TEXTS, CUR_NUMBERS, CUR_TIMES, (), names=_legacy_name
    )


def athena(path: Path, charges: Sequence[Charge]) -> Path:
    """Write a legacy report with the names that it has in Athena."""
    return _write(
        path,
        _cur_rows(charges),
        CUR_TEXTS,
        CUR_NUMBERS,
        CUR_TIMES,
        (),
        names=lambda name: name.replace("product_region_code", "product_region"),
    )


def _legacy_name(name: str) -> str:
    for group in ("line_item", "savings_plan", name.partition("_")[0]):
        if name.startswith(f"{group}_"):
            first, *others = group.split("_")
            words = name.removeprefix(f"{group}_").split("_")
            camel = "".join(word.capitalize() for word in words)
            if group == "product":
                camel = {"RegionCode": "region", "InstanceType": "instanceType"}.get(camel, camel)
            return f"{first}{''.join(map(str.capitalize, others))}/{camel}"
    return name


#: FOCUS's name for a type of line in a CUR; other types are purchases.
_CATEGORIES = {
    "Usage": "Usage",
    "SavingsPlanCoveredUsage": "Usage",
    "Tax": "Tax",
    "Credit": "Credit",
    "Refund": "Credit",
}


def focus(path: Path, charges: Sequence[Charge], version: str = "1.0") -> Path:
    """Write a FOCUS export with AWS columns; only version 1.0 has x_UsageType."""
    rows = [
        {
            "BillingAccountId": "999988887777",
            "SubAccountId": charge.account,
            "BillingPeriodStart": charge.billing_start,
            "ChargePeriodStart": charge.start,
            "ChargePeriodEnd": charge.start + charge.lasts,
            "ChargeCategory": _CATEGORIES.get(charge.kind, "Purchase"),
            "ChargeDescription": charge.description,
            "ServiceName": charge.product.replace("AmazonSageMaker", "Amazon SageMaker"),
            "x_ServiceCode": charge.product,
            "x_UsageType": charge.usage_type,
            "SkuMeter": charge.usage_type.removeprefix("EU-"),
            "ConsumedQuantity": charge.quantity,
            "ConsumedUnit": "GB-Months" if charge.is_storage else "Hours",
            "BilledCost": charge.usd,
            "EffectiveCost": charge.net,
            "CommitmentDiscountStatus": "Used" if charge.effective_usd is not None else None,
            "PricingCategory": "Dynamic" if charge.is_spot else "Standard",
            "BillingCurrency": charge.currency,
            "RegionId": charge.region,
            "ResourceId": charge.resource,
            **dict(charge.details),
        }
        for charge in charges
    ]
    texts = FOCUS_TEXTS + FOCUS_VERSIONS[version]
    return _write(path, rows, texts, FOCUS_NUMBERS, FOCUS_TIMES, FOCUS_MAPS)


def cost_explorer(path: Path, charges: Sequence[Charge]) -> Path:
    """Write a CSV file of Cost Explorer by day and usage type."""
    days: dict[str, dict[str, Decimal]] = {}
    for charge in charges:
        day = days.setdefault(charge.start.date().isoformat(), {})
        for name, amount in (
            (f"{charge.usage_type}($)", charge.net),
            (f"{charge.usage_type}({charge.unit})", charge.quantity or Decimal()),
        ):
            day[name] = day.get(name, Decimal()) + amount
    names = sorted({name for day in days.values() for name in day})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Usage type", *names, "Total costs($)"])
        writer.writerow(["Usage type total", *[1] * len(names), "1"])
        for name, day in sorted(days.items()):
            writer.writerow([name, *[day.get(column, "") for column in names], "1"])
    return path


def zipped(path: Path) -> Path:
    """Replace a file by a ZIP archive with it."""
    archive = path.with_name(f"{path.name}.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(path, path.name)
    path.unlink()
    return archive


def _write(
    path: Path,
    rows: Sequence[dict[str, Any]],
    texts: Sequence[str],
    numbers: Sequence[str],
    times: Sequence[str],
    maps: Sequence[str],
    without: Sequence[str] = (),
    names: Callable[[str], str] = str,
) -> Path:
    """Write Parquet with doubles, UTC timestamps without a zone, and maps; or a CSV of texts."""
    parquet = path.suffix == ".parquet"

    def number(value: Decimal | str | None) -> object:
        if value is None or isinstance(value, str):
            return value
        return float(value) if parquet else f"{value:f}"

    def moment(value: datetime | str | None) -> object:
        if isinstance(value, str):
            return value
        if value is None or parquet:
            return value and value.astimezone(UTC).replace(tzinfo=None)
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def pairs(value: dict[str, str] | None) -> object:
        return list((value or {}).items()) if parquet else json.dumps(value or {})

    kinds: list[tuple[Sequence[str], pa.DataType, Callable[[Any], object]]] = [
        (texts, pa.string(), lambda value: value),
        (numbers, pa.float64() if parquet else pa.string(), number),
        (times, pa.timestamp("ms") if parquet else pa.string(), moment),
        (maps, pa.map_(pa.string(), pa.string()) if parquet else pa.string(), pairs),
    ]
    columns = {
        names(name): pa.array([convert(row.get(name)) for row in rows], kind)
        for group, kind, convert in kinds
        for name in group
        if name not in without
    }
    table = pa.table(dict(sorted(columns.items())))
    if parquet:
        pyarrow.parquet.write_table(table, path)
    elif path.name.endswith(".gz"):
        with pa.output_stream(str(path), compression="gzip") as stream:
            pyarrow.csv.write_csv(table, stream)
    else:
        pyarrow.csv.write_csv(table, str(path))
    return path
