"""GetProducts returns JSON in strings, takes filters, has pages, and has rows of 0.00."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.simulator import Simulator


@pytest.fixture
def pricing(simulator: Simulator, connect: Callable[..., Any]) -> Any:
    return connect(simulator, "pricing", region="us-east-1")


def products(pricing: Any, **fields: str) -> list[dict[str, Any]]:
    filters = [
        {"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()
    ]
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode="AmazonSageMaker", Filters=filters, PaginationConfig={"PageSize": 40}
    )
    return [json.loads(text) for page in pages for text in page["PriceList"]]


def price(product: dict[str, Any]) -> tuple[str, Decimal]:
    (term,) = product["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    return dimension["unit"], Decimal(dimension["pricePerUnit"]["USD"])


def test_the_prices_of_the_published_bill_are_exact(pricing: Any) -> None:
    rates = {"ml.m5.xlarge": "0.257", "ml.g4dn.xlarge": "0.822", "ml.g5.xlarge": "1.57"}
    for instance_type, rate in rates.items():
        found = products(
            pricing, regionCode="eu-west-1", instanceName=instance_type, component="Training"
        )
        assert sorted(price(each) for each in found) == [("Hrs", 0), ("Hrs", Decimal(rate))]
        (warm,) = products(
            pricing,
            regionCode="eu-west-1",
            instanceName=instance_type,
            platoinstancetype="Training Warm Pool",
        )
        assert price(warm) == ("Hrs", Decimal(rate))
    (storage,) = products(pricing, regionCode="eu-west-1", component="Training ML storage")
    assert price(storage) == ("GB-Mo", Decimal("0.154"))


def test_usage_types_name_region_and_instance_type(pricing: Any) -> None:
    (found,) = products(pricing, usagetype="USE1-Train:ml.m5.large")
    attributes = found["product"]["attributes"]
    assert attributes["instanceName"] == "ml.m5.large"
    assert attributes["regionCode"] == "us-east-1"
    assert attributes["servicecode"] == found["serviceCode"] == "AmazonSageMaker"


def test_every_product_appears_once(pricing: Any) -> None:
    found = products(pricing)
    assert len(found) > 500
    assert len({each["product"]["sku"] for each in found}) == len(found)
    assert {price(each)[0] for each in found} == {"Hrs", "GB-Mo"}


def test_a_region_without_prices_has_no_products(pricing: Any) -> None:
    assert products(pricing, regionCode="mars-1") == []


def test_the_price_list_api_has_three_endpoints(
    simulator: Simulator, connect: Callable[..., Any]
) -> None:
    for region in ("eu-central-1", "ap-south-1"):
        client = connect(simulator, "pricing", region=region)
        assert client.get_products(ServiceCode="AmazonSageMaker", MaxResults=1)["PriceList"]
    with pytest.raises(ClientError, match="eu-west-1"):
        connect(simulator, "pricing").get_products(ServiceCode="AmazonSageMaker")


def test_a_price_token_is_bound_to_its_filters(pricing: Any) -> None:
    first = pricing.get_products(ServiceCode="AmazonSageMaker", MaxResults=10)
    filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"}]
    with pytest.raises(ClientError) as error:
        pricing.get_products(
            ServiceCode="AmazonSageMaker", Filters=filters, NextToken=first["NextToken"]
        )
    assert error.value.response["Error"]["Code"] == "InvalidNextTokenException"


def test_prices_of_other_services_are_not_listed(pricing: Any) -> None:
    with pytest.raises(ClientError, match="AmazonEC2"):
        pricing.get_products(ServiceCode="AmazonEC2")
