"""Measure how the file grows: `python -m benchmarks.growth [--syncs 1000] [--jobs 1000]`.

The benchmark syncs the same jobs repeatedly, and each sync lists all of them. With --changing,
each job has an idle pool. Then every row changes at every sync, and each job gets one more row of
history. The benchmark compares the file's size with a fresh file that holds the same rows. The
difference is freed blocks and rewritten indexes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks import MISSED
from exporter.simulator import Clock, Simulator, World
from exporter.store import migrate
from exporter.store.database import STORAGE_VERSION, Database
from tests.support.syncing import Syncer

GOAL = 1.2
START = datetime(2026, 11, 1, tzinfo=UTC)


def main() -> int:
    """Sync repeatedly and print the sizes.

    Returns:
        Exit code: `MISSED` if the file grew beyond the goal, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--syncs", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--changing", action="store_true", help="change every row at every sync")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.duckdb"
        sizes = grow(path, options.syncs, options.jobs, changing=options.changing)
        fresh = fresh_size(path)
    step = max(1, len(sizes) // 10)
    print(
        "MB after each tenth of the syncs:",
        " ".join(f"{size / 1e6:.1f}" for size in sizes[step - 1 :: step]),
    )
    ratio = sizes[-1] / fresh
    print(
        f"{options.syncs:,} syncs of the same {options.jobs:,} jobs"
        f"{', all changed by each sync' if options.changing else ''}: {sizes[-1] / 1e6:.1f} MB, "
        f"{ratio:.2f} times a fresh file with the same rows ({fresh / 1e6:.1f} MB); "
        f"{sizes[0] / 1e6:.1f} MB after the first sync; "
        f"{time.perf_counter() - began:.0f} s"
    )
    print(f"goal: under {GOAL} times: {'met' if ratio < GOAL else 'missed'}")
    return MISSED if ratio >= GOAL else 0


def grow(path: Path, syncs: int, jobs: int, *, changing: bool) -> list[int]:
    """Return the size of the file in bytes after each sync of the same jobs."""
    sizes = []
    world = World(Clock(START))
    scope = world.scope("111122223333", "eu-west-1")
    for number in range(jobs):
        world.clock.advance(1)
        job = scope.create_job(
            f"job-{number}", keep_alive_seconds=3_600 if changing else None, lives=False
        )
        scope.finish(scope.start(job))
    database = Database(path)
    migrate.upgrade(database)
    with Simulator(world) as simulator:
        syncer = Syncer(database, scope, simulator)
        for _ in range(syncs):
            world.clock.advance(300)
            syncer.sync(full=True)
            sizes.append(path.stat().st_size)
    return sizes


def fresh_size(path: Path) -> int:
    """Return the size in bytes of a new file with the same tables, rows and views."""
    fresh = path.with_name("fresh.duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS grown (READ_ONLY)")
        connection.execute(f"ATTACH '{fresh}' AS fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
        connection.execute("COPY FROM DATABASE grown TO fresh")
    return fresh.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
