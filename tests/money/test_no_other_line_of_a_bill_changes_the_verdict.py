"""For any bill of known jobs, only its lines of training decide what `reconcile` says."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.bills import Reconciliation, reconcile
from tests.money.conftest import Ledger
from tests.money.known_jobs import by_the_hour
from tests.support import bills
from tests.support.bills import Charge

#: How each format writes a part, and the end of its name.
WRITERS: dict[str, Any] = {
    "cur csv": (".csv", bills.cur),
    "cur gzip": (".csv.gz", bills.cur),
    "cur zip": (".csv", lambda path, charges: bills.zipped(bills.cur(path, charges))),
    "cur parquet": (".parquet", bills.cur),
    "legacy": (".csv", bills.legacy),
    "legacy zip": (".csv", lambda path, charges: bills.zipped(bills.legacy(path, charges))),
    "athena": (".parquet", bills.athena),
    "athena csv": (".csv.gz", bills.athena),
    "focus 1.0": (".csv", bills.focus),
    "focus 1.0 parquet": (".parquet", bills.focus),
    "focus 1.1": (".csv", lambda path, charges: bills.focus(path, charges, "1.1")),
    "focus 1.2": (".csv.gz", lambda path, charges: bills.focus(path, charges, "1.2")),
    "focus 1.3": (".parquet", lambda path, charges: bills.focus(path, charges, "1.3")),
    "focus 1.3 zip": (
        ".csv",
        lambda path, charges: bills.zipped(bills.focus(path, charges, "1.3")),
    ),
}
#: Cost Explorer knows no jobs, and adds up everything of a usage type but what its filter excludes.
COST_EXPLORER = "cost explorer"
OTHER_KINDS = (
    "Tax", "RIFee", "Fee", "Refund", "Credit", "SavingsPlanRecurringFee", "SavingsPlanUpfrontFee",
    "SavingsPlanNegation", "EdpDiscount", "BundledDiscount", "Purchase",
)  # fmt: skip
MOMENTS = st.datetimes(
    datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)
).map(lambda moment: moment.replace(minute=0, second=0, microsecond=0))  # fmt: skip
LENGTHS = st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(days=31),
                           timedelta(days=365)])  # fmt: skip


@st.composite
def other_lines(draw: st.DrawFn) -> Charge:
    """Draw a line that is no usage of training, of any time, length and account."""
    usage = draw(st.booleans())
    # Lines of another kind may name training; usage of another service does not.
    product = draw(st.sampled_from(["AmazonEC2", "AWSSupportBusiness", "AmazonSageMaker"]))
    component = "Hosting" if usage else draw(st.sampled_from(["Training", "Training Warm Pool"]))
    start = draw(MOMENTS)
    return Charge(
        start,
        component,
        "ml.m5.xlarge",
        draw(st.sampled_from([Decimal(0), Decimal(1), Decimal(-3)])),
        draw(st.decimals(-9999, 9999, places=2)),
        resource=draw(st.sampled_from(["", "i-1", "arn:aws:sagemaker:x:1:training-job/bert-1"])),
        account=draw(st.sampled_from(["111122223333", "999988887777"])),
        kind="Usage" if usage else draw(st.sampled_from(OTHER_KINDS)),
        lasts=draw(LENGTHS),
        product=product,
        line_id=draw(st.sampled_from(["", "x", "line-1"])),
        billing=draw(st.sampled_from([None, datetime(2026, 10, 1, tzinfo=UTC)])),
    )


@st.composite
def shapes(draw: st.DrawFn, *others: str) -> dict[str, Any]:
    """Draw everything about an export that must not matter; others are further formats."""
    return {
        "format": draw(st.sampled_from([*sorted(WRITERS), *others])),
        "others": draw(st.lists(other_lines(), max_size=6)),
        "parts": draw(st.integers(1, 4)),
        "seed": draw(st.integers(0, 999)),
        "older": draw(st.booleans()),
    }


def export(folder: Path, charges: list[Charge], shape: dict[str, Any]) -> Path:
    """Write an export in parts, and an older version with other hours beside it."""
    suffix, write = WRITERS.get(shape["format"], (".csv", bills.cost_explorer))
    others = shape["others"]
    if shape["format"] == COST_EXPLORER:
        others = [line for line in others if line.kind == "Usage"]
    lines = [*charges, *others]
    random.Random(shape["seed"]).shuffle(lines)
    parts = [lines[number :: shape["parts"]] for number in range(shape["parts"])]
    period = folder / "data" / "BILLING_PERIOD=2026-10"
    versions = {"20261106T010101Z-new": parts}
    if shape["older"]:
        older = [replace(line, quantity=Decimal(7)) for line in charges[::2]]
        versions["20261105T010101Z-old"] = [older]
    for version, written in versions.items():
        target = period / version
        target.mkdir(parents=True)
        for number, part in enumerate(written):
            write(target / f"export-{number:05}{suffix}", part)
    return folder


def verdict(ledger: Ledger, charges: list[Charge], shape: dict[str, Any]) -> Reconciliation:
    with TemporaryDirectory() as folder:
        return reconcile(ledger.connection, export(Path(folder), charges, shape))


@pytest.fixture
def charges(priced: Ledger) -> list[Charge]:
    """The lines of a bill of the six jobs, the same for all examples."""
    return [
        replace(charge, line_id=f"line-{number}")
        for number, charge in enumerate(by_the_hour(priced, resources=True))
    ]


def changed(charges: list[Charge], choice: int, change: str) -> tuple[Charge, list[Charge]]:
    """Return a line, and the lines of a bill without it or with other hours of it."""
    line, others = charges[choice], [*charges[:choice], *charges[choice + 1 :]]
    if change == "remove":
        return line, others
    assert line.quantity is not None
    return line, [*others, replace(line, quantity=line.quantity * Decimal(change))]


EVERY = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@EVERY
@given(shape=shapes(COST_EXPLORER))
def test_other_lines_parts_order_versions_and_formats_do_not_matter(
    priced: Ledger, charges: list[Charge], shape: dict[str, Any]
) -> None:
    found = verdict(priced, charges, shape)
    assert (found.differences, found.usd_differences) == ([], [])
    assert (len(found.lines), found.export.monthly) == (13, False)
    if shape["format"] != COST_EXPLORER:
        assert found.export.lines == 36
        assert sum(part.lines for part in found.export.not_compared) == len(shape["others"])


@EVERY
@given(shape=shapes(), choice=st.integers(0, 35), change=st.sampled_from(["remove", "0.5", "3"]))
def test_each_line_of_training_matters_and_its_job_is_named(
    priced: Ledger, charges: list[Charge], shape: dict[str, Any], choice: int, change: str
) -> None:
    line, billed = changed(charges, choice, change)
    found = verdict(priced, billed, shape)
    (differing,) = found.differences
    assert (differing.period, differing.component) == (line.start.date(), line.component)
    assert [job.training_job_arn.lower() for job in differing.jobs] == [line.resource]


@EVERY
@given(
    shape=shapes().map(lambda shape: shape | {"format": COST_EXPLORER}),
    choice=st.integers(0, 35),
    change=st.sampled_from(["remove", "0.5", "3"]),
)
def test_each_line_matters_to_cost_explorer_and_its_job_is_a_candidate(
    priced: Ledger, charges: list[Charge], shape: dict[str, Any], choice: int, change: str
) -> None:
    line, billed = changed(charges, choice, change)
    (differing,) = verdict(priced, billed, shape).differences
    assert (differing.period, differing.component) == (line.start.date(), line.component)
    assert line.resource in [job.training_job_arn.lower() for job in differing.jobs]
