"""A specification is equal for jobs that share pools, different for all others, and readable."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.money.conftest import CREATED, Ledger

ROLE = "arn:aws:iam::111122223333:role/train"
DETAILS = {
    "instance_type": "ml.g5.xlarge",
    "instance_count": 1,
    "role_arn": ROLE,
    "volume_size_gb": 30,
    "keep_alive_seconds": 600,
}
LABEL = "ml.g5.xlarge × 1 · role train · 30 GB"
VIEWS = ("internal.job_specifications", "warm_pool_costs", "training_job_costs", "daily_costs")


def specification(ledger: Ledger, details: dict[str, Any], **job: Any) -> str | None:
    """Return the specification of a job with a pool, which must be the same in every view."""
    end = CREATED + timedelta(hours=1)
    pool: dict[str, Any] = {"warm_pool_status": "Terminated", "warm_pool_retained_seconds": 60}
    ledger.connection.execute("DELETE FROM training_jobs")
    ledger.connection.execute("DELETE FROM training_job_details")
    ledger.job("a-1", details=DETAILS | details, training_end_time=end, **(pool | job))
    found = {row["specification"] for view in VIEWS for row in ledger.read(f"FROM {view}")}
    assert len(found) == 1
    label: str | None = found.pop()
    return label


def test_the_label_says_what_is_compared(ledger: Ledger) -> None:
    assert specification(ledger, {}) == LABEL
    chains = ledger.read("SELECT specification FROM warm_pool_chains")
    assert chains == [{"specification": LABEL}]
    assert (
        specification(
            ledger,
            {
                "instance_count": 2,
                "role_arn": "arn:aws-cn:iam::111122223333:role/team/train",
                "volume_kms_key_id": "arn:aws:kms:eu-west-1:111122223333:key/1a2b",
                "encrypt_traffic": True,
                "network_isolation": True,
            },
        )
        == "ml.g5.xlarge × 2 · role team/train · 30 GB · key 1a2b · encrypted traffic · isolated"
    )


@pytest.mark.parametrize(
    "more",
    [
        {"instance_type": "ml.g5.2xlarge"},
        {"instance_count": 2},
        {"instance_count": None},
        {"volume_size_gb": 31},
        {"volume_kms_key_id": "k"},
        {"role_arn": f"{ROLE}2"},
        {"role_arn": "arn:aws:iam::111122223333:role/team/train"},
        {"role_arn": None},
        {"subnets": '["s"]'},
        {"security_group_ids": '["s"]'},
        {"subnets": '["s", "t"]', "security_group_ids": '["s"]'},
        {"encrypt_traffic": True},
        {"network_isolation": True},
    ],
)
def test_a_job_that_differs_in_any_compared_setting_has_its_own(
    ledger: Ledger, more: dict[str, Any]
) -> None:
    assert specification(ledger, more) not in {LABEL, None}


def test_names_keep_alive_and_a_setting_that_says_no_make_no_difference(ledger: Ledger) -> None:
    more = {"keep_alive_seconds": 60, "encrypt_traffic": False, "network_isolation": False}
    assert specification(ledger, more, job_family="other") == LABEL


@pytest.mark.parametrize(
    ("details", "job"),
    [
        ({"managed_spot": True}, {}),
        ({"serverless": True}, {}),
        ({}, {"training_plan_arn": "arn:plan"}),
        (
            {
                "instance_type": None,
                "instance_groups": '[{"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}]',
            },
            {},
        ),
    ],
)
def test_a_job_without_pools_has_none(
    ledger: Ledger, details: dict[str, Any], job: dict[str, Any]
) -> None:
    assert specification(ledger, details, **job) is None
