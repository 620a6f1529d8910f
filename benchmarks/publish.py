"""Measures a publish of what has changed: `python -m benchmarks.publish [--jobs 1000000]`.

The benchmark builds the file of `benchmarks.reports`, and publishes it whole to a folder. Then it
changes 1,000 of the newest jobs, as a sync does, and publishes again; and once more, with nothing
changed. Each publish runs in its own process. It prints seconds, CPU seconds, the peak memory, the
commits and the share of the rows that were written again. `--race` lets 20 processes claim one
scope, so many times, and counts the winners.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable

from benchmarks import MISSED
from benchmarks.reports import build
from exporter.errors import UsageError
from exporter.publish import plan, run, storage
from exporter.publish.delta import Lake, Writer
from exporter.publish.layout import LAYOUT
from exporter.publish.plan import Entry, Known, Scope
from exporter.store.database import Database

COMMAND = (sys.executable, "-m", "benchmarks.publish")
#: The goals of a publish of 1,000 jobs: CPU seconds, megabytes, and the share of the rows.
CPU, MEGABYTES, SHARE = 8.0, 1_000, 0.10
#: The goal of a publish without changes, in seconds.
IDLE_SECONDS = 2.0
WRITERS = 20
_CHANGES = (
    "CREATE TEMP TABLE newest AS SELECT training_job_arn FROM training_jobs "
    "ORDER BY creation_time DESC LIMIT 1000",
    "UPDATE training_jobs SET warm_pool_retained_seconds = warm_pool_retained_seconds + 1, "
    "team = 'changed' WHERE training_job_arn IN (FROM newest)",
    "UPDATE training_job_details SET billable_seconds = billable_seconds + 1 "
    "WHERE training_job_arn IN (FROM newest)",
    "UPDATE sync_scopes SET watermark = watermark + INTERVAL 1 HOUR",
)


def main() -> int:
    """Build, publish and print; return 3 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="number of jobs in the file")
    parser.add_argument("--keep", type=Path, help="keep file and lake in this folder")
    parser.add_argument("--race", type=int, metavar="TIMES", help="race so many times instead")
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return 0
    if options.race:
        return races(options.race)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        return steps(folder / "jobs.duckdb", folder / "lake", options.jobs)


def steps(file: Path, lake: Path, jobs: int) -> int:
    """Publish three times, and return 3 if a goal is missed."""
    if not file.exists():
        build(file, jobs)
    publish("first publish", file, lake)
    total = rows(lake)
    with duckdb.connect(str(file)) as connection:
        for statement in _CHANGES:
            connection.execute(statement)
    second = publish("1,000 jobs changed", file, lake)
    third = publish("nothing changed", file, lake)
    share = second["rows"] / total
    missed = [
        name
        for name, is_met in {
            f"{CPU} s of CPU": second["cpu"] <= CPU,
            f"{MEGABYTES:,} MB": second["megabytes"] <= MEGABYTES,
            f"{SHARE:.0%} of the rows": share <= SHARE,
            f"{IDLE_SECONDS} s and no commit": third["seconds"] <= IDLE_SECONDS
            and not third["commits"],
        }.items()
        if not is_met
    ]
    print(f"{share:.1%} of {total:,} rows written again; missed: {missed or 'none'}")
    return MISSED if missed else 0


def publish(what: str, file: Path, lake: Path) -> dict[str, Any]:
    """Publish in a process of its own, and print and return its figures."""
    before = commits(lake)
    done = subprocess.run(
        [*COMMAND, "--measure", str(file), str(lake)], stdout=subprocess.PIPE, check=True
    )
    took: dict[str, Any] = json.loads(done.stdout)
    took["commits"] = commits(lake) - before
    print(
        f"{what:22} {took['seconds']:7.1f} s {took['cpu']:7.1f} s CPU {took['megabytes']:6.0f} MB "
        f"{took['rows']:12,} rows {took['commits']:5} commits",
        flush=True,
    )
    return took


def commits(lake: Path) -> int:
    """Return the number of commits to all tables."""
    tables = (path for path in lake.glob("*") if path.is_dir())
    return sum(DeltaTable(table).version() + 1 for table in tables)


def rows(lake: Path) -> int:
    """Return the number of rows of all tables."""
    actions = (DeltaTable(path).get_add_actions(flatten=True) for path in lake.glob("[a-z]*"))
    return sum(sum(each.column("num_records").to_pylist()) for each in actions)


def measure(file: Path, lake: Path) -> None:
    """Publish in this process, and print its figures as JSON."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = run.publish(Database(file), storage.place(str(lake)), run.Options())
    took = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took["megabytes"] = peak / (1e6 if sys.platform == "darwin" else 1e3)
    took["rows"] = sum(table.rows for table in done.tables)
    print(json.dumps(took))


def races(times: int) -> int:
    """Let processes claim one scope, and return 1 unless one wins each time and none is lost."""
    lost = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(WRITERS) as pool,
    ):
        for number in range(times):
            lake = Path(folder) / f"lake-{number}"
            lake.mkdir()
            won = pool.map(claim, [(str(lake), writer) for writer in range(WRITERS)], chunksize=1)
            where = storage.place(str(lake))
            entries = Lake(where, storage.Options(where)).entries("nobody")
            claims = plan.known(entries, "nobody", LAYOUT).claims
            lost += sum(won) != 1 or len(claims) != WRITERS + 2
    print(f"{times} races of {WRITERS} writers: {times - lost} with one winner and nothing lost")
    return int(lost > 0)


def claim(task: tuple[str, int]) -> bool:
    """Claim the scope of all and one of its own; return whether the first one was won."""
    lake, number = task
    where, name = storage.place(lake), f"writer-{number}"
    own = Scope(f"{number:012}", "eu-west-1")

    def of(scopes: set[Scope]) -> None:
        def decide(entries: list[Entry]) -> tuple[Writer, dict[Scope, list[Entry]]]:
            found = plan.known(entries, name, LAYOUT)
            claims = plan.claims(found, scopes, name, owns_prices=False, take_over=False)
            return Writer(name, 1, claims), {
                scope: [plan.claimed(scope, each, Known(), LAYOUT)]
                for scope, each in plan.new_claims(found, claims).items()
            }

        Lake(where, storage.Options(where)).claim(name, decide)

    try:
        of({own, Scope("shared", "eu-west-1")})
        return True
    except UsageError:
        of({own})
        return False


if __name__ == "__main__":
    sys.exit(main())
