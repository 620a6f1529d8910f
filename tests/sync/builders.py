"""Short ways to a row, an answer and a stored job."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.config.labels import LabelRules, Labels
from exporter.sagemaker.rows import DetailRow, JobRow
from exporter.syncing.merge import MergePolicy, Observed, Stored, StoredDetails

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ARN = "arn:aws:sagemaker:eu-west-1:111122223333:training-job/nightly-42"
POLICY = MergePolicy("111122223333", LabelRules())

_DETAILS = DetailRow(
    training_job_arn=ARN,
    creation_time=NOON,
    instance_type="ml.m5.xlarge",
    instance_count=1,
    instance_groups=None,
    volume_size_gb=30,
    keep_alive_seconds=None,
    training_start_time=None,
    billable_seconds=None,
    training_seconds=None,
    managed_spot=False,
    tuning_job_arn=None,
    role_arn=None,
    failure_reason=None,
    tags=None,
    status_transitions=None,
    volume_kms_key_id=None,
    subnets=None,
    security_group_ids=None,
    encrypt_traffic=False,
    network_isolation=False,
    serverless=False,
)


def after(minutes: float) -> datetime:
    """A moment, minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def job(status: str = "InProgress", **fields: Any) -> JobRow:
    """A job created at noon."""
    return JobRow(ARN, NOON, "nightly-42", status, **fields)


def details(**fields: Any) -> DetailRow:
    """Details of that job."""
    return replace(_DETAILS, **fields)


def stored(row: JobRow, *, detail: DetailRow | None = None, **fields: Any) -> Stored:
    """That job as it is stored, first seen and verified at noon."""
    base = Stored(
        job=row,
        first_synced_at=NOON,
        updated_at=NOON,
        verified_at=NOON,
        labels=Labels("nightly", "counter", None, None),
        details=None if detail is None else StoredDetails(detail, NOON, final=False),
    )
    return replace(base, **fields)


def listed(row: JobRow, minutes: float) -> Observed:
    """An answer of List, minutes after noon."""
    return Observed(row, after(minutes))


def searched(row: JobRow, minutes: float, **fields: Any) -> Observed:
    """An answer of Search that stands for the state minutes after noon."""
    return Observed(row, after(minutes), details(**fields), sure=False)


def described(row: JobRow, minutes: float, **fields: Any) -> Observed:
    """An answer of Describe, minutes after noon."""
    return Observed(row, after(minutes), details(**fields))
