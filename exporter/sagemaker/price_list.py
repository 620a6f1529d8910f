"""Reads from the Price List API what training costs; typed prices of today come out.

The API knows only the prices of today, and a few endpoints answer for every region. Its
`PriceList` holds JSON in strings. The attribute that names the component is undocumented and
differs between entries (`component`, `platoinstancetype`, `platovolumetype`, or only the usage
type). So each is tried, and an entry that is not clearly on-demand training is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from exporter.errors import ServiceError

#: Region of the Price List API, by the first part of the region whose prices are wanted.
ENDPOINTS: Final = {"cn": "cn-northwest-1", "eu": "eu-central-1", "ap": "ap-south-1"}
#: Currencies in which AWS sells: of its partitions, China uses CNY and Europe's own cloud EUR.
CURRENCIES: Final = ("USD", "CNY", "EUR")
_PAGE: Final = 100
_OPERATION: Final = "pricing:GetProducts"
_PRICES_STAY: Final = "Nothing is lost: the known prices stay in force."
#: What an entry of another shape raises.
_MALFORMED: Final = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    InvalidOperation,
    RecursionError,
)
_POOL: Final = re.compile(r"warm[ -]?pool", re.IGNORECASE)
#: `USE1-Train:ml.m5.large`, `EU-Train:VolumeUsage.gp2`; the usage types of pools are unknown.
_USAGE: Final = re.compile(r"(?:[A-Z]{2,4}\d*-)?Train(?:ing)?(?P<more>[A-Za-z-]*):(?P<what>.+)")
_TYPE: Final = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")


@dataclass(frozen=True)
class ListedPrice:
    """A price of today.

    `instance_type` is empty for storage, `unit` is Hrs or GB-Mo, and `usd_per_unit` is in
    `currency`.
    """

    region: str
    component: str
    instance_type: str
    usd_per_unit: Decimal
    unit: str
    effective_from: date
    currency: str = "USD"


def endpoint_for(region: str) -> str:
    """Return the nearest region that has the Price List API."""
    return ENDPOINTS.get(region.partition("-")[0], "us-east-1")


def training_prices(
    client: Any,  # noqa: ANN401 - boto3 makes its clients at run time
    region: str,
) -> Iterator[ListedPrice]:
    """Yield on-demand prices of training and warm pools in one region, as of today.

    Args:
        client: A boto3 `pricing` client at `endpoint_for(region)`; it retries by itself.
        region: Region whose prices are wanted.

    Raises:
        AccessDenied: The identity may not call pricing:GetProducts.
        ServiceError: The API failed, or an entry of the list is malformed.
        ExporterError: Any other failure of the call (see `failures`).
    """
    from botocore import exceptions as boto

    from exporter.sagemaker.answers import read_bodies
    from exporter.sagemaker.failures import EndlessAnswer, explain

    read_bodies(client)
    request: dict[str, Any] = {
        "ServiceCode": "AmazonSageMaker",
        "Filters": [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}],
        "FormatVersion": "aws_v1",
        "MaxResults": _PAGE,
    }
    tokens: set[object] = set()
    while True:
        try:
            page = client.get_products(**request)
        except (boto.BotoCoreError, boto.ClientError) as error:
            raise explain(error, _OPERATION, region) from error
        entries, token = page.get("PriceList"), page.get("NextToken")
        if not isinstance(entries, list) or not isinstance(token, str | None):
            raise ServiceError(
                "The Price List API returned an answer that cannot be read.", _PRICES_STAY
            )
        yield from parse(entries)
        if not token:
            return
        if token in tokens:
            raise EndlessAnswer(_OPERATION, region)
        tokens.add(token)
        request["NextToken"] = token


def parse(entries: Iterable[str | Mapping[str, Any]]) -> Iterator[ListedPrice]:
    """Yield the training prices among the entries of a price list.

    Raises:
        ServiceError: An entry is not JSON, or is not shaped like an entry.
    """
    for entry in entries:
        try:
            yield from _prices(json.loads(entry) if isinstance(entry, str) else entry)
        except _MALFORMED as error:
            raise ServiceError(
                f"The Price List API returned an entry that cannot be read: {error!r}.",
                _PRICES_STAY,
            ) from error


def _prices(entry: Mapping[str, Any]) -> Iterator[ListedPrice]:
    attributes = entry["product"]["attributes"]
    component, instance_type = _what(attributes)
    if component is None or not attributes.get("regionCode"):
        return
    unit = "GB-Mo" if component.endswith("storage") else "Hrs"
    for first_day, currency, amount in _amounts(entry["terms"], unit):
        yield ListedPrice(
            attributes["regionCode"],
            component,
            instance_type,
            amount,
            unit,
            first_day,
            currency,
        )


def _amounts(terms: Mapping[str, Any], unit: str) -> Iterator[tuple[date, str, Decimal]]:
    """Yield first day, currency and price of each on-demand price for this unit."""
    for term in terms.get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            if dimension["unit"] != unit or dimension.get("beginRange", "0") != "0":
                continue
            for currency, amount in dimension["pricePerUnit"].items():
                # 0.00 marks what the region does not sell, or what is free of charge.
                if currency in CURRENCIES and Decimal(amount) > 0:
                    first_day = date.fromisoformat(term["effectiveDate"][:10])
                    yield first_day, currency, Decimal(amount)


def _what(attributes: Mapping[str, str]) -> tuple[str | None, str]:
    """Return component and instance type; the component is None unless on-demand training."""
    usage = _USAGE.fullmatch(attributes.get("usagetype", ""))
    named = next(
        (
            attributes[name].removesuffix(" ML storage").removesuffix(" Job").strip()
            for name in ("component", "platoinstancetype", "platovolumetype")
            if attributes.get(name)
        ),
        None,
    )
    if named is None and usage and (not usage["more"] or _POOL.search(usage["more"])):
        named = "Training"
    if named is None or _POOL.sub("", named).strip(" -_") != "Training":
        return None, ""
    # Rules of Debugger and the like are named Training as well; their usage type differs.
    if attributes.get("usagetype") and usage is None:
        return None, ""
    pool = any(_POOL.search(text) for text in (named, attributes.get("usagetype", "")))
    component = "Training Warm Pool" if pool else "Training"
    if usage and usage["what"].startswith("VolumeUsage"):
        return f"{component} ML storage", ""
    found = _TYPE.search(attributes.get("instanceName", "") or (usage["what"] if usage else ""))
    return (component, found[0]) if found else (None, "")
