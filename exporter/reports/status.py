"""The figures of `status`: the age of the data, open jobs and pools, gaps and failures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from exporter.store.connections import Connection
from exporter.text import counted
from exporter.times import format_age, format_time

#: One row per scope, with counts of its jobs. A job counts as without price if one of its instance
#: types has no price in its region. Training plans and serverless jobs need no price.
_SCOPES: Final = """
WITH billed AS (
    -- One row per job, with the instance types that need a price.
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
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
),

counted AS (
    -- One row per scope and list of instance types.
    SELECT
        account_id,
        region,
        instance_types,
        count(*) AS jobs,
        count(*) FILTER (WHERE is_open) AS open_jobs,
        count(*) FILTER (WHERE has_open_pool) AS open_pools,
        count(*) FILTER (WHERE is_deleted) AS deleted_jobs,
        count(*) FILTER (WHERE without_details) AS jobs_without_details
    FROM billed
    GROUP BY ALL
),

priced AS (
    -- One row per region, with the instance types that have a price.
    SELECT region, list(DISTINCT instance_type) AS instance_types
    FROM prices
    WHERE component = 'Training'
    GROUP BY region
),

by_scope AS (
    -- One row per scope with jobs.
    SELECT
        account_id,
        region,
        sum(jobs) AS jobs,
        sum(open_jobs) AS open_jobs,
        sum(open_pools) AS open_pools,
        sum(deleted_jobs) AS deleted_jobs,
        sum(jobs_without_details) AS jobs_without_details,
        sum(jobs) FILTER (
            WHERE NOT list_has_all(coalesce(priced.instance_types, []), counted.instance_types)
        ) AS jobs_without_price
    FROM counted
    LEFT JOIN priced USING (region)
    GROUP BY ALL
),

odd AS (
    -- One row per scope whose ledger has odd records, with the JSON of each run.
    SELECT account_id, region, list(CAST(odd_records AS VARCHAR)) AS odd_records
    FROM sync_runs
    WHERE odd_records IS NOT NULL AND CAST(odd_records AS VARCHAR) <> '{}'
    GROUP BY account_id, region
),

