"""How the file grows: `python -m benchmarks.growth [--syncs 1000] [--jobs 1000] [--changing]`.

The same jobs are synced again and again, each time listed from the first to the last; with
--changing, each of them has a pool that waits, so that every row changes at every sync and its
history grows by one. Printed is the size of the file beside that of a fresh one that holds the
same rows: what freed blocks and rewritten indexes have cost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from exporter.simulator import Clock, Simulator, World
from exporter.store import migrate
from exporter.store.database import STORAGE_VERSION, Database
from tests.support.syncing import Syncer

GOAL = 1.5
START = datetime(2026, 11, 1, tzinfo=UTC)


def main() -> int:
    """Sync, print; 1 where the file has grown beyond the goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--syncs", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--changing", action="store_true", help="every row, at every sync")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.duckdb"
        sizes = grow(path, options.syncs, options.jobs, changing=options.changing)
        fresh = fresh_size(path)
    step = max(1, len(sizes) // 10)
    print("MB after each tenth:", " ".join(f"{size / 1e6:.1f}" for size in sizes[step - 1 :: step]))
    ratio = sizes[-1] / fresh
    print(
        f"{options.syncs:,} syncs of the same {options.jobs:,} jobs"
        f"{', each changed every time' if options.changing else ''}: {sizes[-1] / 1e6:.1f} MB, "
        f"a fresh file of the same rows {fresh / 1e6:.1f} MB: {ratio:.2f} times "
        f"(after the first sync it was {sizes[0] / 1e6:.1f} MB); "
        f"{time.perf_counter() - began:.0f} s"
    )
    print(f"goal: under {GOAL} times: {'met' if ratio < GOAL else 'missed'}")
    return int(ratio >= GOAL)


def grow(path: Path, syncs: int, jobs: int, *, changing: bool) -> list[int]:
    """Bytes of the file after each sync of the same jobs."""
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
    """Bytes of a new file with the same tables, rows and views."""
    fresh = path.with_name("fresh.duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS grown (READ_ONLY)")
        connection.execute(f"ATTACH '{fresh}' AS fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
        connection.execute("COPY FROM DATABASE grown TO fresh")
    return fresh.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
