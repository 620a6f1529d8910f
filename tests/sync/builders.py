"""Builds rows, answers and stored jobs of one job that was created at noon."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.config.labels import LabelRules, Labels
from exporter.sagemaker.rows import DetailRow, JobRow
from exporter.sagemaker.service import SEARCH_LAG
from exporter.syncing.merge import MergePolicy, Observed, Stored, StoredDetails

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ARN = "arn:aws:sagemaker:eu-west-1:111122223333:training-job/nightly-42"
POLICY = MergePolicy("111122223333", LabelRules())

_DETAILS = DetailRow(
    ARN,
    NOON,
    instance_type="ml.m5.xlarge",
    instance_count=1,
    volume_size_gb=30,
    managed_spot=False,
    encrypt_traffic=False,
    network_isolation=False,
    serverless=False,
)


def after(minutes: float) -> datetime:
    """Return a moment, minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def job(status: str = "InProgress", **fields: Any) -> JobRow:
    """Return the job with a status."""
    return JobRow(ARN, NOON, "nightly-42", status, **fields)


def details(**fields: Any) -> DetailRow:
    """Return details of the job."""
    return replace(_DETAILS, **fields)


def stored(row: JobRow, *, detail: DetailRow | None = None, **fields: Any) -> Stored:
    """Return the job as it is stored, first seen and verified at noon."""
    base = Stored(
        job=row,
        first_synced_at=NOON,
        updated_at=NOON,
        verified_at=NOON,
        seen_until=NOON,
        labels=Labels("nightly", "counter", None, None),
        details=None if detail is None else StoredDetails(detail, NOON, NOON, final=False),
    )
    return replace(base, **fields)


def listed(row: JobRow, minutes: float) -> Observed:
    """Return an answer of List, minutes after noon."""
    return Observed(row, after(minutes), after(minutes))


def searched(row: JobRow, minutes: float, **fields: Any) -> Observed:
    """Return an answer of Search that stands for the state minutes after noon, or up to 2 more."""
    earliest = after(minutes)
    return Observed(row, earliest, earliest + SEARCH_LAG, details(**fields), authoritative=False)


def described(row: JobRow, minutes: float, **fields: Any) -> Observed:
    """Return an answer of Describe, minutes after noon."""
    return Observed(row, after(minutes), after(minutes), details(**fields))
