"""Bill lines are classified, and the rate behind their figures is found."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from exporter.reconcile.meaning import Meaning, meaning
from exporter.reconcile.rates import shortest

M5 = "ml.m5.xlarge"


@pytest.mark.parametrize(
    ("texts", "unit", "expected"),
    [
        # Descriptions of the public bill.
        (
            ["$0.257 per Training ml.m5.xlarge hour in EU (Ireland)"],
            "Hrs",
            Meaning("Training", M5),
        ),
        (
            ["$0.257 per Training Warm Pool ml.m5.xlarge hour in EU (Ireland)"],
            "Hrs",
            Meaning("Training Warm Pool", M5),
        ),
        (
            ["$0.822 for Training Warm Pool job ml.g4dn.xlarge per hour in EU (Ireland)"],
            "Hrs",
            Meaning("Training Warm Pool", "ml.g4dn.xlarge"),
        ),
        (
            ["$0.154 per GB-Mo of Training Job ML storage"],
            "GB-Mo",
            Meaning("Training ML storage", ""),
        ),
        (
            ["$0.154 per GB-Mo of Training Warm Pool Job ML storage"],
            "GB-Mo",
            Meaning("Training Warm Pool ML storage", ""),
        ),
        (["$0.055 per Notebook ml.t3.medium hour in EU (Ireland)"], "Hrs", None),
        (["$0.257 per BatchTransform Job ml.m5.xlarge hour in EU (Ireland)"], "Hrs", None),
        (["$0.0 for SageMaker Debugger Built-in Rule Instance"], "Hrs", None),
        (["$0.110 per GB-Mo of Processing ML storage"], "GB-Mo", None),
        # Usage types alone.
        (["USE1-Train:ml.p4d.24xlarge"], "Hours", Meaning("Training", "ml.p4d.24xlarge")),
        (["Train:ml.p6-b200.48xlarge"], None, Meaning("Training", "ml.p6-b200.48xlarge")),
        (["EU-Train-WarmPool:ml.m5.xlarge"], "Hrs", Meaning("Training Warm Pool", M5)),
        (["EU-Train:VolumeUsage.gp2"], "GB-Months", Meaning("Training ML storage", "")),
        (["USE1-Host:ml.m5.xlarge"], "Hrs", None),
        (["USE1-TrainingPlan:ml.p5.48xlarge"], "Hrs", None),
        (["USE1-Trainium:ml.trn1.32xlarge"], "Hrs", None),
        # The usage type is not clear; another text is.
        (["EU-X:ml.m5.xlarge", "Training Warm Pool"], "Hrs", Meaning("Training Warm Pool", M5)),
        (["EU-Train:ml.m5.xlarge", None, ""], "Hrs", Meaning("Training", M5)),
        # Nothing to classify by.
        (["Training of something"], "Hrs", None),
        (["USE1-Train:ml.m5.xlarge"], "Requests", None),
        ([None], None, None),
    ],
)
def test_a_line_is_classified(
    texts: list[str | None], unit: str | None, expected: Meaning | None
) -> None:
    assert meaning(texts, unit) == expected


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
def test_the_rate_is_the_shortest_number_that_explains_the_cost(
    low: str, high: str, expected: str
) -> None:
    def number(text: str) -> Fraction:
        above, _, below = text.partition("/")
        return Fraction(above) / Fraction(below or 1)

    assert shortest(number(low), number(high)) == Decimal(expected)