known AS (
    -- One row per scope that is synced, or has jobs from a one-off sync; not those of `db forget`.
    SELECT account_id, region FROM sync_scopes
    UNION
    SELECT account_id, region FROM by_scope
    EXCEPT
    SELECT account_id, region FROM sync_scopes WHERE retired_at IS NOT NULL
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
    CAST(coalesce(by_scope.jobs_without_price, 0) AS BIGINT) AS jobs_without_price,
    coalesce(odd.odd_records, []) AS odd_records
FROM known
LEFT JOIN sync_scopes AS scope USING (account_id, region)
LEFT JOIN by_scope USING (account_id, region)
LEFT JOIN odd USING (account_id, region)
LEFT JOIN accounts USING (account_id)
ORDER BY known.account_id, known.region
"""

_RETIRED: Final = """
SELECT account_id || '/' || region
FROM sync_scopes
WHERE retired_at IS NOT NULL
ORDER BY account_id, region
"""

_RUNNING: Final = """
SELECT DISTINCT account_id, region
FROM sync_runs
WHERE outcome = 'running'
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
    """An account and region. The times are those of the table `sync_scopes`; numbers count jobs.

    `one_off` is true if only syncs with a filter or a creation window found jobs here.
    `is_configured` is false if no source of the configuration leads here any more.
    `is_syncing` is true if a sync is running that may read this scope.
    `odd_records` counts the records that were not as the API documents them, in all runs of the
    ledger: `{"skipped": {"ListTrainingJobs.CreationTime": 1}, "repaired": {…}}`.
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
    odd_records: Mapping[str, Mapping[str, int]]
    is_configured: bool = True
    is_syncing: bool = False

    @property
    def name(self) -> str:
        """`account/region`."""
        return f"{self.account_id}/{self.region}"

    def age(self, now: datetime) -> timedelta | None:
        """Return the time since the data was last known to be complete; None = it never was."""
        return None if self.watermark is None else max(now - self.watermark, timedelta())

    def gaps(self) -> Iterator[str]:
        """Yield what the data lacks, in words."""
        if not self.is_configured:
            yield (
                "no [[source]] of the configuration leads here any more, so its age does not "
                f"count; `db forget {self.name}` leaves it out"
            )
        if self.one_off:
            yield "only one-off syncs, so jobs may be missing"
        elif self.watermark is None:
            yield "never synced completely"
        if self.discovered_from is not None:
            yield f"no jobs from before {format_time(self.discovered_from)}"
        if self.listing_mode is not None:
            yield self._unfinished(self.listing_mode)
        for fate, members in self.odd_records.items():
            yield f"{counted(sum(members.values()), 'odd record')} {fate} ({', '.join(members)})"

    def _unfinished(self, mode: str) -> str:
        """Return how far the unfinished listing has come."""
        place = "before its first page"
        if self.listing_position is not None:
            place = f"at creation time {format_time(self.listing_position)}"
        kept = ""
        if mode == "backfill":
            kept = f", with {counted(self.jobs, 'job')}"
            if self.jobs_without_details:
                kept += f", {self.jobs_without_details:,} of them without details"
        if self.is_syncing:
            return f"the {mode} is running, {place}{kept}"
        return f"the {mode} was interrupted {place}{kept}; the next sync goes on from there"


@dataclass(frozen=True)
class Run:
    """A row of the table `sync_runs`; `calls` is the sum over all operations."""

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
        """The duration; None = the run was killed, or is still running."""
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Status:
    """What `status` shows at `now` by this machine's clock; the latest run comes first.

    `retired` names the scopes that `db forget` retired.
    """

    now: datetime
    scopes: tuple[Scope, ...]
    runs: tuple[Run, ...]
    retired: tuple[str, ...] = ()

    def stale(self, max_age: timedelta) -> list[str]:
        """Return a sentence for each scope whose data is older than `max_age`.

        Scopes of one-off syncs are never complete, so they do not count, nor do those to which the
        configuration no longer leads.
        """
        synced = [scope for scope in self.scopes if not scope.one_off and scope.is_configured]
        if not synced:
            return ["only one-off syncs have run" if self.scopes else "nothing has been synced yet"]
        found = []
        for scope in synced:
            age = scope.age(self.now)
            if age is None:
                found.append(f"{scope.name} has never been synced completely")
            elif age > max_age:
                found.append(f"{scope.name} is {format_age(age)} old")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the documented object of `status --json`; ages and durations are in seconds."""
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
            "retired": list(self.retired),
        }


def read(
    connection: Connection,
    now: datetime,
    *,
    runs: int = 10,
    is_configured: Callable[[str, str], bool] = lambda _account, _region: True,
    is_syncing: bool = True,
) -> Status:
    """Read the figures from the database.

    Args:
        connection: A read-only connection.
        now: The time by this machine's clock.
        runs: How many of the last runs to read.
        is_configured: Whether the configuration leads to an account and region.
        is_syncing: Whether a sync is running; if not, a run that did not end was killed.
    """
    scopes = list(connection.execute(_SCOPES).mappings())
    retired = connection.execute(_RETIRED).scalars()
    latest = list(connection.execute(_RUNS, {"runs": runs}).mappings())
    runs_now = connection.execute(_RUNNING).all()
    running = {(account_id, region) for account_id, region in runs_now}
    return Status(
        now=now,
        scopes=tuple(
            Scope(
                **{**row, "odd_records": _summed(row["odd_records"])},
                is_configured=is_configured(row["account_id"], row["region"]),
                is_syncing=is_syncing and (row["account_id"], row["region"]) in running,
            )
            for row in scopes
        ),
        runs=tuple(
            Run(
                **{
                    **row,
                    "calls": sum(json.loads(row["calls"] or "{}").values()),
                    "outcome": _outcome(row["outcome"], is_syncing=is_syncing),
                }
            )
            for row in latest
        ),
        retired=tuple(retired),
    )


def _outcome(outcome: str, *, is_syncing: bool) -> str:
    """Return the outcome of a run; one that was killed did not write its own."""
    return "interrupted" if outcome == "running" and not is_syncing else outcome


def _summed(texts: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return the sum of the odd records of many runs."""
    found: dict[str, Counter[str]] = {}
    for text in texts:
        for fate, members in json.loads(text).items():
            found.setdefault(fate, Counter()).update(members)
    return {fate: dict(sorted(members.items())) for fate, members in sorted(found.items())}


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else age.total_seconds()
