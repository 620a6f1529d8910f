"""Measure how long a commit locks the file: `python -m benchmarks.commit [--jobs 1000000]`.

The benchmark builds a file of jobs with details and history; --keep keeps it. Then it commits
batches of changed jobs as a sync does: jobs, details, one row of history each, the scope and the
ledger. It prints the time from opening the file for writing to closing it. This includes the
checkpoint and reading the commit back. No reader can open the file during this time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks import MISSED
from exporter.sagemaker.rows import JobKey
from exporter.store import migrate
from exporter.store.database import Database, Transaction
from exporter.store.scopes import Run, ScopeState
from exporter.syncing.merge import Merged, Stored
from exporter.syncing.records import Commit, Records

ACCOUNT, REGION = "111122223333", "eu-west-1"
GOAL = 0.5


def main() -> int:
    """Build the file, commit, and print the times.

    Returns:
        Exit code: 3 if a median is above the goal, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commit", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="rows in the file")
    parser.add_argument("--batch", type=int, default=10_000, help="changed rows per commit")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="keep the file here; reuse it if it exists")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "jobs.duckdb"
        if not path.exists():
            began = time.perf_counter()
            build(path, options.jobs)
            print(f"built {options.jobs:,} jobs in {time.perf_counter() - began:.0f} s")
        size = path.stat().st_size / 1e6
        print(f"file: {options.jobs:,} jobs, {size:.0f} MB; {options.batch:,} changed per commit")
        median = 0.0
        for kind, keys in choices(path, options.batch).items():
            times = [commit(path, keys) for _ in range(options.repeats)]
            median = max(median, statistics.median(times))
            print(
                f"{kind}: file locked for {statistics.median(times):.3f} s "
                f"(median of {len(times)}; {min(times):.3f} to {max(times):.3f} s)"
            )
        grown = path.stat().st_size / 1e6
        print(f"file: {grown:.0f} MB after {2 * options.repeats} commits")
    print(f"goal: under {GOAL} s: {'met' if median < GOAL else 'missed'}")
    return 0 if median < GOAL else MISSED


def build(path: Path, jobs: int) -> None:
    """Create a file with one closed job every half minute, as syncs leave it."""
    migrate.upgrade(Database(path))
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TEMP TABLE made AS {_MADE}", [jobs])
        for table, statement in _TABLES.items():
            connection.execute(f"INSERT INTO {table} BY NAME {statement}")


def choices(path: Path, batch: int) -> dict[str, list[JobKey]]:
    """Return the jobs to change: the newest (the usual case) and jobs anywhere (the worst case)."""
    orders = {"the newest jobs": "creation_time DESC", "jobs anywhere": "hash(training_job_arn)"}
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return {
            kind: [
                JobKey(*row)
                for row in connection.execute(
                    "SELECT training_job_arn, creation_time FROM training_jobs "  # noqa: S608 - as above
                    f"ORDER BY {order} LIMIT ?",
                    [batch],
                ).fetchall()
            ]
            for kind, order in orders.items()
        }


def commit(path: Path, keys: Sequence[JobKey]) -> float:
    """Change and commit these jobs, and return the seconds that the file was locked."""
    database = Timed(path)
    records = Records(database)
    now = datetime.now(UTC)
    changed = [changed_job(stored, now) for stored in records.known(keys)]
    run = Run(f"run-{now.timestamp()}", ACCOUNT, REGION, "incremental", now, jobs_changed=len(keys))
    records.commit(Commit(run, ScopeState(ACCOUNT, REGION, watermark=now), changed))
    return database.locked


def changed_job(stored: Stored, now: datetime) -> Merged:
    """Return a job as a settled pool leaves it."""
    seconds = (stored.job.warm_pool_retained_seconds or 0) + 1
    job = replace(stored.job, warm_pool_retained_seconds=seconds, last_modified_time=now)
    details = stored.details and replace(stored.details, fetched_at=now)
    after = replace(stored, job=job, updated_at=now, verified_at=now, details=details)
    return Merged(stored, after, ((now, job),))


class Timed(Database):
    """A database that measures how long it is open for writing.

    Attributes:
        locked: Seconds of the last opening for writing, from opening to closing.
    """

    locked = 0.0

    @contextmanager
    def transactions(self) -> Iterator[Transaction]:
        """Open the file for a commit, and measure how long it stays open."""
        began = time.perf_counter()
        with super().transactions() as transaction:
            yield transaction
        self.locked = time.perf_counter() - began


_FIRST = datetime(2025, 11, 1, tzinfo=UTC)
_MADE = f"""
SELECT
    'arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/' || training_job_name AS training_job_arn,
    *
FROM (
    SELECT
        number,
        'pipelines-' || substr(md5(number::VARCHAR), 1, 12) || '-Trainer-'
            || substr(md5('x' || number::VARCHAR), 1, 10) AS training_job_name,
        TIMESTAMPTZ '{_FIRST.isoformat()}' + to_seconds(30 * number) AS creation_time
    FROM range(?) AS made (number)
)
"""  # noqa: S608 - constants of this file
_END = "creation_time + to_seconds(600 + number % 3600)"
_TABLES = {
    "training_jobs": f"""
        SELECT * EXCLUDE number, '{ACCOUNT}' AS account_id, '{REGION}' AS region,
            'Completed' AS training_job_status, 'Completed' AS secondary_status,
            {_END} AS training_end_time, {_END} AS last_modified_time,
            'Terminated' AS warm_pool_status, number % 1800 AS warm_pool_retained_seconds,
            creation_time AS first_synced_at, {_END} AS updated_at, {_END} AS verified_at,
            false AS details_due, 'Trainer' AS job_family, 'pipeline' AS family_rule
        FROM made
    """,  # noqa: S608 - constants of this file
    "training_job_details": f"""
        SELECT training_job_arn, creation_time, 'ml.m5.xlarge' AS instance_type,
            1 AS instance_count, 30 AS volume_size_gb, 1800 AS keep_alive_seconds,
            creation_time + to_seconds(120) AS training_start_time,
            480 + number % 3600 AS billable_seconds, 480 + number % 3600 AS training_seconds,
            false AS managed_spot, 'arn:aws:iam::{ACCOUNT}:role/Trainer' AS role_arn,
            '{{"team":"vision","n":"' || number || '"}}' AS tags,
            '[{{"Status":"Starting"}},{{"Status":"Training"}},{{"Status":"Completed"}}]'
                AS status_transitions,
            {_END} AS fetched_at, true AS final, false AS serverless
        FROM made
    """,  # noqa: S608 - constants of this file
    "training_job_changes": f"""
        SELECT training_job_arn, creation_time, {_END} AS observed_at, 'first' AS run_id,
            'Completed' AS training_job_status, 'Completed' AS secondary_status,
            'Terminated' AS warm_pool_status, number % 1800 AS warm_pool_retained_seconds,
            {_END} AS last_modified_time
        FROM made
    """,  # noqa: S608 - constants of this file
}


if __name__ == "__main__":
    sys.exit(main())
