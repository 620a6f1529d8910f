"""How fresh the data is, what is still open, and what went wrong: the figures of `status`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from exporter.times import format_age, format_time

#: Counts of jobs by scope. A job is unpriced where its instance type has no price in its region;
#: training plans and serverless jobs are not meant to have one.
_SCOPES: Final = """
WITH priced AS (
    SELECT DISTINCT region, instance_type
    FROM prices
    WHERE component = 'Training'
),

billed AS (
    SELECT
        job.account_id,
        job.region,
        detail.training_job_arn IS NULL AS without_details,
        job.open_reason IS NOT NULL AS is_open,
        job.warm_pool_status = 'Available' AS has_open_pool,
        job.deleted_at IS NOT NULL AS is_deleted,
        CASE
            WHEN job.training_plan_arn IS NOT NULL OR coalesce(detail.serverless, FALSE) THEN []
            WHEN detail.instance_type IS NOT NULL THEN [detail.instance_type]
            WHEN detail.instance_groups IS NOT NULL
                THEN json_extract_string(detail.instance_groups, '$[*].InstanceType')
            ELSE []
        END AS instance_types
    FROM training_jobs AS job
    LEFT JOIN training_job_details AS detail
        ON
            job.training_job_arn = detail.training_job_arn
            AND job.creation_time = detail.creation_time
),

counted AS (
    SELECT
        billed.account_id,
        billed.region,
        billed.instance_types,
        count(*) AS jobs,
        count(*) FILTER (WHERE billed.is_open) AS open_jobs,
        count(*) FILTER (WHERE billed.has_open_pool) AS open_pools,
        count(*) FILTER (WHERE billed.is_deleted) AS deleted_jobs,
        count(*) FILTER (WHERE billed.without_details) AS jobs_without_details
    FROM billed
    GROUP BY ALL
),

by_scope AS (
    SELECT
        counted.account_id,
        counted.region,
        sum(counted.jobs) AS jobs,
        sum(counted.open_jobs) AS open_jobs,
        sum(counted.open_pools) AS open_pools,
        sum(counted.deleted_jobs) AS deleted_jobs,
        sum(counted.jobs_without_details) AS jobs_without_details,
        sum(counted.jobs) FILTER (
            WHERE len(
                list_filter(
                    counted.instance_types,
                    lambda kind: NOT list_contains(known.instance_types, kind)
                )
            ) > 0
        ) AS jobs_without_price
    FROM counted
    LEFT JOIN (
        SELECT scope.region, coalesce(list(priced.instance_type) FILTER (
            WHERE priced.instance_type IS NOT NULL
        ), []) AS instance_types
        FROM (SELECT DISTINCT region FROM training_jobs) AS scope
        LEFT JOIN priced ON scope.region = priced.region
        GROUP BY scope.region
    ) AS known ON counted.region = known.region
    GROUP BY ALL
)

SELECT
    known.account_id,
    accounts.account_name,
    known.region,
    scope.account_id IS NULL AS one_off,
    scope.watermark,
    scope.last_complete_at,
    scope.discovered_from,
    scope.listing_mode,
    scope.listing_position,
    scope.last_error,
    coalesce(scope.failing_runs, 0) AS failing_runs,
    CAST(coalesce(by_scope.jobs, 0) AS BIGINT) AS jobs,
    CAST(coalesce(by_scope.open_jobs, 0) AS BIGINT) AS open_jobs,
    CAST(coalesce(by_scope.open_pools, 0) AS BIGINT) AS open_pools,
    CAST(coalesce(by_scope.deleted_jobs, 0) AS BIGINT) AS deleted_jobs,
    CAST(coalesce(by_scope.jobs_without_details, 0) AS BIGINT) AS jobs_without_details,
    CAST(coalesce(by_scope.jobs_without_price, 0) AS BIGINT) AS jobs_without_price
FROM (
    SELECT account_id, region FROM sync_scopes
    UNION
    SELECT account_id, region FROM by_scope
) AS known
LEFT JOIN sync_scopes AS scope
    ON known.account_id = scope.account_id AND known.region = scope.region
LEFT JOIN by_scope
    ON known.account_id = by_scope.account_id AND known.region = by_scope.region
