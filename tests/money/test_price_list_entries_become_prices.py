"""`prices refresh` understands the entries of the Price List API and stores the new prices."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import boto3
import pytest

from exporter.errors import ServiceError
from exporter.prices.refresh import store_api_prices
from exporter.sagemaker.price_list import ListedPrice, endpoint_for, parse, training_prices
from exporter.simulator import Simulator
from tests.money.conftest import Ledger

M5 = "ml.m5.xlarge"


def entry(
    usd: str = "0.23",
    *,
    unit: str = "Hrs",
    since: str = "2026-10-01T00:00:00Z",
    begin: str = "0",
    currency: str = "USD",
    **attributes: str,
) -> str:
    """Return an entry of PriceList as the API sends it."""
    dimension = {"unit": unit, "beginRange": begin, "pricePerUnit": {currency: usd}}
    return json.dumps(
        {
            "product": {"attributes": {"regionCode": "us-east-1"} | attributes, "sku": "S"},
            "serviceCode": "AmazonSageMaker",
            "terms": {
                "OnDemand": {
                    "S.J": {"effectiveDate": since, "priceDimensions": {"S.J.6": dimension}}
                }
            },
        }
    )


def compute(component: str, usage: str, **more: Any) -> str:
    return entry(instanceName=M5, component=component, usagetype=usage, **more)


@pytest.mark.parametrize("currency", ["CNY", "EUR"])
def test_a_price_in_another_currency_keeps_its_currency(currency: str) -> None:
    assert list(parse([compute("Training", f"Train:{M5}", currency=currency)])) == [
        ListedPrice(
            "us-east-1", "Training", M5, Decimal("0.23"), "Hrs", date(2026, 10, 1), currency
        )
    ]


@pytest.mark.parametrize(
    ("listed", "component", "instance_type"),
    [
        (compute("Training", f"USE1-Train:{M5}"), "Training", M5),
        # The attribute's name differs between entries, and some have only a usage type.
        (entry(platoinstancetype="Training", instanceName=M5), "Training", M5),
        (entry(usagetype=f"EU-Train:{M5}"), "Training", M5),
        (entry(usagetype=f"Train:{M5}"), "Training", M5),
        (compute("Training Warm Pool", f"USE1-Train-WarmPool:{M5}"), "Training Warm Pool", M5),
        (compute("Training", f"USE1-Train-WarmPool:{M5}"), "Training Warm Pool", M5),
        (entry(usagetype=f"APS3-TrainWarmPool:{M5}"), "Training Warm Pool", M5),
        (
            entry(unit="GB-Mo", usagetype="USE1-Train:VolumeUsage.gp2", component="Training"),
            "Training ML storage",
            "",
        ),
        (
            entry(
                unit="GB-Mo",
                usagetype="USE1-Train-WarmPool:VolumeUsage.gp2",
                platovolumetype="Training Warm Pool",
            ),
            "Training Warm Pool ML storage",
            "",
        ),
        # Not on-demand training.
        (compute("Hosting", f"USE1-Host:{M5}"), None, None),
        (compute("Training", f"USE1-DebuggerBuiltInRule:{M5}"), None, None),
        (compute("Processing", f"USE1-Processing:{M5}"), None, None),
        (entry(usagetype=f"USE1-TrainingPlan:{M5}"), None, None),
        (compute("Training", f"USE1-Train:{M5}", unit="GB-Mo"), None, None),
        (compute("Training", f"USE1-Train:{M5}", usd="0.0000000000"), None, None),
        (compute("Training", f"USE1-Train:{M5}", currency="GBP"), None, None),
        (compute("Training", f"USE1-Train:{M5}", begin="1000"), None, None),
        (entry(component="Training", usagetype="USE1-Train:requests"), None, None),
        (entry(), None, None),
    ],
)
def test_an_entry_gives_component_type_and_price_of_training(
    listed: str, component: str | None, instance_type: str | None
) -> None:
    found = list(parse([listed]))
    if component is None or instance_type is None:
        assert found == []
        return
    unit = "GB-Mo" if component.endswith("storage") else "Hrs"
    assert found == [
        ListedPrice("us-east-1", component, instance_type, Decimal("0.23"), unit, date(2026, 10, 1))
    ]


@pytest.mark.parametrize("listed", ["<html>", "[]", "{}", '{"product": {"attributes": 1}}'])
def test_a_malformed_entry_is_a_service_error(listed: str) -> None:
    with pytest.raises(ServiceError, match="cannot be read"):
        list(parse([listed]))


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("us-west-2", "us-east-1"),
        ("eu-west-1", "eu-central-1"),
        ("ap-northeast-1", "ap-south-1"),
        ("cn-north-1", "cn-northwest-1"),
        ("sa-east-1", "us-east-1"),
    ],
)
def test_the_nearest_endpoint_of_the_api_is_used(region: str, endpoint: str) -> None:
    assert endpoint_for(region) == endpoint


def test_the_simulator_lists_the_prices_of_the_public_bill(simulator: Simulator) -> None:
    client = boto3.client("pricing", region_name=endpoint_for("eu-west-1"))
    found = {
        (price.component, price.instance_type): price
        for price in training_prices(client, "eu-west-1")
    }
    assert found["Training", M5].usd_per_unit == Decimal("0.257")
    assert found["Training Warm Pool", "ml.g4dn.xlarge"].usd_per_unit == Decimal("0.822")
    assert found["Training Warm Pool ML storage", ""].usd_per_unit == Decimal("0.154")
    assert {price.region for price in found.values()} == {"eu-west-1"}
    assert not any("Host" in component for component, _ in found)


def listed(usd: str, since: date = date(2026, 10, 1), kind: str = M5) -> ListedPrice:
    return ListedPrice("us-east-1", "Training", kind, Decimal(usd), "Hrs", since)


def test_an_unchanged_price_keeps_its_first_day(ledger: Ledger) -> None:
    later, latest = date(2026, 11, 1), date(2026, 12, 1)
    assert store_api_prices(ledger.connection, [listed("1")]) == 1
    assert store_api_prices(ledger.connection, [listed("1", later)]) == 0
    assert store_api_prices(ledger.connection, [listed("2", latest)]) == 1
    # An older price is not news.
    assert store_api_prices(ledger.connection, [listed("3", later)]) == 0
    assert ledger.read("SELECT usd_per_unit, effective_from, source FROM prices ORDER BY 2") == [
        {
            "usd_per_unit": Decimal(usd),
            "effective_from": since,
            "source": "Price List API",
        }
        for usd, since in (("1", date(2026, 10, 1)), ("2", latest))
    ]


def test_of_two_prices_for_one_item_the_higher_is_stored(ledger: Ledger) -> None:
    assert store_api_prices(ledger.connection, [listed("1"), listed("3"), listed("2")]) == 1
    assert ledger.read("SELECT usd_per_unit FROM prices") == [{"usd_per_unit": Decimal(3)}]
