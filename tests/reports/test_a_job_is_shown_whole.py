"""`job NAME`: what a job is, what happened, its pool and chain, its cost, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exporter.errors import UsageError
from exporter.reports import job as jobs
from exporter.reports import table
from tests.support.cases import ACCOUNT, NOW, REGION, World, job

CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job"


def _chain(world: World) -> None:
    """Put two jobs on one pool: 600 idle seconds between them, 900 after them."""
    world.price("3.60")
    world.put(
        [
            job("a-1", CREATED, pool=("Reused", 600), taken_by="b-1", keep_alive=1200),
            job("b-1", CREATED + timedelta(hours=1), pool=("Terminated", 900), keep_alive=900),
            job("c-1", CREATED + timedelta(hours=3), volume=100),
        ]
    )


def test_a_job_shows_its_facts_history_cost_and_chain(world: World) -> None:
    _chain(world)
    (found,) = jobs.read(world.connection, "b-1")
    answer = found.to_json()
    ended = CREATED + timedelta(hours=1, seconds=2100)
    assert answer.pop("history") == []
    assert answer.pop("costs") == [
        {
            "component": component,
            "instance_type": "ml.g5.xlarge",
            "instance_hours": hours,
            "gb_months": None,
            "usd_per_unit": Decimal("3.6"),
            "price_source": "import",
            "cost_usd": usd,
            "cost_basis": "settled",
        }
        for component, hours, usd in [
            ("Training", Decimal("0.5"), Decimal("1.8")),
            ("Training Warm Pool", Decimal("0.25"), Decimal("0.9")),
        ]
    ]
    assert answer.pop("chain") == [
        {
            "job": name,
            "started_at": start,
            "ended_at": start + timedelta(seconds=1800),
            "training_seconds": 1800,
            "training_usd": Decimal("1.8"),
            "idle_seconds": idle,
            "idle_usd": usd,
            "pool": pool,
            "is_this_job": name == "b-1",
        }
        for name, start, idle, usd, pool in [
            ("a-1", CREATED + timedelta(seconds=300), 600, Decimal("0.6"), "Reused"),
            ("b-1", CREATED + timedelta(seconds=3900), 900, Decimal("0.9"), "Terminated"),
        ]
    ]
    assert answer == {
        "training_job_name": "b-1",
        "training_job_status": "Completed",
        "secondary_status": "Completed",
        "failure_reason": None,
        "account_id": ACCOUNT,
        "account_name": None,
        "region": REGION,
        "job_family": "b",
        "team": None,
        "creation_time": CREATED + timedelta(hours=1),
        "training_start_time": CREATED + timedelta(seconds=3900),
        "training_end_time": ended,
        "training_seconds": 1800,
        "billable_seconds": 1800,
        "specification": "ml.g5.xlarge × 1 · role train · 30 GB",
        "instance_type": "ml.g5.xlarge",
        "instance_count": 1,
        "instance_groups": None,
        "volume_size_gb": 30,
        "managed_spot": None,
        "serverless": False,
        "training_plan_arn": None,
        "tuning_job_arn": None,
        "role_arn": f"arn:aws:iam::{ACCOUNT}:role/train",
        "tags": None,
        "keep_alive_seconds": 900,
        "warm_pool_status": "Terminated",
        "warm_pool_retained_seconds": 900,
        "warm_pool_reused_by_job": None,
        "why_not_reused": (
            "1h 10m after expiry; volume 100 GB instead of 30 GB (nearest job: c-1)"
        ),
        "last_modified_time": ended,
        "first_synced_at": NOW,
        "verified_at": NOW,
        "fetched_at": NOW,
        "deleted_at": None,
        "open_reason": None,
        "data_as_of": NOW,
        "training_job_arn": f"{ARN}/b-1",
        "cost_usd": Decimal("2.7"),
        "unknown": [],
    }


def test_jobs_of_one_name_follow_each_other_and_an_arn_means_one(world: World) -> None:
    world.put([job("a-1", CREATED)], deleted=NOW)
    world.put([job("a-1", CREATED + timedelta(days=1))])
    world.put([job("a-1", CREATED - timedelta(days=1))], account="444455556666")
    every = [
        (each.facts["account_id"], each.facts["creation_time"])
        for each in jobs.read(world.connection, "a-1")
    ]
    assert every == [
        (ACCOUNT, CREATED + timedelta(days=1)),
        (ACCOUNT, CREATED),
        ("444455556666", CREATED - timedelta(days=1)),
    ]
    assert len(jobs.read(world.connection, f"{ARN}/A-1".upper())) == 2
    assert len(jobs.read(world.connection, "a-1", account="444455556666")) == 1
    assert len(jobs.read(world.connection, "a-1", region=REGION)) == 3


@pytest.mark.parametrize(
    ("record", "deleted", "said"),
    [
        ({}, None, ["no price: No price is known for it."]),
        (
            {"BillableTimeInSeconds": None},
            None,
            ["unknown seconds: The billable seconds are not known."],
        ),
        (
            {},
            NOW,
            [
                "no price: No price is known for it.",
                "Deleted at AWS: nothing after 2026-11-01T00:00:00Z can be known.",
            ],
        ),
        (
            {"keep_alive": 600},
            None,
            [
                "no price: No price is known for it.",
                "The job asked for a warm pool, and AWS reported none: the quota may be 0 or used "
                "up, or the job ended in a way that keeps no pool.",
            ],
        ),
    ],
)
def test_what_is_not_known_is_said_with_its_reason(
    world: World, record: dict[str, Any], deleted: datetime | None, said: list[str]
) -> None:
    # A type without a price, of a family whose jobs pay no storage.
    unpriced = job("a-1", CREATED, instance_type="ml.g5.nosuch", **record)
    world.put([unpriced], deleted=deleted)
    (found,) = jobs.read(world.connection, "a-1")
    assert list(found.unknown) == said
    assert found.to_json()["cost_usd"] is None


def test_a_name_that_is_not_there_brings_the_nearest(world: World) -> None:
    with pytest.raises(UsageError, match=r"no jobs yet"):
        jobs.read(world.connection, "bert")
    world.put([job("bert-ft-1", CREATED), job("resnet-1", CREATED), job("ber-2", CREATED)])
    with pytest.raises(UsageError, match=r"no job 'brt'.*Nearest: bert-ft-1, ber-2, resnet-1"):
        jobs.read(world.connection, "brt")
    with pytest.raises(UsageError, match=r"no job 'ber-2' in us-east-1.*Nearest: ber-2"):
        jobs.read(world.connection, "ber-2", region="us-east-1")


def test_eighty_columns_hold_every_section(world: World) -> None:
    _chain(world)
    world.connection.execute(
        'UPDATE training_job_details SET tags = \'{"Project": "\\u00dcbersetzung"}\''
    )
    (found,) = jobs.read(world.connection, "a-1")
    text = "\n".join(table.render(part, width=80) for part in found.sections())
    assert max(map(len, text.splitlines())) <= 80
    for title in ("a-1", "What it cost", "The pool: jobs on the same instances, in order"):
        assert title in text.splitlines()
    assert "2026-10-03T13:05:00Z" in text
    assert '{"Project": "Übersetzung"}' in text
    assert "is this job" in text.splitlines()[-2] + text.splitlines()[-1]
