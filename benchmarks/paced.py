"""Measure what a paced backfill takes besides its pace.

    python -m benchmarks.paced [--jobs 20000] [--latency 0.3]

The service answers after `--latency` seconds, as one far away does. The sync makes two list calls
a second and reads details. The pace alone takes half a second per list call after the first. What
is above that is what parsing, details and commits do not hide behind it. The seconds of the sync
are those of its run in the ledger, without the start of the process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks import MISSED
from benchmarks.backfill import service

GOAL = 1.03
_RPS = 2


def main() -> int:
    """Sync once, and print the seconds against those of the pace.

    Returns:
        Exit code: `MISSED` if the goal is missed, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paced", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.3, help="seconds of each answer")
    options = parser.parse_args()
    with (
        service(options.jobs, "--latency", str(options.latency)) as environment,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = Path(folder) / "jobs.duckdb"
        command = [sys.executable, "-m", "exporter", "--db", str(file), "-q", "sync"]
        subprocess.run([*command, "--max-rps", str(_RPS)], env=environment, check=True)
        with duckdb.connect(str(file), read_only=True) as connection:
            ((seconds, calls),) = connection.execute(
                "SELECT epoch(ended_at - started_at), calls::VARCHAR FROM sync_runs"
            ).fetchall()
    listed = json.loads(calls)["ListTrainingJobs"]
    pace = (listed - 1) / _RPS + options.latency
    ratio = seconds / pace
    print(
        f"{options.jobs:,} jobs with details, {listed} list calls at {_RPS} a second: "
        f"{seconds:.1f} s, {ratio:.3f} times the pace alone ({pace:.1f} s); calls {calls}"
    )
    print(f"goal: within {GOAL} times: {'met' if ratio <= GOAL else 'missed'}")
    return 0 if ratio <= GOAL else MISSED


if __name__ == "__main__":
    sys.exit(main())
