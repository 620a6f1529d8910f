"""GetProducts: the SageMaker products of the Price List API.

The shape is that of the API: JSON in strings, a product with attributes, terms with price
dimensions. Users filter SageMaker's list by these attributes: `instanceName`, `regionCode`,
`component`, `platoinstancetype`, and usage types such as `USE1-Train:ml.m5.large`. The prices
are made up, close to public ones. For eu-west-1, those of a published bill are exact:
aws-samples/sagemaker-ssh-helper, Sample_Costs.md, December 2023 [R].
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from exporter.wire import ApiError, Call

ENDPOINTS = frozenset({"us-east-1", "eu-central-1", "ap-south-1"})
"""The regions with an endpoint of the Price List API, which has the prices of all regions. [D]"""

_SERVICE = "AmazonSageMaker"
_PAGE = 100


class Region(NamedTuple):
    """A region in the price list: the prefix of its usage types, its name, its price level."""

    prefix: str
    location: str
    level: Decimal


REGIONS: Mapping[str, Region] = {
    "us-east-1": Region("USE1", "US East (N. Virginia)", Decimal("1")),
    "us-east-2": Region("USE2", "US East (Ohio)", Decimal("1")),
    "us-west-2": Region("USW2", "US West (Oregon)", Decimal("1")),
    "eu-west-1": Region("EU", "EU (Ireland)", Decimal("1.115")),
    "eu-central-1": Region("EUC1", "EU (Frankfurt)", Decimal("1.2")),
    "ap-northeast-1": Region("APN1", "Asia Pacific (Tokyo)", Decimal("1.29")),
    "ap-south-1": Region("APS3", "Asia Pacific (Mumbai)", Decimal("1.05")),
}

# USD for an hour of training at level 1.
_HOURLY: Mapping[str, str] = {
    "ml.m5.large": "0.115",
    "ml.m5.xlarge": "0.230",
    "ml.m5.2xlarge": "0.461",
    "ml.m5.4xlarge": "0.922",
    "ml.c5.xlarge": "0.204",
    "ml.c5.2xlarge": "0.408",
    "ml.g4dn.xlarge": "0.7364",
    "ml.g4dn.2xlarge": "0.940",
    "ml.g5.xlarge": "1.408",
    "ml.g5.2xlarge": "1.515",
    "ml.g5.12xlarge": "7.090",
    "ml.g6.xlarge": "1.126",
    "ml.p3.2xlarge": "3.825",
    "ml.p4d.24xlarge": "25.251",
    "ml.p5.48xlarge": "63.296",
    "ml.trn1.32xlarge": "24.781",
}
# USD for a GB-month of storage at level 1.
_STORAGE = "0.14"
# The prices of the published bill, by region and instance type; storage has no type.
_EXACT: Mapping[tuple[str, str], str] = {
    ("eu-west-1", "ml.m5.xlarge"): "0.257",
    ("eu-west-1", "ml.g4dn.xlarge"): "0.822",
    ("eu-west-1", "ml.g5.xlarge"): "1.57",
    ("eu-west-1", "ml.p3.2xlarge"): "4.131",
    ("eu-west-1", ""): "0.154",
}
# Component, infix of the usage type, price relative to that of training.
_COMPUTE = (
    ("Training", "Train", Decimal(1)),
    ("Training Warm Pool", "Train-WarmPool", Decimal(1)),
    ("Hosting", "Host", Decimal("1.2")),
    ("Notebook", "Notebk", Decimal(1)),
    # Debugger's built-in rules are free: clients must skip rows of 0.00.
    ("Training", "DebuggerBuiltInRule", Decimal(0)),
)
_VOLUMES = (
    ("Training ML storage", "Train:VolumeUsage.gp2"),
    ("Training Warm Pool ML storage", "Train-WarmPool:VolumeUsage.gp2"),
    ("Hosting ML storage", "Host:VolumeUsage.gp2"),
)


def products(call: Call) -> dict[str, Any]:
    """Answer GetProducts; the list is the same for every account.

    Raises:
        ApiError: The region has no endpoint of the API, the service is unknown, or the
            NextToken belongs to another request.
    """
    if call.region not in ENDPOINTS:
        raise ApiError(
            "UnrecognizedClientException", f"The Price List API is not offered in {call.region}"
        )
    params = call.params
    if params["ServiceCode"] != _SERVICE:
        raise ApiError("NotFoundException", f"{params['ServiceCode']} is not listed here")
    wanted = params.get("Filters", ())
    if any(each["Type"] not in ("TERM_MATCH", "EQUALS") for each in wanted):
        raise ApiError("InvalidParameterException", "Only filters of type TERM_MATCH are served")
    binding = _digest(json.dumps(list(wanted), sort_keys=True))
    bound, _, position = (params.get("NextToken") or f"{binding}:0").partition(":")
    if bound != binding or not position.isdecimal():
        raise ApiError("InvalidNextTokenException", "The pagination token is invalid")
    found = [text for product, text in _catalogue() if _matches(product, wanted)]
    end = int(position) + int(params.get("MaxResults", _PAGE))
    answer = {"FormatVersion": "aws_v1", "PriceList": found[int(position) : end]}
    return answer | ({"NextToken": f"{binding}:{end}"} if end < len(found) else {})


def _matches(product: Mapping[str, Any], wanted: list[dict[str, str]]) -> bool:
    fields = {
        **product["attributes"],
        "productFamily": product["productFamily"],
        "ServiceCode": _SERVICE,
        "sku": product["sku"],
    }
    # The API ignores the case of names and values.
    known = {name.lower(): value.lower() for name, value in fields.items()}
    return all(known.get(each["Field"].lower()) == each["Value"].lower() for each in wanted)


@cache
def _catalogue() -> list[tuple[dict[str, Any], str]]:
    """Return all products, each with its entry in the list as a JSON string."""
    return [
        (product, json.dumps(_entry(product, price, unit)))
        for region in REGIONS
        for product, price, unit in (*_compute(region), *_storage(region))
    ]


def _compute(region: str) -> Iterator[tuple[dict[str, Any], Decimal, str]]:
    for instance_type, hourly in _HOURLY.items():
        price = _price(region, instance_type, hourly)
        for component, infix, share in _COMPUTE:
            attributes = {
                "instanceName": instance_type,
                "instanceType": f"{instance_type}-{component.replace(' ', '')}",
                "platoinstancename": instance_type,
                "platoinstancetype": component,
                "component": component,
                "computeType": "Standard Instances",
                "operation": "RunInstance",
            }
            usage = f"{infix}:{instance_type}"
            yield _product("ML Instance", region, usage, attributes), price * share, "Hrs"


def _storage(region: str) -> Iterator[tuple[dict[str, Any], Decimal, str]]:
    price = _price(region, "", _STORAGE)
    for component, usage in _VOLUMES:
        attributes = {
            "component": component,
            "platovolumetype": component.removesuffix(" ML storage"),
            "operation": "CreateVolume-Gp2",
        }
        yield _product("ML Storage", region, usage, attributes), price, "GB-Mo"


def _price(region: str, instance_type: str, base: str) -> Decimal:
    exact = _EXACT.get((region, instance_type))
    return Decimal(exact or (Decimal(base) * REGIONS[region].level).quantize(Decimal("0.0001")))


def _product(family: str, region: str, usage: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    usage = f"{REGIONS[region].prefix}-{usage}"
    return {
        "productFamily": family,
        "sku": _digest(usage).upper()[:16],
        "attributes": {
            "servicecode": _SERVICE,
            "servicename": "Amazon SageMaker",
            "regionCode": region,
            "location": REGIONS[region].location,
            "locationType": "AWS Region",
            "usagetype": usage,
            **attributes,
        },
    }


def _entry(product: Mapping[str, Any], price: Decimal, unit: str) -> dict[str, Any]:
    sku, attributes = product["sku"], product["attributes"]
    place = attributes.get("instanceName", attributes["location"])
    term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    dimension = {
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"${price} per {unit} of {attributes['component']} {place}",
        "appliesTo": [],
        "rateCode": rate,
        "pricePerUnit": {"USD": f"{price:.10f}"},
    }
    terms = {
        "sku": sku,
        "offerTermCode": "JRTCKXETXF",
        "effectiveDate": "2026-10-01T00:00:00Z",
        "termAttributes": {},
        "priceDimensions": {rate: dimension},
    }
    return {
        "product": product,
        "serviceCode": _SERVICE,
        "terms": {"OnDemand": {term: terms}},
        "version": "20261030000000",
        "publicationDate": "2026-10-30T00:00:00Z",
    }


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
