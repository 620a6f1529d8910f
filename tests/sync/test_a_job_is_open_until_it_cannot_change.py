"""The one predicate of open and closed: every way to be open has a way out, none too early."""

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
        # Not ended: open, whatever else is known, and a status nobody knows is not an end.
        (job("InProgress"), NO_POOL, after(99_999), after(0), "running"),
        (job("Stopping"), NO_POOL, after(0), after(0), "running"),
        (job("Deleting"), NO_POOL, after(0), after(0), "running"),
        (job("Hibernating"), POOL, after(0), after(0), "running"),
        # Ended, no pool asked for: closed at once.
        (completed(), NO_POOL, after(0), after(0), None),
        (job("Failed", **ENDED), details(keep_alive_seconds=0), after(0), after(0), None),
        # Ended, a pool asked for, and its status is not there yet: five seconds prove nothing.
        (completed(), POOL, after(0.1), after(0), "pool status late"),
        (completed(), POOL, after(59), after(0), "pool status late"),
        # An hour later it never got one (quota 0, an internal failure).
        (completed(), POOL, after(60), after(0), None),
        # Nobody knows yet whether a pool was asked for.
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
        # Never verified (seen by Search only): no silence closes it.
        (completed(), POOL, None, after(0), "pool status late"),
        # A pool that is not settled stays open for as long as it takes.
        (completed(warm_pool_status="Available"), POOL, after(99_999), after(0), "pool open"),
        # In use by a job that has ended: what comes after has not been seen, and may never come.
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
        # Settled and its seconds missing: an hour from when that was seen.
        (completed(warm_pool_status="Terminated"), POOL, after(70), after(20), "pool seconds late"),
        (completed(warm_pool_status="Terminated"), POOL, after(80), after(20), None),
    ],
)
def test_why_a_job_is_open(
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
    gone = mark_deleted(known, after(5))
    assert (gone.job, gone.details) == (known.job, known.details)
    assert open_reason(gone) is None
    assert (gone.deleted_at, gone.updated_at, gone.open_reason, gone.details_due) == (
        after(5),
        after(5),
        None,
        False,
    )