LEFT JOIN accounts ON known.account_id = accounts.account_id
ORDER BY known.account_id, known.region
"""

_RUNS: Final = """
SELECT
    run.run_id,
    run.account_id,
    run.region,
    run.mode,
    run.started_at,
    run.ended_at,
    run.outcome,
    CAST(run.calls AS VARCHAR) AS calls,
    coalesce(run.throttles, 0) AS throttles,
    coalesce(run.jobs_seen, 0) AS jobs_seen,
    coalesce(run.jobs_inserted, 0) AS jobs_inserted,
    coalesce(run.jobs_changed, 0) AS jobs_changed,
    coalesce(run.jobs_deleted, 0) AS jobs_deleted,
    run.error
FROM sync_runs AS run
ORDER BY run.started_at DESC, run.run_id DESC
LIMIT :runs
"""


@dataclass(frozen=True)
class Scope:
    """An account and region; see sync_scopes for the times. Counts are of jobs.

    `one_off`: only syncs with a filter or a creation window have found jobs in it.
    """

    account_id: str
    account_name: str | None
    region: str
    one_off: bool
    watermark: datetime | None
    last_complete_at: datetime | None
    discovered_from: datetime | None
    listing_mode: str | None
    listing_position: datetime | None
    last_error: str | None
    failing_runs: int
    jobs: int
    open_jobs: int
    open_pools: int
    deleted_jobs: int
    jobs_without_details: int
    jobs_without_price: int

    @property
    def name(self) -> str:
        """`account/region`."""
        return f"{self.account_id}/{self.region}"

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the data was known to be complete; None = never."""
        return None if self.watermark is None else max(now - self.watermark, timedelta())

    def gaps(self) -> Iterator[str]:
        """What is not there, in words."""
        if self.one_off:
            yield "one-off syncs only, which tell nothing of what else there is"
        elif self.watermark is None:
            yield "never synced completely"
        if self.discovered_from is not None:
            yield f"nothing from before {format_time(self.discovered_from)}"
        if self.listing_mode is not None:
            place = (
                f" has come to {format_time(self.listing_position)}"
                if self.listing_position
                else " has not read a page yet"
            )
            yield f"its {self.listing_mode} listing{place}; the next sync goes on from there"


@dataclass(frozen=True)
class Run:
    """A row of sync_runs; `calls` is a sum over the operations."""

    run_id: str
    account_id: str
    region: str
    mode: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    calls: int
    throttles: int
    jobs_seen: int
    jobs_inserted: int
    jobs_changed: int
    jobs_deleted: int
    error: str | None

    @property
    def seconds(self) -> float | None:
        """How long it took; None = it was killed, or still runs."""
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Status:
    """What `status` shows, as of `now` by this machine's clock; the latest run first."""

    now: datetime
    scopes: tuple[Scope, ...]
    runs: tuple[Run, ...]

    def stale(self, most: timedelta) -> list[str]:
        """The scopes whose data is older than that, each with its age; all where there is none.

        Those of one-off syncs are meant to be complete at no time, so they are passed over.
        """
        synced = [scope for scope in self.scopes if not scope.one_off]
        if not synced:
            only = "but for one-off syncs, " if self.scopes else ""
            return [f"{only}nothing has been synced yet"]
        found = []
        for scope in synced:
            age = scope.age(self.now)
            if age is None:
                found.append(f"{scope.name} has never been complete")
            elif age > most:
                found.append(f"{scope.name} is {format_age(age)} old")
        return found

    def to_json(self) -> dict[str, Any]:
        """The documented answer of `status --json`; ages and durations are in seconds."""
        return {
            "version": 1,
            "now": self.now,
            "scopes": [
                {
                    "scope": scope.name,
                    **asdict(scope),
                    "age_seconds": _seconds(scope.age(self.now)),
                    "gaps": list(scope.gaps()),
                }
                for scope in self.scopes
            ],
            "runs": [{**asdict(run), "seconds": run.seconds} for run in self.runs],
        }


def read(connection: sa.Connection, now: datetime, *, runs: int = 10) -> Status:
    """Read it from the database; `runs` is how many of the last runs."""
    scopes = connection.execute(sa.text(_SCOPES)).mappings().all()
    latest = connection.execute(sa.text(_RUNS), {"runs": runs}).mappings().all()
    return Status(
        now=now,
        scopes=tuple(Scope(**row) for row in scopes),
        runs=tuple(Run(**{**row, "calls": _calls(row["calls"])}) for row in latest),
    )


def _calls(text: str | None) -> int:
    return sum(json.loads(text or "{}").values())


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else age.total_seconds()
