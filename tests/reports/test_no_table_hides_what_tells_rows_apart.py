"""At 80 columns, no two rows of a report look alike if anything in them differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations, product

import pytest

from exporter.reports import table
from exporter.reports.catalogue import catalogue
from exporter.reports.result import Result, Row
from tests.support.cases import ACCOUNT, NOW, REGION, Record, World, job

SCOPES = list(product((ACCOUNT, "444455556666"), (REGION, "us-east-1")))
LONG = "multilingual-translation-transformer-large"
#: The rows whose pairs are compared.
_ROWS = 6


def twins(start: datetime) -> Iterator[Record]:
    """Yield jobs for two rows, at least, in each report; every scope gets the same ones."""
    other = "ml.p3.2xlarge"
    for number in range(8):
        period = 1800 if number < 4 else 600  # for keep-alive-results
        created = start + timedelta(hours=3 * number)
        yield job(
            f"{LONG}-{number}",
            created,
            keep_alive=period,
            pool=("Terminated", period),
            SecondaryStatusTransitions=[
                {"Status": status, "StartTime": created} for status in ("Starting", "Training")
            ],
        )
    taken = ("Reused", 60)
    yield job("t-1", start, keep_alive=600, pool=taken, taken_by="t-2", instance_type=other)
    yield job("t-2", start + timedelta(seconds=2220), instance_type=other)
    yield job("none-1", start, keep_alive=600, instance_type=other)
    for number, reason in enumerate(("AlgorithmError: x", "InternalServerError")):
        yield job(f"bad-{number}", start, TrainingJobStatus="Failed", FailureReason=reason)
    for number, kind in enumerate(("ml.g5.xlarge", other)):
        spot = job(f"cheap-{number}", start, instance_type=kind, EnableManagedSpotTraining=True)
        yield spot | {"BillableTimeInSeconds": 600}
    now = NOW - timedelta(hours=1)
    unpriced = "ml.trn1n.32xlarge"
    yield job("w-1", now, keep_alive=7200, pool=("Available", 1), instance_type=unpriced)
    running = job("runs-1", now, TrainingEndTime=None, SecondaryStatus="Training")
    yield running | {"TrainingJobStatus": "InProgress", "BillableTimeInSeconds": None}


@pytest.fixture
def full(world: World) -> World:
    for account, region in SCOPES:
        world.put(twins(NOW - timedelta(days=20)), account=account, region=region)
        world.price("1.5", region=region)
        world.price("3", "ml.p3.2xlarge", region=region)
    return world


def swapped(result: Result, rows: Sequence[Row], one: int, other: int) -> str:
    """Return the table with two of the rows in each other's place."""
    order = list(rows)
    order[one], order[other] = order[other], order[one]
    return table.render(replace(result, rows=order), width=80)


def test_rows_that_differ_look_different_at_80_columns(full: World) -> None:
    arguments = {"job-history": f"{LONG}-7", "keep-alive-curve": LONG}
    groups = {name: [()] for name in catalogue()} | {
        "training-cost": [("account",), ("region", "family"), ("instance_type", "account", "day")],
    }
    for name in catalogue():
        for by in groups[name]:
            result = full.run(name, argument=arguments.get(name), by=by)
            rows = list(result.rows)[:_ROWS]
            assert len(rows) > 1, f"{name} has no rows to compare"
            usual = table.render(replace(result, rows=rows), width=80)
            for one, other in combinations(range(len(rows)), 2):
                if tuple(rows[one]) != tuple(rows[other]):
                    assert swapped(result, rows, one, other) != usual, (name, by, rows[one])


def test_no_report_marks_a_key_to_be_hidden() -> None:
    for name, report in catalogue().items():
        keys = [column for column in report.columns.values() if column.key]
        assert keys or report.by, name
        assert not any(column.wide for column in keys), name
