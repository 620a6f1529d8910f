"""Measures every report: `python -m benchmarks.reports [--jobs 1000000]`.

The benchmark builds a file with a year of jobs, details, tags and prices: two accounts, two
regions, fifty families, five instance types, chains of up to five jobs on one pool, spot jobs,
failures, pools without reuse, pools that AWS did not keep, changed keep-alive periods, and what
runs or waits now. It runs each report of the catalogue through `exporter.report`
in its own process, with the default period. The reports of totals run a second time over the
whole year. It prints the seconds of the call, its CPU seconds, and the peak memory of the process.
The call opens the file; the start of Python and its imports are not counted.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

import exporter
from benchmarks import MISSED
from exporter.prices import shipped
from exporter.reports.catalogue import Report, catalogue, find
from exporter.store import migrate
from exporter.store.connections import SESSION
from exporter.store.database import Database

YEAR = timedelta(days=365)
#: The goal in seconds by the largest number of jobs, and the goal in MB.
SECONDS = {1_000_000: 1.0, 10_000_000: 5.0}
MEGABYTES = 2_000
COMMAND = (sys.executable, "-m", "benchmarks.reports")
#: Reports that also run over the whole year.
TOTALS = ("training-cost", "warm-pool-cost", "warm-pool-chains")


def main() -> int:
    """Build, run and print; return 3 if a report with its default period misses the goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="number of jobs in the file")
    parser.add_argument("--keep", type=Path, help="keep the file here, and use it if it exists")
    parser.add_argument("reports", nargs="*", help="run only these reports")
    parser.add_argument("--build", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--all-time", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        build(options.keep, options.jobs)
        return 0
    if options.measure:
        measure(options.keep, options.reports[0], all_time=options.all_time)
        return 0
    goal = next((seconds for jobs, seconds in SECONDS.items() if options.jobs <= jobs), 5.0)
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "jobs.duckdb"
        if not path.exists():
            began = time.perf_counter()
            # In its own process: later ones would inherit the peak memory of this one.
            subprocess.run(
                [*COMMAND, "--build", "--keep", path, "--jobs", str(options.jobs)], check=True
            )
            print(f"built {options.jobs:,} jobs in {time.perf_counter() - began:.0f} s")
        print(f"a file of {options.jobs:,} jobs, {path.stat().st_size / 1e6:.0f} MB")
        names = options.reports or list(catalogue())
        missed = [name for name in names if not show(path, name, goal)]
        for name in TOTALS:
            if name in names:
                show(path, name, goal, all_time=True)
    print(
        f"goal: under {goal} s and {MEGABYTES:,} MB each; missed by {', '.join(missed) or 'none'}"
    )
    return MISSED if missed else 0


def show(path: Path, name: str, goal: float, *, all_time: bool = False) -> bool:
    """Run a report in its own process, print its figures, and return whether it meets the goal."""
    command = [*COMMAND, "--measure", "--keep", str(path), name]
    done = subprocess.run(
        [*command, *(["--all-time"] if all_time else [])], stdout=subprocess.PIPE, check=True
    )
    took = json.loads(done.stdout)
    met: bool = took["seconds"] < goal and took["megabytes"] < MEGABYTES
    print(
        f"{name + (', all time' if all_time else ''):28} {took['seconds']:7.2f} s "
        f"{took['cpu']:7.2f} s CPU {took['megabytes']:6.0f} MB {took['rows']:7,} rows"
        f"  {'met' if met else 'missed'}",
        flush=True,
    )
    return met


def argument_of(report: Report) -> str | None:
    """Return a family or a job that the file has, if a report needs one."""
    needed = [name for name, parameter in report.parameters.items() if parameter.required]
    return {"family": "family-07", "job": "family-07-0000007"}[needed[0]] if needed else None


def measure(path: Path, name: str, *, all_time: bool) -> None:
    """Run a report in this process, and print its figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.duckdb"
        migrate.upgrade(Database(empty))
        exporter.report(empty, "coverage")  # imports the modules
    wall, cpu = time.perf_counter(), time.process_time()
    result = exporter.report(
        path,
        name,
        argument_of(find(name)),
        since=datetime(2000, 1, 1, tzinfo=UTC) if all_time else None,
    )
    took = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = peak / (1e6 if sys.platform == "darwin" else 1e3)
    print(json.dumps({**took, "megabytes": megabytes, "rows": len(result)}))


def build(path: Path, jobs: int) -> None:
    """Build a file as syncs leave it, of jobs that are spread evenly over the last year."""
    database = Database(path)
    migrate.upgrade(database)
    with database.writing() as connection:
        shipped.load_shipped(connection)
    now = datetime.now(UTC)
    with duckdb.connect(str(path)) as connection:
        connection.execute(SESSION)
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            f"CREATE TEMP VIEW made AS {_MADE}".replace("$jobs", str(jobs))
            .replace("$first", (now - YEAR).isoformat())
            .replace("$now", now.isoformat())
            .replace("$step", str(250 * max(1, jobs // 1_000_000)))
            .replace("$apart_us", str(int(YEAR / timedelta(microseconds=1)) // jobs))
        )
        for table, statement in _TABLES.items():
            connection.execute(f"INSERT INTO {table} BY NAME {statement}")


# The numbers of the jobs of a chain differ by a multiple of 250, which is two hours: they share
# family, instance type, account and region. One in a hundred pools was not kept, and a seventh of
# the families halved the keep-alive period in the last month.
_MADE = """
SELECT
    *,
    keeps AND ended AND number % 101 > 0 AS has_pool,
    has_pool AND training_end_time + to_seconds(idle) > made_at AS waits,
    CASE WHEN keeps THEN
        CASE
            WHEN family % 7 = 0 AND creation_time > made_at - INTERVAL 20 DAY THEN 900
            ELSE 1800
        END
    END AS keep_alive_seconds,
    CASE
        WHEN NOT ended THEN 'InProgress'
        WHEN number % 17 = 0 THEN 'Failed'
        ELSE 'Completed'
    END AS training_job_status
FROM (
    SELECT
        *,
        'arn:aws:sagemaker:' || region || ':' || account_id || ':training-job/'
            || training_job_name AS training_job_arn,
        creation_time + to_seconds(120) AS training_start_time,
        training_start_time + to_seconds(busy) < made_at AS ended,
        CASE WHEN ended THEN training_start_time + to_seconds(busy) END AS training_end_time
    FROM (
        SELECT
            TIMESTAMPTZ '$now' AS made_at,
            number,
            number % 50 AS family,
            number // $step % 5 AS place_in_chain,
            printf('family-%02d-%07d', number % 50, number) AS training_job_name,
            printf('family-%02d-%07d', number % 50, number + $step) AS next_name,
            ['111122223333', '444455556666'][1 + number % 2] AS account_id,
            ['eu-west-1', 'us-east-1'][1 + number // 2 % 5 // 3] AS region,
            ['ml.m5.xlarge', 'ml.g4dn.xlarge', 'ml.g5.xlarge', 'ml.p3.2xlarge', 'ml.m5.4xlarge']
                [1 + number // 10 % 5] AS instance_type,
            1 + number % 50 % 3 AS instance_count,
            300 + CAST(hash(number) % 7200 AS BIGINT) AS busy,
            CAST(hash(number + 1) % 1800 AS BIGINT) AS idle,
            number % 10 < 6 AS keeps,
            TIMESTAMPTZ '$first' + to_microseconds(number * $apart_us) AS creation_time
        FROM range($jobs) AS made (number)
    )
)
"""
_TABLES = {
    "training_jobs": """
        SELECT training_job_arn, creation_time, account_id, region, training_job_name,
            training_job_status,
            CASE WHEN ended THEN training_job_status ELSE 'Training' END AS secondary_status,
            training_end_time,
            coalesce(training_end_time, training_start_time) AS last_modified_time,
            CASE
                WHEN NOT has_pool THEN NULL
                WHEN waits THEN 'Available'
                WHEN place_in_chain < 4 THEN 'Reused'
                ELSE 'Terminated'
            END AS warm_pool_status,
            CASE WHEN has_pool AND NOT waits THEN idle END AS warm_pool_retained_seconds,
            CASE WHEN has_pool AND NOT waits AND place_in_chain < 4 THEN next_name END
                AS warm_pool_reused_by_job,
            creation_time AS first_synced_at, last_modified_time AS updated_at,
            made_at AS verified_at, false AS details_due,
            printf('family-%02d', family) AS job_family, 'number' AS family_rule,
            ['vision', 'speech', NULL][1 + family % 3] AS team,
            CASE WHEN family % 3 < 2 THEN 'tag' END AS team_rule
        FROM made
    """,
    "training_job_details": """
        SELECT training_job_arn, creation_time, instance_type, instance_count,
            30 + family AS volume_size_gb, keep_alive_seconds,
            training_start_time, CASE WHEN ended THEN busy END AS training_seconds,
            CASE
                WHEN NOT ended THEN NULL
                WHEN keeps OR number % 10 < 8 THEN busy
                ELSE busy * 2 // 5
            END AS billable_seconds,
            NOT keeps AND number % 10 >= 8 AS managed_spot,
            'arn:aws:iam::' || account_id || ':role/Trainer' AS role_arn,
            CASE WHEN training_job_status = 'Failed' THEN 'AlgorithmError: exit code ' || number % 5
                END AS failure_reason,
            '{"team":"vision","Project":"p' || family || '"}' AS tags,
            '[{"Status":"Starting","StartTime":"'
                || strftime(creation_time, '%Y-%m-%dT%H:%M:%SZ') || '","EndTime":"'
                || strftime(training_start_time, '%Y-%m-%dT%H:%M:%SZ')
                || '"},{"Status":"Training","StartTime":"'
                || strftime(training_start_time, '%Y-%m-%dT%H:%M:%SZ')
                || CASE WHEN ended
                    THEN '","EndTime":"' || strftime(training_end_time, '%Y-%m-%dT%H:%M:%SZ')
                    ELSE '' END
                || '"}]' AS status_transitions,
            false AS encrypt_traffic, false AS network_isolation,
            made_at AS fetched_at, ended AS final, false AS serverless
        FROM made
    """,
    "sync_scopes": """
        SELECT DISTINCT account_id, region, now() AS watermark, now() AS discovered_to,
            now() - INTERVAL 400 DAY AS discovered_from, now() AS last_complete_at
        FROM made
    """,
}


if __name__ == "__main__":
    sys.exit(main())
