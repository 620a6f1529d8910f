"""A job is open while it can still change, and every reason to be open ends at some point."""

from __future__ import annotations

from datetime import datetime

import pytest

from exporter.sagemaker.rows import DetailRow, JobRow
from exporter.syncing.merge import mark_deleted, open_reason
from tests.sync.builders import after, details, job, stored

ENDED = {"training_end_time": after(0), "last_modified_time": after(0)}
POOL = details(keep_alive_seconds=600)
NO_POOL = details()


def completed(**fields: object) -> JobRow:
    return job("Completed", **{**ENDED, **fields})


@pytest.mark.parametrize(
    ("row", "detail", "verified", "updated", "reason"),
    [
        # A job that has not ended is open. An unknown status is not an end.
        (job("InProgress"), NO_POOL, after(99_999), after(0), "running"),
        (job("Stopping"), NO_POOL, after(0), after(0), "running"),
        (job("Deleting"), NO_POOL, after(0), after(0), "running"),
        (job("Hibernating"), POOL, after(0), after(0), "running"),
        # Ended, no pool requested: closed at once.
        (completed(), NO_POOL, after(0), after(0), None),
        (job("Failed", **ENDED), details(keep_alive_seconds=0), after(0), after(0), None),
        # Ended, a pool requested, and its status is missing: a few seconds prove nothing.
        (completed(), POOL, after(0.1), after(0), "pool status late"),
        (completed(), POOL, after(59), after(0), "pool status late"),
        # An hour later: it never got a pool (quota 0, an internal failure).
        (completed(), POOL, after(60), after(0), None),
        # Unknown whether a pool was requested.
        (completed(), None, after(0.1), after(0), "keep-alive unknown"),
        (completed(), None, after(60), after(0), None),
        # Without an end time the last modification counts, then the creation.
        (
            job("Stopped", last_modified_time=after(30)),
            POOL,
            after(60),
            after(0),
            "pool status late",
        ),
        (job("Stopped", last_modified_time=after(30)), POOL, after(90), after(0), None),
        (job("Stopped"), None, after(60), after(0), None),
        # Never verified (only Search showed it): time alone closes nothing.
        (completed(), POOL, None, after(0), "pool status late"),
        # A pool that is not settled keeps its job open for as long as it takes.
        (completed(warm_pool_status="Available"), POOL, after(99_999), after(0), "pool open"),
        # InUse although the job has ended: the next status is late, and may never come.
        (completed(warm_pool_status="InUse"), POOL, after(59), after(0), "pool status late"),
        (completed(warm_pool_status="InUse"), POOL, after(60), after(0), None),
        (completed(warm_pool_status="Draining"), POOL, after(99_999), after(0), "pool open"),
        # Settled with its seconds: closed.
        (
            completed(warm_pool_status="Terminated", warm_pool_retained_seconds=0),
            POOL,
            after(1),
            after(1),
            None,
        ),
        (
            completed(warm_pool_status="Reused", warm_pool_retained_seconds=7),
            None,
            after(1),
            after(1),
            None,
        ),
        # Settled without its seconds: open for an hour after that was seen.
        (completed(warm_pool_status="Terminated"), POOL, after(70), after(20), "pool seconds late"),
        (completed(warm_pool_status="Terminated"), POOL, after(80), after(20), None),
    ],
)
def test_a_job_is_open_for_a_reason_that_ends(
    row: JobRow,
    detail: DetailRow | None,
    verified: datetime | None,
    updated: datetime,
    reason: str | None,
) -> None:
    known = stored(row, detail=detail, verified_at=verified, updated_at=updated)
    assert open_reason(known) == reason


@pytest.mark.parametrize(
    "row", [job("InProgress"), completed(), completed(warm_pool_status="Available")]
)
def test_a_deleted_job_is_closed_and_keeps_its_last_state(row: JobRow) -> None:
    known = stored(row, detail=POOL, open_reason="running", details_due=True)
    deleted = mark_deleted(known, after(5))
    assert (deleted.job, deleted.details) == (known.job, known.details)
    assert open_reason(deleted) is None
    assert (deleted.deleted_at, deleted.updated_at, deleted.open_reason, deleted.details_due) == (
        after(5),
        after(5),
        None,
        False,
    )
