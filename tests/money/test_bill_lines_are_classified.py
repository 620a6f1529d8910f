"""Texts of a bill line give its component and instance type; its amounts give a rate."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from exporter.bills.classify import ON_DEMAND, SPOT, TRAINING_PLAN, classify, purchase_of
from exporter.bills.rates import shortest

M5 = "ml.m5.xlarge"


@pytest.mark.parametrize(
    ("texts", "unit", "expected"),
    [
        # Descriptions on the public bill.
        (["$0.257 per Training ml.m5.xlarge hour in EU (Ireland)"], "Hrs", ("Training", M5)),
        (
            ["$0.257 per Training Warm Pool ml.m5.xlarge hour in EU (Ireland)"],
            "Hrs",
            ("Training Warm Pool", M5),
        ),
        (
            ["$0.822 for Training Warm Pool job ml.g4dn.xlarge per hour in EU (Ireland)"],
            "Hrs",
            ("Training Warm Pool", "ml.g4dn.xlarge"),
        ),
        (["$0.154 per GB-Mo of Training Job ML storage"], "GB-Mo", ("Training ML storage", "")),
        (
            ["$0.154 per GB-Mo of Training Warm Pool Job ML storage"],
            "GB-Mo",
            ("Training Warm Pool ML storage", ""),
        ),
        (["$0.055 per Notebook ml.t3.medium hour in EU (Ireland)"], "Hrs", None),
        (["$0.257 per BatchTransform Job ml.m5.xlarge hour in EU (Ireland)"], "Hrs", None),
        (["$0.0 for SageMaker Debugger Built-in Rule Instance"], "Hrs", None),
        (["$0.110 per GB-Mo of Processing ML storage"], "GB-Mo", None),
        # Usage types without a description.
        (["USE1-Train:ml.p4d.24xlarge"], "Hours", ("Training", "ml.p4d.24xlarge")),
        (["Train:ml.p6-b200.48xlarge"], None, ("Training", "ml.p6-b200.48xlarge")),
        (["EU-Train-WarmPool:ml.m5.xlarge"], "Hrs", ("Training Warm Pool", M5)),
        (["EU-Train:VolumeUsage.gp2"], "GB-Months", ("Training ML storage", "")),
        (["USE1-Host:ml.m5.xlarge"], "Hrs", None),
        (["USE1-TrainingPlan:ml.p5.48xlarge"], "Hrs", None),
        (["USE1-Trainium:ml.trn1.32xlarge"], "Hrs", None),
        # The usage type is ambiguous, another text is clear.
        (["EU-X:ml.m5.xlarge", "Training Warm Pool"], "Hrs", ("Training Warm Pool", M5)),
        (["EU-Train:ml.m5.xlarge", None, ""], "Hrs", ("Training", M5)),
        # Neither an instance type nor storage.
        (["Training of something"], "Hrs", None),
        (["USE1-Train:ml.m5.xlarge"], "Requests", None),
        ([None], None, None),
    ],
)
def test_a_line_is_classified_by_its_texts_and_unit(
    texts: list[str | None], unit: str | None, expected: tuple[str, str] | None
) -> None:
    found = classify(texts, unit)
    assert (found and found[:2]) == expected


@pytest.mark.parametrize(("unit", "per_hour"), [("Hrs", 1), ("Minutes", 60), ("Second", 3600)])
def test_a_unit_of_time_is_converted_to_hours(unit: str, per_hour: int) -> None:
    found = classify(["EU-Train:ml.m5.xlarge"], unit)
    assert found == ("Training", M5, per_hour)


@pytest.mark.parametrize(
    ("texts", "component", "purchase"),
    [
        (["EU-Train:ml.m5.xlarge", "$0.257 for Training ml.m5.xlarge"], "Training", ON_DEMAND),
        (["EU-Train:ml.m5.xlarge", "Spot"], "Training", SPOT),
        (["EU-SpotTrain:ml.m5.xlarge"], "Training", SPOT),
        (["EU-Train-Spot:ml.m5.xlarge"], "Training", SPOT),
        (["EU-Train:ml.m5.xlarge", "Training ml.m5.xlarge, Training Plan"], "Training",
         TRAINING_PLAN),
    ],
)  # fmt: skip
def test_the_texts_tell_how_the_usage_was_bought(
    texts: list[str], component: str, purchase: str
) -> None:
    assert classify(texts, "Hrs") == (component, M5, 1)
    assert purchase_of(texts) == purchase


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("42.995/167.301", "43.005/167.301", "0.257"),
        ("0.295/1.942", "0.305/1.942", "0.154"),
        ("17.095/4.139", "17.105/4.139", "4.131"),
        ("1", "1", "1"),
        ("1/3", "1/3", "0.333333333333"),
        ("0.2", "0.9", "0.6"),
        ("0.6", "1.2", "1"),
    ],
)
def test_the_rate_is_the_shortest_number_that_explains_the_amounts(
    low: str, high: str, expected: str
) -> None:
    def number(text: str) -> Fraction:
        above, _, below = text.partition("/")
        return Fraction(above) / Fraction(below or 1)

    assert shortest(number(low), number(high)) == Decimal(expected)
